"""Which skims were asked for, among those that a model, a table of flags or a data set has."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from smartbkg.errors import ModelError, SmartBKGError, UsageError, nearest


def choose_skims(
    known: Sequence[str],
    wanted: Collection[str],
    *,
    holder: str = "the model has no skim",
    error: type[SmartBKGError] = ModelError,
) -> list[int]:
    """Positions of the wanted skims in the order wanted, all where none is named.

    Parameters
    ----------
    holder : begins the message: who lacks the skim.
    error : class to raise.

    Raises
    ------
    SmartBKGError
        A skim is not known: names it and the nearest that is. Of the class ``error``.
    """
    for skim in wanted:
        if skim not in known:
            raise error(f"{holder} '{skim}': {nearest(skim, known)}")
    return [list(known).index(skim) for skim in wanted] if wanted else list(range(len(known)))


def choose_skim(
    known: Sequence[str],
    wanted: str | None,
    *,
    holder: str = "the model has no skim",
    undecided: str = "the model has several skims, choose one by --skim",
    error: type[SmartBKGError] = ModelError,
) -> str:
    """The one wanted skim; it may be left out where there is one.

    Parameters
    ----------
    holder, error : as in `choose_skims`.
    undecided : begins the message where a choice is needed.

    Raises
    ------
    SmartBKGError
        The skim is not known. Of the class ``error``.
    UsageError
        None is named and there are several.
    """
    if wanted is None and len(known) > 1:
        raise UsageError(f"{undecided}: {', '.join(known)}")
    return known[choose_skims(known, () if wanted is None else (wanted,), holder=holder, error=error)[0]]
