"""The command `smartbkg`: one file per verb. A verb parses, calls one library function, prints.

Verbs are imported when they are called, so that ``smartbkg --help`` costs no torch.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

import click

from smartbkg._version import __version__
from smartbkg.cli.console import echo, make_remarks_printable
from smartbkg.cli.examples import add_examples
from smartbkg.cli.speech import add_speech_options
from smartbkg.errors import SmartBKGError, nearest
from smartbkg.optional import missing_library
from smartbkg.storage.machine import MachineError, is_of_machine, reason_of

#: verb → what it does, in the order of the workflow. The module `smartbkg.cli.<verb>` holds ``command``.
VERBS: Final[Mapping[str, str]] = {
    "demo": "The whole job at a small size, ending with a report.",
    "doctor": "What is installed, what is missing, and the command that mends it.",
    "generate": "Generate events with PYTHIA 8.",
    "simulate": "Simulate, reconstruct and skim events with the embedded experiment.",
    "oracle": "Measure each event's pass probability by simulating it many times.",
    "flag": "Which events passed: from skimmed files, n-tuples or cuts.",
    "dataset": "Join events with flags into a training data set.",
    "config": "Write, check and show training configurations.",
    "train": "Train a network for a skim.",
    "calibrate": "Give a model a surrogate, a fast simulation inside the filter.",
    "evaluate": "Check a trained model and write a report.",
    "plan": "Choose a policy: speed-up, effective sample size, events to generate.",
    "filter": "Keep the events worth simulating, with weights.",
    "campaign": "Produce at scale: many chunks, each done exactly once, on this machine or a cluster.",
    "score": "Write every event's score.",
    "validate": "Closure: kept and weighted events against all passing ones.",
    "reweight": "Train a reweighter for samples filtered by a threshold.",
    "merge": "Combine samples filtered with different models, policies or seeds.",
    "ntuple": "Put weights into an n-tuple beside the analysis variables.",
    "convert": "Convert between event formats.",
    "info": "What a file of events holds.",
    "show": "One event's decay tree, drawn.",
    "model": "Look into and convert model files.",
    "export": "Export a model to ONNX.",
    "conditions": "Global tags and payloads: store, fetch, publish, serve.",
    "basf2": "Use inside Belle II's basf2.",
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [verb for verb in VERBS if importlib.util.find_spec(f"{__name__}.{verb}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        command.name = cmd_name
        add_speech_options(command)
        add_examples(command, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            ctx.fail(f"no such command '{args[0]}': {nearest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        verbs = self.list_commands(ctx)
        if verbs:
            with formatter.section("Commands"):
                formatter.write_dl([(verb, VERBS[verb]) for verb in verbs])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="smartbkg")
def command_line() -> None:
    """Stop simulating events nobody will keep, without biasing those that are kept."""


def _terminate(_signal_number: int, _frame: FrameType | None) -> None:
    """Let a signal unwind the stack, so that temporary files are removed as after Ctrl-C."""
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: what a user can mend is one line on stderr and exit code 1, or 2 for wrong usage."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _terminate)
    make_remarks_printable()
    exit_code: Any
    try:
        exit_code = command_line.main(args=arguments, prog_name="smartbkg", standalone_mode=False)
        _flush_output()
    except click.exceptions.Exit as stop:
        exit_code = stop.exit_code
    except click.ClickException as error:
        exit_code = _say_wrong_usage(error)
    except SmartBKGError as error:
        exit_code = _say(f"error: {error}", error.exit_code)
    except ImportError as error:
        missing = missing_library(error, "this")
        if missing is None:
            raise
        exit_code = _say(f"error: {missing}", missing.exit_code)
    except (KeyboardInterrupt, click.Abort):
        exit_code = _say("stopped: no half-written output is left", 130)
    except (OSError, MemoryError) as error:
        if not is_of_machine(error):
            raise
        exit_code = _say(f"error: {_where(error)}{reason_of(error)}", 1)
    sys.exit(exit_code if isinstance(exit_code, int) else 0)


def _say_wrong_usage(error: click.ClickException) -> int:
    """One line for what click refuses, with the help to look at; the help itself where nothing was asked for."""
    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split())
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return error.exit_code
    path = "" if context is None else f" ({context.command_path} --help)"
    return _say(f"error: {message[:1].lower() + message[1:].rstrip('.')}{path}", error.exit_code)


def _where(error: BaseException) -> str:
    """The file that an error of the machine concerns, as the beginning of a message."""
    name = getattr(error, "filename", None)
    return "" if name is None else f"{os.fsdecode(name) if isinstance(name, str | bytes) else name}: "


def _flush_output() -> None:
    """Write what is left for standard output now, while it can still be told that nobody takes it."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        raise MachineError(f"standard output: cannot write: {reason_of(error)}") from error


def _say(message: str, exit_code: int) -> int:
    """Tell the user on standard error, where it takes anything, and give the exit code back.

    What is still buffered for a standard output that failed is dropped, so that Python's own exit does not fail on it.
    """
    with contextlib.suppress(OSError):
        echo(message, err=True)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
    return exit_code
