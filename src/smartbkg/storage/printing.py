"""Text from files, made safe to print: a name must not move the cursor, set the title or recolour a terminal."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Unicode categories that a terminal may act on instead of showing: control, format, surrogate, private, separators.
_ACTIVE: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def printable(text: str) -> str:
    """The text with every character that a terminal may act on written as an escape; line ends and tabs stay.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter
        if letter in "\n\t" or unicodedata.category(letter) not in _ACTIVE
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def without_markup(text: str) -> str:
    """Printable text in which `rich` finds no markup.

    >>> without_markup("a[red]b")
    'a\\\\[red]b'
    """
    from rich.markup import escape  # not for every start of the command line

    return escape(printable(text))


def for_picture(text: str) -> str:
    """Printable text in which matplotlib finds no formula, and that a legend does not leave out.

    >>> for_picture("_$x$")
    ' _\\\\$x\\\\$'
    """
    shown = printable(text).replace("$", "\\$")
    return f" {shown}" if shown.startswith("_") else shown


__all__ = ["for_picture", "printable", "without_markup"]
