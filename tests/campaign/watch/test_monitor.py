"""Watching a run: an alarm is said once, stops the run where that is wanted, and the page is kept up to date."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_campaign import small_campaign

from smartbkg.campaign.chunk import attempt
from smartbkg.campaign.chunk.attempt import Outcome, attempt_chunk
from smartbkg.campaign.engines.dispatcher import Dispatcher
from smartbkg.campaign.production import produce
from smartbkg.campaign.watch.monitor import Monitor, write_page_to

N_FILES = 6


def in_this_process(campaign: Any) -> Callable[..., None]:
    """An engine without processes: one chunk after the other."""

    def run(_: Path, dispatcher: Dispatcher, __: int, tick: Callable[[], None]) -> None:
        while bundle := dispatcher.next_bundle():
            for index in bundle:
                dispatcher.report(attempt_chunk(campaign, index))
            tick()

    return run


@pytest.mark.parametrize(("on_alarm", "n_made"), [("warn", N_FILES), ("stop", 1)])
def test_an_alarm_is_said_once_and_stops_the_run_only_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_alarm: str, n_made: int
) -> None:
    campaign = small_campaign(tmp_path / "small", N_FILES, 300, alarms__on_alarm=on_alarm, run__bundle=1)
    make_chunk = attempt.make_chunk

    def with_wrong_weights(*arguments: Any) -> dict[str, Any]:
        content = make_chunk(*arguments)
        content["totals"]["sum_kept_weight"] *= 1000
        return content

    monkeypatch.setattr(attempt, "make_chunk", with_wrong_weights)
    monkeypatch.setattr("smartbkg.campaign.watch.monitor._LOOK_SECONDS", 0.0)
    said: list[str] = []
    page = tmp_path / "page.html"
    monitor = Monitor(campaign, said.append, write_page_to(page, campaign))
    result = produce(campaign, in_this_process(campaign), on_outcome=monitor.outcome, tick=monitor.tick)
    assert (result.n_made, result.is_stopped) == (n_made, on_alarm == "stop")
    of_whole = [line for line in said if line.startswith("ALARM weights: Σ of kept weights differs")]
    assert len(of_whole) == 1
    assert "the draw or the weights are wrong" in of_whole[0]
    assert "ALARM" not in page.read_text()
    assert "the draw or the weights are wrong" in page.read_text()


def test_a_record_that_cannot_be_read_is_said_and_does_not_count(tmp_path: Path) -> None:
    campaign = small_campaign(tmp_path / "small", 2)
    said: list[str] = []
    monitor = Monitor(campaign, said.append)
    attempt_chunk(campaign, 0)
    campaign.folder.record(0).write_text("damaged")
    monitor.outcome(Outcome(0, "done", 0.1, 60, "", "here"))
    assert not monitor.status.is_done.any()
    assert "its checksum does not fit" in said[0]
