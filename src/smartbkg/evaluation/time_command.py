"""CPU time of a command of the user, per event."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace

from smartbkg.errors import PolicyError, UsageError
from smartbkg.sampling.cost import Costs


def time_command(command: str, n_events: int) -> float:
    """CPU seconds per event of a command of the user's own chain, children included.

    Parameters
    ----------
    command : run without a shell; ``{events}`` in it becomes the number of events.
    n_events : how many it makes or simulates. Starting the program counts: use enough events to make that small.

    Raises
    ------
    UsageError
        It does not exist or fails.
    PolicyError
        It took no measurable time.
    """
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        subprocess.run(shlex.split(command.replace("{events}", str(n_events))), check=True, capture_output=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot run '{command}': {error}") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise UsageError(f"'{command}' ended with code {error.returncode}: {''.join(last)}") from error
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / n_events
    if seconds <= 0:
        raise PolicyError(f"'{command}' took no measurable CPU time over {n_events} events")
    return seconds


def measured_costs(
    costs: Costs, n_events: int, *, generate_command: str | None = None, simulate_command: str | None = None
) -> Costs:
    """The costs with those of the user's commands in place of what was assumed; what has no command stays.

    Parameters and errors are those of `time_command`.
    """
    if generate_command is not None:
        costs = replace(costs, generation=time_command(generate_command, n_events))
    if simulate_command is not None:
        costs = replace(costs, simulation=time_command(simulate_command, n_events))
    return costs
