"""What a user waits for before a verb says anything: `--help` imports none of the libraries that take long."""

from __future__ import annotations

import subprocess
import sys

from smartbkg.cli import conditions, demo, generate, merge, plan
from smartbkg.cli import filter as filter_verb
from smartbkg.conditions.serving.connections import ServerLimits
from smartbkg.conditions.serving.server import DEFAULT_PORT
from smartbkg.demo.run import DEFAULT_EVENTS
from smartbkg.events.columns import PROCESSES
from smartbkg.filtering.event_filter import DRAWS
from smartbkg.filtering.merge import METHODS
from smartbkg.io.hepmc.weights import WEIGHT_LAYOUTS
from smartbkg.sampling.draw_key import RULE, RULES
from smartbkg.sampling.optimal import DEFAULT_MAX_WEIGHT

#: Modules that a library of the core or of an extra brings. What is left is click and the standard library, but for
#: platformdirs, which is small.
SLOW = {
    "awkward", "hist", "jinja2", "llvmlite", "matplotlib", "numba", "numpy", "onnx", "onnxruntime", "pandas",
    "particle", "pyarrow", "pydantic", "pythia8mc", "rich", "safetensors", "scipy", "sklearn", "torch", "uproot",
    "yaml",
}  # fmt: skip

#: Prints "verb subcommand: modules" for each command whose help imports one of them.
PROGRAM = """
import sys
import click
from smartbkg.cli import command_line
def visit(command, context):
    command.get_help(context)
    found = sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[1:]))
    if found:
        sys.exit(f"{context.command_path}: {' '.join(found)}")
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        child = command.get_command(context, name)
        visit(child, click.Context(child, info_name=name, parent=context))
visit(command_line, click.Context(command_line, info_name="smartbkg"))
"""


def test_the_help_of_no_verb_imports_a_slow_library() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *sorted(SLOW)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_the_options_say_is_what_the_library_defines() -> None:
    assert (filter_verb.DRAWS, filter_verb.RULES, filter_verb.RULE) == (DRAWS, RULES, RULE)
    assert filter_verb.WEIGHT_LAYOUTS == WEIGHT_LAYOUTS
    assert merge.METHODS == METHODS
    assert plan.DEFAULT_MAX_WEIGHT == DEFAULT_MAX_WEIGHT
    assert generate.PROCESSES == PROCESSES
    assert demo.DEFAULT_EVENTS == DEFAULT_EVENTS
    assert (DEFAULT_PORT, ServerLimits.n_connections) == (conditions.DEFAULT_PORT, conditions.MOST_CONNECTIONS)
