"""The command `smartbkg`: one file a verb. A verb parses, calls one library function, prints.

Verbs are imported when they are called, so that ``smartbkg --help`` costs no torch.
"""

from __future__ import annotations

import importlib
import importlib.util
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Final

import click

from smartbkg._version import __version__
from smartbkg.errors import SmartBKGError, nearest

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
    "evaluate": "Check a trained model and write a report.",
    "plan": "Choose a policy: speed-up, effective sample size, events to generate.",
    "filter": "Keep the events worth simulating, with weights.",
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
    """Let SIGTERM unwind the stack, so that temporary files are removed as after Ctrl-C."""
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: a user's mistake is one line on stderr and exit code 1, or 2 for wrong usage."""
    signal.signal(signal.SIGTERM, _terminate)
    exit_code: Any
    try:
        exit_code = command_line.main(args=arguments, prog_name="smartbkg", standalone_mode=False)
    except click.exceptions.Exit as stop:
        exit_code = stop.exit_code
    except click.ClickException as error:
        error.show()
        exit_code = error.exit_code
    except SmartBKGError as error:
        click.echo(f"error: {error}", err=True)
        exit_code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("stopped: no half-written output is left", err=True)
        exit_code = 130
    sys.exit(exit_code if isinstance(exit_code, int) else 0)
