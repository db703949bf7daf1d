"""Published data sets, written here in exactly their layout, become the events that were put in."""

from __future__ import annotations

import zipfile
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from smartbkg.errors import FileFormatError
from smartbkg.events import EventBatch, load_token_table
from smartbkg.graphs.decay_tree import GraphRule, build_graphs
from smartbkg.io import ReadOptions, open_events

FEATURES = ("prodTime", "energy", "x", "y", "z", "px", "py", "pz")
#: Υ(4S) → B0 B0bar, B0 → pi+ pi-
CODES, MOTHERS = [300553, 511, -511, 211, -211], [0, 0, 0, 1, 1]


def features(random: np.random.Generator) -> np.ndarray:
    values = random.normal(0, 0.3, (5, 8)).astype(np.float32)
    values[:, 1] = np.sqrt((values[:, 5:] ** 2).sum(axis=1) + 0.14**2)
    values[0, 0] = 0
    return values


def tokens() -> list[int]:
    return load_token_table("gatgap-2023").tokens(CODES)[0].tolist()


def read(path: Path, size: int = 2) -> EventBatch:
    with open_events(path) as reader:
        batches = list(reader.batches(size))
        assert reader.n_events == sum(map(len, batches))
    return EventBatch.concatenate(batches)


def check(batch: EventBatch, expected: list[np.ndarray], labels: list[int]) -> None:
    assert batch.counts.tolist() == [5] * len(expected)
    assert batch.particle["PDG"].tolist() == CODES * len(expected)
    assert batch.particle["motherIndex"].tolist() == [-1, 0, 0, 1, 1] * len(expected)
    assert batch.event["label"].tolist() == labels
    for k, name in enumerate(FEATURES):
        np.testing.assert_array_equal(batch.particle[name], np.concatenate(expected)[:, k])
    graphs = build_graphs(batch, GraphRule())
    assert graphs.mother.tolist() == [-1, 0, 0, 1, 1] * len(expected)
    assert graphs.n_unknown_codes == 0


def padded(n_events: int, random: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    events = [features(random) for _ in range(n_events)]
    feature = np.zeros((n_events, 100, 8), dtype=np.float32)
    mother = np.full((n_events, 100), -1, dtype=np.int16)
    for k, event in enumerate(events):
        feature[k, :5] = event
        mother[k, :5] = MOTHERS
    return events, feature, mother


def test_pd4ml_belle(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    token = np.zeros((3, 100, 1), dtype=np.float32)
    token[:, :5, 0] = tokens()
    train, train_feature, train_mother = padded(3, random)
    test, test_feature, test_mother = padded(2, random)
    np.savez_compressed(
        tmp_path / "6_belle_selective_400k.npz",
        X_train_0=np.concatenate([train_feature, token], axis=2), X_train_1=train_mother, y_train=np.array([1, 0, 1]),
        X_test_0=np.concatenate([test_feature, token[:2]], axis=2), X_test_1=test_mother, y_test=np.array([0, 1]),
    )  # fmt: skip
    batch = read(tmp_path / "6_belle_selective_400k.npz")
    check(batch, train + test, [1, 0, 1, 0, 1])
    assert batch.event["evtNum"].tolist() == list(range(5))


@pytest.mark.parametrize("layout", ["mothers", "matrices"])
def test_its_predecessor(tmp_path: Path, layout: str) -> None:
    random = np.random.default_rng(2)
    arrays: dict[str, np.ndarray] = {"feature_names": np.array(FEATURES[::-1])}
    events: list[np.ndarray] = []
    for part in range(2):
        here, feature, mother = padded(2, random)
        events += here
        pdg = np.zeros((2, 100), dtype=np.int32)
        pdg[:, :5] = CODES
        adjacency = mother
        if layout == "matrices":
            adjacency = np.zeros((2, 100, 100), dtype=np.int8)
            for child in range(1, 5):
                adjacency[:, child, MOTHERS[child]] = adjacency[:, MOTHERS[child], child] = 1
            adjacency[:, range(5), range(5)] = 1
        arrays |= {f"x_feature_{part}": feature[:, :, ::-1].copy(), f"x_pdg_{part}": pdg,
                   f"x_adjacency_{part}": adjacency, f"y_{part}": np.array([0, 1])}  # fmt: skip
    np.savez(tmp_path / "erum_data_classifier_comparison.npz", **arrays)
    check(read(tmp_path / "erum_data_classifier_comparison.npz"), events, [0, 1, 0, 1])


def test_laboratory_data_on_zenodo(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    events = [features(random) for _ in range(3)]
    particles = [
        [
            {"pdg": CODES[k], "index": 3 * k, "mother_index": 3 * MOTHERS[k]}
            | {name: float(event[k, column]) for column, name in enumerate(FEATURES)}
            for k in range(5)
        ]
        for event in events
    ]
    path = tmp_path / "smartbkg_dataset_4k_training.parquet"
    ak.to_parquet(ak.Array([{"label": bool(k % 2), "particles": p} for k, p in enumerate(particles)]), path)
    batch = read(path)
    assert batch.particle["arrayIndex"].tolist() == [0, 3, 6, 9, 12] * 3
    assert batch.particle["motherIndex"].tolist() == [-1, 0, 0, 3, 3] * 3
    assert build_graphs(batch, GraphRule()).mother.tolist() == [-1, 0, 0, 1, 1] * 3
    assert batch.event["label"].tolist() == [False, True, False]
    np.testing.assert_array_equal(batch.particle["energy"], np.concatenate(events)[:, 1])


def test_training_files_of_basf2(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    events = [features(random) for _ in range(2)]
    particles = [
        [
            {"PDG": tokens()[k], "arrayIndex": 7 * k, "motherIndex": MOTHERS[k], "status": 1, "mass": 0.14,
             "charge": 0.0, "nDaughters": 2, "motherPDG": 0}
            | {name: float(event[k, column]) for column, name in enumerate(FEATURES)}
            for k in range(5)
        ]
        for event in events
    ]  # fmt: skip
    rows = [{"label": bool(k), "evtNum": 40 + k, "thrust": 0.8 + k, "particles": p} for k, p in enumerate(particles)]
    ak.to_parquet(ak.Array(rows), tmp_path / "pp3.parquet")
    batch = read(tmp_path / "pp3.parquet")
    check(batch, events, [False, True])
    assert batch.event["evtNum"].tolist() == [40, 41]
    assert batch.event["var_thrust"].tolist() == [0.8, 1.8]


def test_tokens_beyond_the_table_are_unknown_with_a_warning(tmp_path: Path) -> None:
    _, feature, mother = padded(1, np.random.default_rng(5))
    token = np.full((1, 100, 1), 9000.0)
    np.savez(
        tmp_path / "t.npz", X_train_0=np.concatenate([feature, token], axis=2), X_train_1=mother, y_train=np.ones(1)
    )
    with open_events(tmp_path / "t.npz", ReadOptions()) as reader:
        batch = next(iter(reader.batches()))
        assert any("not in the table" in warning for warning in reader.warnings)
    assert set(batch.particle["PDG"]) == {0}


def test_particles_without_a_needed_field_are_named(tmp_path: Path) -> None:
    ak.to_parquet(
        ak.Array([{"label": 1, "particles": [{"pdg": 1, "index": 0, "motherindex": 0}]}]), tmp_path / "p.parquet"
    )
    with pytest.raises(FileFormatError, match="particles without energy, mother_index"):
        open_events(tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("array", "rows", "said"),
    [
        ("y_train", 2, "differ in length: X_train_0 3, X_train_1 3, y_train 2"),
        ("X_train_1", 4, "differ in length: X_train_0 3, X_train_1 4, y_train 3"),
    ],
)
def test_arrays_of_different_length_are_an_error_and_no_lost_events(
    tmp_path: Path, array: str, rows: int, said: str
) -> None:
    arrays = {
        "X_train_0": np.zeros((3, 100, 9), np.float32), "X_train_1": np.full((3, 100), -1), "y_train": np.zeros(3),
    }  # fmt: skip
    arrays[array] = np.resize(arrays[array], (rows, *arrays[array].shape[1:]))
    np.savez(tmp_path / "e.npz", **arrays)
    with pytest.raises(FileFormatError, match=said):
        read(tmp_path / "e.npz")


def test_rows_that_the_header_of_an_array_does_not_announce_are_an_error(tmp_path: Path) -> None:
    arrays = {"X_train_0": ((3, 100, 9), "<f4"), "X_train_1": ((3, 100), "<i2"), "y_train": ((3,), "|i1")}
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        for name, (shape, kind) in arrays.items():
            with archive.open(f"{name}.npy", "w") as part:
                np.lib.format.write_array_header_1_0(part, {"descr": kind, "fortran_order": False, "shape": shape})
                part.write(bytes(4 * int(np.prod(shape[1:])) * np.dtype(kind).itemsize))
    with pytest.raises(FileFormatError, match="X_train_0: goes on behind the 3 rows"):
        read(tmp_path / "e.npz")
