"""All verbs with their options, for tests that walk over them."""

from collections.abc import Iterator

import click

from smartbkg.cli import command_line


def verbs(group: click.Command = command_line, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Each verb that can be called, by its whole name."""
    if not isinstance(group, click.Group):
        yield " ".join(path), group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from verbs(command, (*path, name))


def options(command: click.Command) -> list[click.Option]:
    """The options of a verb that its help shows."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
