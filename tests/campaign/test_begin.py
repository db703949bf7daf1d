"""A new campaign says nothing about its events that nobody told it."""

from pathlib import Path

import pytest

from smartbkg.campaign.begin import begin_campaign
from smartbkg.campaign.config import read_campaign
from smartbkg.errors import UsageError

COMMAND = {"generate.command": "mygen {output} {first_event} {n_events} {seed}"}


def test_a_cross_section_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--process ttbar: its cross-section is not known"):
        begin_campaign(tmp_path / "new", COMMAND, processes=("mixed", "ttbar"))
    assert not (tmp_path / "new").exists()
    told = COMMAND | {"generate.processes": {"ttbar": 0.8}}
    assert begin_campaign(tmp_path / "new", told).generate.processes == {"ttbar": 0.8}


def test_an_unknown_process_of_the_embedded_generator_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'mixed'"):
        begin_campaign(tmp_path / "new", {}, processes=("mixd",))


@pytest.mark.parametrize("name", ["", "campaign.yaml"])
def test_a_campaign_from_a_template_has_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    begin_campaign(tmp_path / "first", {"seed": 5, "events": 200})
    begin_campaign(tmp_path / "second", {"seed": 6}, template=tmp_path / "first" / name)
    found = read_campaign(tmp_path / "second" / "campaign.yaml")
    assert (found.name, found.seed, found.events) == ("second", 6, 200)
    begin_campaign(tmp_path / "third", {"name": "other"}, template=tmp_path / "first" / name)
    assert read_campaign(tmp_path / "third" / "campaign.yaml").name == "other"
