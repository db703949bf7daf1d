from __future__ import annotations

from pathlib import Path

import pytest
from conditions.payload_files import revision_in, write_revision

from smartbkg.conditions import ALWAYS, ConditionsStore, TagStatus, find_payload, open_writable, resolve_payload
from smartbkg.conditions.location import BELLE2_VARIABLE, PLACES_VARIABLE, default_places, user_conditions_folder
from smartbkg.errors import ConditionsError


def make_store(folder: Path, tag: str, revision: int, name: str = "model.pth") -> Path:
    store = ConditionsStore(folder)
    store.create_tag(tag)
    store.put(tag, name, write_revision(folder.parent / "file", revision), ALWAYS)
    store.publish(tag)
    return folder


def test_default_order_is_user_package_then_basf2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PLACES_VARIABLE, raising=False)
    monkeypatch.setenv(BELLE2_VARIABLE, "https://one/rest /two/database.sqlite")
    user, *others = default_places()
    assert user == str(user_conditions_folder())
    assert others == ["package", "https://one/rest", "/two/database.sqlite"]


def test_chosen_places_replace_the_own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(BELLE2_VARIABLE, raising=False)
    monkeypatch.setenv(PLACES_VARIABLE, "https://one/ /two package")
    assert default_places() == ["https://one/", "/two", "package"]
    assert user_conditions_folder() == Path("/two")


def test_first_place_that_knows_the_tag_decides(tmp_path: Path) -> None:
    first = make_store(tmp_path / "first", "Main", 1)
    second = make_store(tmp_path / "second", "Main", 2)
    make_store(tmp_path / "third", "Other", 3)
    places = [str(tmp_path / "absent"), str(first), str(second), str(tmp_path / "third")]
    assert revision_in(resolve_payload("Main", "model.pth", places=places)) == 1
    assert revision_in(resolve_payload("Other", "model.pth", places=places)) == 3


def test_payloads_of_one_tag_never_come_from_two_places(tmp_path: Path) -> None:
    first = make_store(tmp_path / "first", "Main", 1, name="other.pth")
    second = make_store(tmp_path / "second", "Main", 2)
    with pytest.raises(ConditionsError, match=r"first: no payload 'model\.pth'"):
        resolve_payload("Main", "model.pth", places=[str(first), str(second)])


def test_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLACES_VARIABLE, str(make_store(tmp_path / "store", "Main", 4)))
    found = find_payload("Main", "model.pth", 3, 5)
    assert (revision_in(found.path), found.tag, found.payload.revision) == (4, "Main", 1)


def test_unknown_tag_names_the_nearest_of_all_places(tmp_path: Path) -> None:
    places = [str(make_store(tmp_path / "a", "Alpha", 1)), str(make_store(tmp_path / "b", "Beta", 1))]
    with pytest.raises(ConditionsError, match=r"did you mean 'Beta'.*Alpha, Beta"):
        resolve_payload("Betta", "model.pth", places=places)


def test_invalid_tag_is_refused(tmp_path: Path) -> None:
    folder = make_store(tmp_path / "store", "Main", 1)
    ConditionsStore(folder).set_status("Main", TagStatus.INVALID)
    with pytest.raises(ConditionsError, match="declared invalid"):
        resolve_payload("Main", "model.pth", places=[str(folder)])


@pytest.mark.parametrize(("tag", "payload"), [("../../etc", "passwd"), ("Main", "../../etc/passwd")])
def test_paths_are_no_names(tag: str, payload: str, tmp_path: Path) -> None:
    with pytest.raises(ConditionsError, match="not a path"):
        resolve_payload(tag, payload, places=[str(tmp_path)])


@pytest.mark.parametrize("place", ["package", "localdb/database.txt"])
def test_some_places_cannot_be_written(place: str) -> None:
    with pytest.raises(ConditionsError, match="folder of a store or a URL"):
        open_writable(place)


def test_unknown_kind_of_place_is_refused() -> None:
    with pytest.raises(ConditionsError, match="unknown kind"):
        resolve_payload("Main", "model.pth", places=["s3://bucket"])
