"""A detector from a file: changes to a named set, and every mistake in one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smartbkg.errors import FileFormatError, UsageError
from smartbkg.experiment.detector.files import detector_from_dict, read_detector
from smartbkg.experiment.detector.parameters import ALTERNATIVE, BELLE2


def written(folder: Path, content: dict[str, Any]) -> str:
    path = folder / "mine.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_a_file_changes_a_named_set(tmp_path: Path) -> None:
    table = [0.018, 0.030, 0.050, 0.080, 0.150, 0.400]
    changes = {"tracking": {"efficiency_scale": 0.95}, "calorimeter": {"photon_efficiency_energy": table}}
    found = read_detector(written(tmp_path, {"base": "alternative", "name": "mine"} | changes))
    expected = ALTERNATIVE.replace(
        "mine", tracking={"efficiency_scale": 0.95}, calorimeter={"photon_efficiency_energy": tuple(table)}
    )
    assert found == expected
    assert found.digest == expected.digest != ALTERNATIVE.digest


def test_a_name_is_a_detector_of_the_package_and_base_is_belle2_by_default(tmp_path: Path) -> None:
    assert read_detector("alternative") is ALTERNATIVE
    found = read_detector(written(tmp_path, {"name": "mine"}))
    assert found == BELLE2.replace("mine")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "m", "traking": {}}, "did you mean 'tracking'"),
        ({"name": "m", "tracking": {"eficiency_scale": 1}}, "did you mean 'efficiency_scale'"),
        ({"name": "m", "base": "bele2"}, "did you mean 'belle2'"),
        ({"name": "m", "base": 3}, "base is 3"),
        ({"tracking": {}}, "name is None"),
        ({"name": "belle2"}, "name 'belle2' is that of a detector of the package"),
        ({"name": "m", "tracking": 3}, "tracking is 3, expected an object"),
        ({"name": "m", "tracking": {"fake_rate": "0.2"}}, "'fake_rate' is '0.2', expected a number such as 0.2"),
        ({"name": "m", "tracking": {"fake_rate": True}}, "is True, expected a number"),
        ({"name": "m", "tracking": {"fake_rate": -0.2}}, "sign"),
        ({"name": "m", "tracking": {"tail_fraction": 1.5}}, "probability of at most 1"),
        ({"name": "m", "tracking": {"efficiency": [1.0, 1.0]}}, "expected a list of 10 numbers"),
        ({"name": "m", "tracking": {"efficiency": 1.0}}, "expected a list of 10 numbers"),
        ({"name": "m", "tracking": {"fake_rate": [0.2]}}, r"is \[0.2\], expected a number"),
        ({"name": "m", "tracking": {"radius_nodes": [0, 4, 8, 14, 30, 60, 60]}}, "places must rise"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_detector(written(tmp_path, content))
    assert "mine.json" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "holds a list"),
        ("{", "not a detector in JSON"),
        ('{"name": "m", "name": "n"}', "the key 'name' comes twice"),
        ("[" * 100_000, "not a detector in JSON"),
    ],
)
def test_what_is_not_a_detector_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_detector(str(path))
    with pytest.raises(UsageError, match="finite"):
        read_detector(written_nan(tmp_path))
    with pytest.raises(FileFormatError, match="No such file"):
        read_detector(str(tmp_path / "none.json"))


def written_nan(folder: Path) -> str:
    path = folder / "nan.json"
    path.write_text('{"name": "m", "tracking": {"fake_rate": NaN}}')
    return str(path)


def test_a_whole_set_comes_back_as_it_was_stored() -> None:
    stored = json.loads(json.dumps(ALTERNATIVE.replace("mine", background={"tracks": 0.5}).to_dict()))
    assert detector_from_dict(stored, "m").digest == ALTERNATIVE.replace("mine", background={"tracks": 0.5}).digest
    del stored["tracking"]["fake_rate"]
    with pytest.raises(UsageError, match="numbers of 'tracking'"):
        detector_from_dict(stored, "m")
    with pytest.raises(UsageError, match="version 99"):
        detector_from_dict(stored | {"version": 99}, "m")
