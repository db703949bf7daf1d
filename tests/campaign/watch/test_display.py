"""What a running campaign shows: the stages with their costs, the pace, and what has failed."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from small_campaign import small_campaign

from smartbkg.campaign.campaign import Campaign
from smartbkg.campaign.chunk.attempt import Outcome, attempt_chunk
from smartbkg.campaign.watch.display import Display


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return small_campaign(tmp_path / "small", 3)


def shown(display: Display) -> str:
    text = io.StringIO()
    Console(file=text, width=150).print(display.render())
    return text.getvalue()


def test_the_table_has_each_stage_its_share_and_its_cost_per_event(campaign: Campaign) -> None:
    with Display(campaign, console=Console(file=io.StringIO(), force_terminal=True)) as display:
        assert "filter" not in shown(display), "a stage is shown that has not been measured"
        for index in range(2):
            display.outcome(attempt_chunk(campaign, index))
        text = shown(display)
    assert "2/3" in text
    assert re.search(r"filter +\d+ s +[\d.]+% +[\d.]+ ms$", text, re.MULTILINE)
    assert re.search(r"write .* ms \(kept\)$", text, re.MULTILINE)
    assert re.search(r"[\d,]+ events/s, .* kept, (\d+ min )?\d+ s left", text)
    shares = [float(share) for share in re.findall(r"([\d.]+)%  ", text)]
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_a_failure_is_told_and_counted(campaign: Campaign) -> None:
    said = io.StringIO()
    with Display(campaign, console=Console(file=said, width=100)) as display:
        display.outcome(Outcome(1, "failed", 0.1, 0, "no licence", "node7"))
        assert "1 failures" in shown(display)
    assert said.getvalue() == "chunk 1 failed on node7: no licence\n"
