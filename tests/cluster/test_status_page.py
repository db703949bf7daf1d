"""The status page in Chromium: every picture is drawn, nothing is fetched, it fits, and it looks again by itself."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from cluster.browser import CHROMIUM, looked_at, times_asked_for
from small_campaign import small_campaign

from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.cli.campaign import command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: make test-cluster installs it"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a campaign that runs, and of the same one when it is complete."""
    folder = tmp_path_factory.mktemp("page")
    campaign = small_campaign(folder / "small", 3)
    found = {}
    for name, chunks in (("running", range(2)), ("complete", range(2, 3))):
        for index in chunks:
            attempt_chunk(campaign, index)
        found[name] = folder / f"{name}.html"
        arguments = ["status", str(campaign.folder.root), "--page", str(found[name])]
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    return found


@pytest.mark.parametrize("width", [1280, 500])
def test_every_picture_is_drawn_and_nothing_sticks_out_or_is_fetched(
    pages: dict[str, Path], tmp_path: Path, width: int
) -> None:
    found = looked_at(pages["running"], tmp_path, width=width)
    assert len(found["pictures"]) >= 5
    assert min(found["pictures"]) > 100
    assert found["width"] <= found["window"], "the page is wider than its window"
    assert found["requests"] == []
    for words in ("small", "2 of 3 chunks done, 1 to do", "events generated", "No alarm"):
        assert words in found["text"]


def test_a_page_is_asked_for_again_as_long_as_there_is_work(pages: dict[str, Path], tmp_path: Path) -> None:
    asked = {}
    for name, page in pages.items():
        text = page.read_text()
        assert ('http-equiv="refresh" content="30"' in text) is (name == "running")
        quick = tmp_path / f"{name}.html"
        quick.write_text(text.replace('content="30"', 'content="1"'))
        asked[name] = times_asked_for(quick, tmp_path / name, 60 if name == "running" else 6)
    assert asked == {"running": 3, "complete": 1}
