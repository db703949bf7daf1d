"""generator > FIFO; smartbkg filter FIFO --output - | simulation: with real processes, and with either side killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyhepmc
import pytest
from filtered_sample import make_model
from io_events import decay_event, hepmc_text

from smartbkg.events import EventBatch
from smartbkg.io import open_events

SMARTBKG = [sys.executable, "-c", "from smartbkg.cli import main; main()"]
N_EVENTS = 40

GENERATOR = """
import sys, time
head, event, end = (bytes.fromhex(text) for text in sys.argv[2:5])
with open(sys.argv[1], "wb", buffering=0) as fifo:
    fifo.write(head)
    number = 0
    while number < int(sys.argv[5]):
        fifo.write(event.replace(b"E 1 ", b"E %d " % (number + 1), 1))
        number += 1
        if number == int(sys.argv[6]):
            print("stopped", flush=True)
            time.sleep(600)
    fifo.write(end)
"""


def generator(fifo: Path, n_events: int = N_EVENTS, stop_after: int = -1) -> subprocess.Popen[bytes]:
    """A process that writes events to the FIFO, and hangs after some of them if asked to."""
    text = hepmc_text([decay_event(1)])
    start, stop = text.index(b"\nE ") + 1, text.index(b"HepMC::Asciiv3-END")
    parts = [part.hex() for part in (text[:start], text[start:stop], text[stop:])]
    return subprocess.Popen(
        [sys.executable, "-c", GENERATOR, str(fifo), *parts, str(n_events), str(stop_after)], stdout=subprocess.PIPE
    )


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "events.fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def running() -> Iterator[contextlib.ExitStack]:
    """Processes entered here are waited for, and their pipes closed; a test that fails leaves none behind."""
    with contextlib.ExitStack() as stack:
        yield stack


def start(running: contextlib.ExitStack, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Have a process killed at the end of the test, should it still run, and its pipes closed."""
    running.enter_context(process)
    running.callback(process.kill)
    return process


def convert(fifo: Path, output: str, *options: str) -> subprocess.Popen[bytes]:
    arguments = [*SMARTBKG, "convert", str(fifo), output, *options]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def filtering(fifo: Path, model: Path, *options: str) -> subprocess.Popen[bytes]:
    arguments = [
        *SMARTBKG,
        "filter",
        str(fifo),
        "--model",
        str(model),
        "--policy",
        "score",
        "--max-weight",
        "3",
        *options,
    ]
    return subprocess.Popen([*arguments, "--output", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "m.safetensors")


CONSUMER = """
import sys, pyhepmc.io as hepmc_io
reader = hepmc_io.ReaderAscii(hepmc_io.pyiostream(sys.stdin.buffer))
while (event := reader.read()) is not None:
    print(event.event_number, len(event.particles), event.weight("smartbkg"), event.attributes["smartbkg_score"])
"""


def test_the_filter_stands_between_a_generator_and_a_simulation(
    fifo: Path, tmp_path: Path, model: Path, running: contextlib.ExitStack
) -> None:
    """What reaches the consumer through two pipes is what a filter of the same events in a file keeps."""
    producer = start(running, generator(fifo, 200))
    process = start(running, filtering(fifo, model, "--skim", "first", "--seed", "3", "--batch-size", "16"))
    consumer = subprocess.Popen([sys.executable, "-c", CONSUMER], stdin=process.stdout, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    printed, _ = start(running, consumer).communicate(timeout=120)
    message = process.stderr.read().decode()
    assert (producer.wait(60), process.wait(60), consumer.returncode) == (0, 0, 0), message
    events = [decay_event(number) for number in range(1, 201)]
    (tmp_path / "in.hepmc3").write_bytes(hepmc_text(events))
    arguments = ["--model", str(model), "--policy", "score", "--max-weight", "3", "--skim", "first", "--seed", "3"]
    output = tmp_path / "out.parquet"
    subprocess.run(
        [*SMARTBKG, "filter", str(tmp_path / "in.hepmc3"), *arguments, "--output", str(output)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with open_events(output) as reader:
        kept = EventBatch.concatenate(list(reader.batches()))
    lines = [line.split() for line in printed.decode().splitlines()]
    assert 0 < len(lines) < 200
    assert f"{len(lines)} of 200 events kept" in message
    assert [int(line[0]) for line in lines] == kept.event["evtNum"].tolist()
    assert {int(line[1]) for line in lines} == {len(events[0].particles)}
    assert [float(line[2]) for line in lines] == kept.event["weight"].tolist()
    assert [float(line[3]) for line in lines] == pytest.approx(kept.event["score"].tolist(), rel=1e-12)


def test_a_generator_that_dies_ends_the_filter_and_its_reader_can_tell(
    fifo: Path, model: Path, running: contextlib.ExitStack
) -> None:
    producer = start(running, generator(fifo, stop_after=25))
    process = start(running, filtering(fifo, model, "--batch-size", "4"))
    assert producer.stdout is not None
    assert producer.stdout.readline() == b"stopped\n"
    producer.send_signal(signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    message = errors.decode().strip().splitlines()[-1]
    assert message.startswith("error:")
    assert "ends after 25 events without END_EVENT_LISTING" in message
    assert "Traceback" not in errors.decode()
    assert b"END_EVENT_LISTING" not in output


def test_a_simulation_that_dies_ends_the_filter_and_the_generator(
    fifo: Path, model: Path, running: contextlib.ExitStack
) -> None:
    producer = start(running, generator(fifo, n_events=20000))
    process = start(running, filtering(fifo, model, "--batch-size", "4"))
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(2000)
    process.stdout.close()
    message = process.stderr.read().decode()
    assert process.wait(60) == 1
    assert "the reader of the output has gone" in message
    assert "Traceback" not in message
    assert producer.wait(60) != 0


def test_events_stream_from_a_producer_to_a_consumer(fifo: Path, tmp_path: Path, running: contextlib.ExitStack) -> None:
    producer = start(running, generator(fifo))
    process = start(running, convert(fifo, "-", "--batch-size", "7"))
    consumer = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent("""
            import sys, pyhepmc.io as hepmc_io
            reader = hepmc_io.ReaderAscii(hepmc_io.pyiostream(sys.stdin.buffer))
            n = 0
            while reader.read() is not None:
                n += 1
            print(n)
        """)],
        stdin=process.stdout, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    counted, _ = start(running, consumer).communicate(timeout=120)
    assert process.stderr is not None
    message = process.stderr.read().decode()
    assert (producer.wait(60), process.wait(60)) == (0, 0), message
    assert int(counted) == N_EVENTS
    assert f"{N_EVENTS} events" in message


def test_a_killed_producer_is_an_error_that_says_how_far_it_came(
    fifo: Path, tmp_path: Path, running: contextlib.ExitStack
) -> None:
    producer = start(running, generator(fifo, stop_after=25))
    process = start(running, convert(fifo, str(tmp_path / "out.hepmc3"), "--batch-size", "4"))
    assert producer.stdout is not None
    assert producer.stdout.readline() == b"stopped\n"
    producer.send_signal(signal.SIGKILL)
    producer.wait(60)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "ends after 25 events without END_EVENT_LISTING" in errors.decode()
    assert "Traceback" not in errors.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.fifo"]


def test_a_killed_consumer_ends_the_filter_with_a_message(fifo: Path, running: contextlib.ExitStack) -> None:
    producer = start(running, generator(fifo, n_events=20000))
    process = start(running, convert(fifo, "-", "--batch-size", "4"))
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(2000)
    process.stdout.close()
    message = process.stderr.read().decode()
    assert process.wait(60) == 1
    assert "the reader of the output has gone" in message
    assert "Traceback" not in message
    assert "Exception" not in message
    assert producer.wait(60) != 0  # it finds nobody at the other end, too


def test_output_to_a_fifo_reaches_a_reader(tmp_path: Path, fifo: Path, running: contextlib.ExitStack) -> None:
    source = tmp_path / "in.hepmc3"
    source.write_bytes(hepmc_text([decay_event(number) for number in range(1, 6)]))
    process = start(running, subprocess.Popen([*SMARTBKG, "convert", str(source), str(fifo)], stderr=subprocess.PIPE))
    with fifo.open("rb") as stream:
        content = stream.read()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    (tmp_path / "out.hepmc3").write_bytes(content)
    with pyhepmc.open(tmp_path / "out.hepmc3") as file:
        assert [event.event_number for event in file] == [1, 2, 3, 4, 5]


WRITER = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from io_events import decay_event, hepmc_text
text = hepmc_text([decay_event(number) for number in range(1, 7)])
starts = [at + 1 for at in range(len(text)) if text[at : at + 3] == b"\\nE "]
end = text.rindex(b"HepMC::")
for part in (text[: starts[3]], text[starts[3] : end], text[end:]):
    sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()
    sys.stdin.readline()  # until somebody has seen what came of it
"""


def test_what_three_pipes_hold_comes_out_before_more_goes_in(
    tmp_path: Path, model: Path, running: contextlib.ExitStack
) -> None:
    """A generator that waits for an answer: two filters and a conversion in between hold nothing back."""
    keeps_all = ("--policy", "threshold=0", "--seed", "1", "--model", str(model), "--skim", "first")
    (tmp_path / "-").write_text("a file of this name is not standard input")
    folder = os.pathsep.join(sys.path)
    writer = start(
        running,
        subprocess.Popen([sys.executable, "-c", WRITER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE),
    )
    stages = [
        ["filter", "-", *keeps_all, "-o", "-"],
        ["convert", "-", "-"],
        ["filter", "-", *keeps_all, "--stream", "second", "-o", "-"],
    ]
    last = writer
    for stage in stages:
        before = last.stdout
        assert before is not None
        process = subprocess.Popen([*SMARTBKG, *stage], cwd=tmp_path, stdin=before, stdout=subprocess.PIPE)
        before.close()
        last = start(running, process)
    assert last.stdout is not None
    assert writer.stdin is not None
    guard = threading.Timer(240, writer.kill)
    guard.start()
    running.callback(guard.cancel)
    seen = until(last.stdout, 3)
    writer.stdin.write(b"\n")
    writer.stdin.flush()
    seen += until(last.stdout, 3)
    assert writer.poll() is None, "the last events came only when the writer had ended"
    writer.stdin.write(b"\n\n")
    writer.stdin.flush()
    assert last.stdout.read().strip().endswith(b"HepMC::Asciiv3-END_EVENT_LISTING")
    assert [line.split()[1] for line in seen] == [b"1", b"2", b"3", b"4", b"5", b"6"]


def until(stream: IO[bytes], n_events: int) -> list[bytes]:
    """The first lines of as many events; fewer where the stream ends."""
    found: list[bytes] = []
    while len(found) < n_events and (line := stream.readline()):
        found += [line] if line.startswith(b"E ") else []
    return found
