"""What is shown in terminals, pictures and pages: text from files made safe, and times in words.

A name from a file must not move the cursor, set the title or recolour a terminal.
"""

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


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


__all__ = ["duration", "for_picture", "printable", "without_markup"]
