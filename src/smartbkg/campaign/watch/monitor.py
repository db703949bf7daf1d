"""Watching a campaign while it runs: each record is seen once, alarms now and then, the page is written anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import Outcome
from smartbkg.campaign.chunk.record import read_record
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.campaign.identity import copied_model
from smartbkg.campaign.record_table import RecordTable
from smartbkg.campaign.status import Status, read_status
from smartbkg.campaign.watch.alarms import Alarm, AlarmWatch, StoredScores, stored_scores
from smartbkg.errors import SmartBKGError
from smartbkg.networks.bundle import ModelBundle, load_bundle

_LOOK_SECONDS: Final = 30.0


def new_watch(campaign: Campaign) -> AlarmWatch:
    """A watch over a campaign that has seen nothing yet."""
    model = copied_model(campaign.config, campaign.folder)
    stored = _stored(load_bundle(model)) if model.suffix == ".safetensors" else None
    return AlarmWatch(campaign.config.alarms, len(campaign.plan), stored, len(campaign.plan.processes))


def _stored(bundle: ModelBundle) -> StoredScores:
    """Histograms of the scores that decide: those of network and surrogate together where a model has both."""
    return stored_scores(bundle.metrics if bundle.surrogate is None else bundle.surrogate.training)


def watched_status(campaign: Campaign) -> tuple[Status, list[Alarm]]:
    """How a campaign stands, and what is wrong."""
    watch = new_watch(campaign)
    status = read_status(campaign, (watch.add,))
    status.scores, status.stored = watch.scores, watch.stored
    return status, watch.alarms()


class Monitor:
    """Follows a run.

    Parameters
    ----------
    say : gets a line for each new alarm.
    page : writes the status page; called now and then.
    clock : seconds that only grow.
    """

    def __init__(
        self,
        campaign: Campaign,
        say: Callable[[str], None],
        page: Callable[[Status, list[Alarm]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._campaign, self._say, self._page, self._clock = campaign, say, page, clock
        self._watch = new_watch(campaign)
        self.status = read_status(campaign, (self._watch.add,))
        self._looked = clock()
        self._said: set[tuple[str, int | None]] = set()

    def outcome(self, outcome: Outcome) -> None:
        """An attempt has ended: see its record."""
        if outcome.state not in ("done", "known") or self.status.is_done[outcome.chunk]:
            return
        try:
            content: dict[str, Any] = read_record(self._campaign.folder.record(outcome.chunk), outcome.chunk)
            table = RecordTable.of([content])
            self.status.ledger.add(content)
        except SmartBKGError as error:
            self._say(str(error))
            return
        self.status.is_done[outcome.chunk] = True
        self.status.metrics.add(table)
        self._watch.add(table)

    def tick(self, dispatcher: Dispatcher) -> None:
        """Look for alarms and write the page, if it is time; stop the run where the user wants that."""
        if self._clock() - self._looked < _LOOK_SECONDS:
            return
        self.look(dispatcher)

    def look(self, dispatcher: Dispatcher | None = None) -> list[Alarm]:
        """Look for alarms and write the page now; new alarms are said."""
        alarms = self._watch.alarms()
        for alarm in alarms:
            if (alarm.kind, alarm.chunk) not in self._said:
                self._said.add((alarm.kind, alarm.chunk))
                self._say(f"ALARM {alarm}")
        if alarms and dispatcher is not None and self._campaign.config.alarms.on_alarm == "stop":
            dispatcher.is_stopped = True
        if self._page is not None:
            self.status.scores, self.status.stored = self._watch.scores, self._watch.stored
            self._page(self.status, alarms)
        self._looked = self._clock()
        return alarms


def write_page_to(path: Path, campaign: Campaign) -> Callable[[Status, list[Alarm]], None]:
    """What writes the status page of a campaign to a file."""
    from smartbkg.campaign.watch.page import write_page

    def write(status: Status, alarms: list[Alarm]) -> None:
        write_page(path, campaign, status, alarms)

    return write
