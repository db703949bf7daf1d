"""CPU time of a user's command: children counted, failures told."""

from __future__ import annotations

import sys

import pytest

from smartbkg.errors import PolicyError, UsageError
from smartbkg.evaluation.time_command import measured_costs, time_command
from smartbkg.sampling.cost import Costs

BUSY = "import time; t = time.process_time()\nwhile time.process_time() - t < 0.2: pass"


def test_the_time_is_per_event_and_counts_children() -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True)"
    one, ten = (time_command(f'{sys.executable} -c "{code}"', n) for n in (1, 10))
    assert one > 0.2
    assert ten < one


def test_the_number_of_events_reaches_the_command() -> None:
    code = "import sys; sys.exit(int(sys.argv[1]) - 7)"
    time_command(f'{sys.executable} -c "{code}" {{events}}', 7)
    with pytest.raises(UsageError, match="ended with code 1"):
        time_command(f'{sys.executable} -c "{code}" {{events}}', 8)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/no/such/program", "cannot run '/no/such/program'"),
        ("'unclosed", "cannot run ''unclosed': No closing quotation"),
    ],
)
def test_commands_that_cannot_run_are_told(command: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        time_command(command, 1)


def test_the_last_words_of_a_failure_are_quoted() -> None:
    with pytest.raises(UsageError, match="ended with code 3: no such table"):
        time_command(f"{sys.executable} -c \"import sys; print('no such table', file=sys.stderr); sys.exit(3)\"", 1)


def test_a_command_without_time_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_utime=1.0, ru_stime=1.0))
    with pytest.raises(PolicyError, match="took no measurable CPU time over 5 events"):
        time_command(f"{sys.executable} -c pass", 5)


def test_only_the_costs_of_commands_that_were_given_are_measured() -> None:
    assumed = Costs(1000.0, 2000.0, 3000.0)
    assert measured_costs(assumed, 1) == assumed
    found = measured_costs(assumed, 1, simulate_command=f'{sys.executable} -c "{BUSY}"'.replace("\n", "\n"))
    assert (found.generation, found.filtering) == (1000.0, 2000.0)
    assert 0.2 <= found.simulation < 100
