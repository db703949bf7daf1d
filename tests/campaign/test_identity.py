"""What changes while a campaign runs is refused in one line, or accepted aloud."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_campaign import digests_of, small_campaign

from smartbkg.campaign import identity as identity_module
from smartbkg.campaign.campaign import Campaign, open_campaign
from smartbkg.campaign.chunk.attempt import attempt_chunk
from smartbkg.campaign.status import read_status
from smartbkg.errors import FileFormatError, SmartBKGError
from smartbkg.networks.bundle import load_bundle, save_bundle
from smartbkg.scores.histogram import N_SCORE_BINS, TOGETHER


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    made = small_campaign(tmp_path / "small", 2)
    assert attempt_chunk(made, 0).state == "done"
    return made


def change(campaign: Campaign, *keys: str, to: Any) -> None:
    content = yaml.safe_load(campaign.folder.config.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    campaign.folder.config.write_text(yaml.safe_dump(content))


def refused(campaign: Campaign, message: str, *, is_accepted: bool = False) -> None:
    with pytest.raises(SmartBKGError) as caught:
        open_campaign(campaign.folder.root, is_accepted=is_accepted)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_of_results_cannot_change_in_the_middle(campaign: Campaign) -> None:
    change(campaign, "seed", to=2)
    refused(campaign, "seed was 1 when the campaign began and is 2 now")
    refused(campaign, "seed was 1", is_accepted=True)


def test_settings_of_the_work_can_change_at_any_time(campaign: Campaign) -> None:
    change(campaign, "run", "workers", to=7)
    change(campaign, "alarms", "on_alarm", to="stop")
    assert open_campaign(campaign.folder.root).config.run.workers == 7


def test_a_model_changed_where_it_came_from_is_accepted_aloud_and_the_old_copy_goes_on(campaign: Campaign) -> None:
    assert campaign.config.filter.model is not None
    model = Path(campaign.config.filter.model)
    model.write_bytes(model.read_bytes() + b" ")
    refused(campaign, "the model was changed since the campaign began")
    assert attempt_chunk(open_campaign(campaign.folder.root, is_accepted=True), 1).state == "done"


def test_the_copy_of_the_model_cannot_change(campaign: Campaign) -> None:
    copy = next(campaign.folder.model.iterdir())
    copy.write_bytes(copy.read_bytes() + b" ")
    refused(campaign, "the campaign's own copy of the model was changed", is_accepted=True)


def test_another_version_of_the_package_is_refused_or_accepted_aloud(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    major, minor, *_ = identity_module.__version__.split(".")
    monkeypatch.setattr(identity_module, "__version__", f"{major}.{minor}.99")
    refused(campaign, "go on with --accept")
    assert "99" in open_campaign(campaign.folder.root, is_accepted=True).accepted[0]
    assert open_campaign(campaign.folder.root).accepted == (), "what was accepted once is asked for again"
    monkeypatch.setattr(identity_module, "__version__", f"{int(major) + 1}.0.0")
    refused(campaign, "install the one that began it", is_accepted=True)


def test_another_version_of_the_generator_is_refused(campaign: Campaign) -> None:
    path = campaign.folder.identity / "0000.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"generator_version": content["generator_version"] - 1}))
    refused(campaign, "makes other events of the same seed", is_accepted=True)


@pytest.mark.parametrize("how", ["changed", "missing", "more"])
def test_input_files_that_are_others_are_named(campaign: Campaign, how: str) -> None:
    source = campaign.plan[1].source
    assert source is not None
    if how == "changed":
        source.write_bytes(source.read_bytes()[:-1] + b"x")
        outcome = attempt_chunk(campaign, 1)
        assert outcome.state == "failed"
        assert "was changed since the campaign began" in outcome.message
    elif how == "missing":
        source.unlink()
        assert "cannot read the input file" in attempt_chunk(open_campaign(campaign.folder.root), 1).message
    else:
        shutil.copy(source, source.with_name("events999.parquet"))
        refused(campaign, "generate.files names 1 files that were not there when the campaign began")


def test_a_record_damaged_by_hand_is_named_and_its_chunk_can_be_made_again(campaign: Campaign) -> None:
    before = digests_of(campaign.folder.root)
    record = campaign.folder.record(0)
    record.write_text(record.read_text().replace('"n_events": 60', '"n_events": 61', 1))
    status = read_status(campaign)
    assert status.n_done == 0
    assert "its checksum does not fit" in status.damaged[0]
    record.unlink()
    assert attempt_chunk(campaign, 0).state == "done"
    assert digests_of(campaign.folder.root) == before


def test_records_of_another_campaign_do_not_count(campaign: Campaign, tmp_path: Path) -> None:
    other = small_campaign(tmp_path / "other" / "small", 2, seed=9)
    attempt_chunk(other, 1)
    shutil.copy(other.folder.record(1), campaign.folder.record(1))
    status = read_status(campaign)
    assert status.n_done == 1
    assert "the record of another campaign" in status.foreign[0]


def test_a_folder_copied_elsewhere_goes_on_there(campaign: Campaign, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(campaign.folder.root, copy)
    again = open_campaign(copy)
    assert attempt_chunk(again, 0).state == "known"
    assert attempt_chunk(again, 1).state == "done"
    assert attempt_chunk(campaign, 1).state == "done"
    assert digests_of(copy) == digests_of(campaign.folder.root)


def test_a_clock_that_runs_backwards_changes_nothing(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1_000_000, 0, -1000))
    monkeypatch.setattr("time.time", lambda: float(next(now)))
    assert attempt_chunk(campaign, 1).state == "done"
    assert read_status(campaign).n_done == 2


def test_a_damaged_identity_is_named(campaign: Campaign) -> None:
    (campaign.folder.identity / "0000.json").write_text("{")
    with pytest.raises(FileFormatError, match="identity of the campaign is damaged"):
        open_campaign(campaign.folder.root)


def test_a_folder_without_a_campaign_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SmartBKGError, match="smartbkg campaign init"):
        open_campaign(tmp_path)


def test_a_model_of_a_conditions_database_is_compared_with_its_own_histograms(tmp_path: Path) -> None:
    from smartbkg.campaign.watch.monitor import watched_status

    campaign = small_campaign(tmp_path / "small", 1)
    bundle = load_bundle(campaign.folder.root / str(campaign.config.filter.model))
    metrics = {TOGETHER: {skim: [1.0] * N_SCORE_BINS for skim in bundle.skims}}
    save_bundle(tmp_path / "model.safetensors", replace(bundle, metrics=metrics))
    payload = (tmp_path / "model.safetensors").rename(tmp_path / "SmartBackground_r1.root")
    other = tmp_path / "other"
    shutil.copytree(campaign.folder.root, other, ignore=lambda _, names: set(names) - {"campaign.yaml"})
    content = yaml.safe_load((other / "campaign.yaml").read_text())
    content["filter"]["model"] = str(payload)
    (other / "campaign.yaml").write_text(yaml.safe_dump(content))
    found = open_campaign(other)
    assert identity_module.copied_model(found.config, found.folder).name == "model.safetensors"
    assert attempt_chunk(found, 0).state == "done"
    assert set(watched_status(found)[0].stored) == set(found.skims)
