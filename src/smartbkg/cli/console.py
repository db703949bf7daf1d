"""Words for the terminal: what names, files and errors say is shown, never obeyed."""

from __future__ import annotations

import logging

import click

from smartbkg.storage.printing import printable


def echo(message: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text that may come from files, on standard output or on standard error."""
    click.echo(printable(message), err=err, nl=nl)


class _Printable(logging.Formatter):
    """Remarks of readers and of others, in the same way."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def make_remarks_printable() -> None:
    """Let remarks that go to nobody else but standard error go there printable."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Printable())


__all__ = ["echo", "make_remarks_printable"]
