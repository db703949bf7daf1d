"""What every conditions database offers, whatever it is made of: an SQLite store, a text file, a server."""

from __future__ import annotations

import abc
from pathlib import Path

from smartbkg.conditions.interval import Interval
from smartbkg.conditions.payload import GlobalTag, Payload, valid_payloads
from smartbkg.errors import ConditionsError, nearest


class UnreachableError(ConditionsError):
    """A conditions database does not answer: the next one in the list is asked."""


class ConditionsSource(abc.ABC):
    """A conditions database.

    Attributes
    ----------
    place : its folder, file or URL, for messages.
    """

    place: str

    @abc.abstractmethod
    def tags(self) -> list[GlobalTag]:
        """All global tags, by name."""

    @abc.abstractmethod
    def find_tag(self, name: str) -> GlobalTag | None:
        """The global tag of that name, None where there is none."""

    @abc.abstractmethod
    def payloads(self, tag: str) -> list[Payload]:
        """All payloads of a global tag, by name and revision; several entries where it holds for several intervals."""

    @abc.abstractmethod
    def fetch(self, payload: Payload) -> Path:
        """A file with the verified content of a payload.

        Raises
        ------
        ConditionsError
            The file is missing or its content is not what the database promises.
        """

    def tag(self, name: str) -> GlobalTag:
        """The global tag of that name.

        Raises
        ------
        ConditionsError
            There is none; names the nearest.
        """
        found = self.find_tag(name)
        if found is None:
            raise ConditionsError(
                f"{self.place}: unknown global tag '{name}': {nearest(name, [tag.name for tag in self.tags()])}"
            )
        return found

    def valid(self, tag: str, experiment: int, run: int) -> dict[str, Payload]:
        """The payloads of a global tag that hold for a run, by name."""
        return valid_payloads(self.payloads(tag), experiment, run)

    def find(self, tag: str, name: str, experiment: int, run: int) -> Payload:
        """The payload of that name that holds for a run.

        Raises
        ------
        ConditionsError
            The tag has no such payload (names the nearest), or none that holds for the run (lists the intervals).
        """
        chosen = self.valid(tag, experiment, run).get(name)
        if chosen is not None:
            return chosen
        known = self.payloads(tag)
        intervals = [str(payload.interval) for payload in known if payload.name == name]
        if not intervals:
            raise ConditionsError(
                f"{self.place}: no payload '{name}' in global tag '{tag}': "
                f"{nearest(name, {payload.name for payload in known})}"
            )
        raise ConditionsError(
            f"{self.place}: payload '{name}' of global tag '{tag}' does not hold for experiment {experiment}, "
            f"run {run}; its intervals of validity (firstExp,firstRun,finalExp,finalRun): {' '.join(intervals)}"
        )


class WritableSource(ConditionsSource):
    """A conditions database to which payloads can be added."""

    @abc.abstractmethod
    def create_tag(self, name: str, description: str = "") -> GlobalTag:
        """A new, open global tag."""

    @abc.abstractmethod
    def put(
        self, tag: str, name: str, file: Path, interval: Interval, *, is_new: bool = False, description: str = ""
    ) -> Payload:
        """Add a file to an open global tag; its revision is one more than the last of that name.

        The same command twice is as good as once.

        Parameters
        ----------
        is_new : make the tag, with that description; one that is there may hold this entry alone, or nothing.
        """

    @abc.abstractmethod
    def publish(self, tag: str) -> GlobalTag:
        """Make a global tag immutable."""

    @abc.abstractmethod
    def copy_tag(self, tag: str, new_name: str) -> GlobalTag:
        """A new, open global tag with the payloads of another one."""
