"""What is written from HepMC of any kind, two official readers read: particle by particle, weights, attributes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from official_hepmc import column_difference, read_3_2, read_3_3, tree

from smartbkg.errors import EventError
from smartbkg.events import EventBatch
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.storage.provenance import record

START_2 = b"HepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n"
END_2 = b"HepMC::IO_GenEvent-END_EVENT_LISTING\n"
START_3 = b"HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n"
END_3 = b"HepMC::Asciiv3-END_EVENT_LISTING\n\n"

BEAMS = b"P 1 11 0 0 7.0 7.0 0.000511 4 0 0 -1 0\nP 2 -11 0 0 -4.0 4.0 0.000511 4 0 0 -1 0\n"
UPSILON = b"P 3 300553 0 0 3.0 11.0 10.58304 2 0.25 0.5 -2 0\n"
PAIR = (
    b"P 4 511 0.1 0.2 1.455914073305609 5.467 5.27963 1 0 0 0 2 1 501 2 502\n"
    b"P 5 -511 -0.1 -0.2 1.6000000000000000888178420 5.533 5.27963 1 0 0 0 1 2 503\n"
)
FIRST, SECOND = b"V -1 0 0.1 0.2 0.3 0.4 2 1 0\n" + BEAMS + UPSILON, b"V -2 7 0.1 0.2 0.35 0.45 0 2 2 0.5 2.5\n" + PAIR


def version_2(*events: bytes) -> bytes:
    return START_2 + b"".join(events) + END_2


def event_2(number: int, weights: bytes = b"1 1.0", names: bytes = b"", body: bytes = FIRST + SECOND) -> bytes:
    n_vertices = body.count(b"V -")
    further = b"C 12.5 0.25\nH 1 2 3 4 5 6 7 8 9 1.5 0.1 0.2 40.25\nF 2 -2 0.1 0.2 91.2 0.3 0.4 10 11\n"
    return (
        b"E %d 3 -1.0 0.118 0.0078 101 -2 %d 1 2 2 17 18 %s\n%sU GEV CM\n%s"
        % (number, n_vertices, weights, names, further)
        + body
    )


def event_3(number: int, head: bytes = b"", units: bytes = b"U GEV MM\n", weights: bytes = b"W 1.0\n") -> bytes:
    return (
        b"E %d 2 4%s\n%s%sP 1 0 11 0 0 7 7 0.000511 4\nV -1 0 [1] @ 0.1 0.2 0.3 0.4\n"
        b"P 2 -1 300553 0 0 3.0 11.0 10.58 2\n"
        b"P 3 2 511 0.1 0.2 1.455914073305609 5.467 5.27963 1\nP 4 2 -511 -0.1 -0.2 1.6 5.533 5.27963 1\n"
        % (number, head, units, weights)
    )


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def converted(tmp_path: Path, content: bytes, **options: Any) -> Path:
    path = written(tmp_path / "in.hepmc", content)
    convert_events([path], tmp_path / "out.hepmc3", ReadOptions(**options))
    return tmp_path / "out.hepmc3"


def both(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return read_3_3(path), read_3_2(path)


def assert_as_before(source: Path, output: Path, version: int) -> None:
    """Both readers find in the output what they find in the input."""
    for read in (read_3_3, read_3_2):
        before, after = read(source, version), read(output)
        assert len(before) == len(after) > 0
        for old, new in zip(before, after, strict=True):
            assert tree(old, has_places=read is read_3_3) == tree(new, has_places=read is read_3_3)
            assert old["units"] == new["units"]
            assert old["number"] == new["number"]
            assert old["weights"] == new["weights"]


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_hepmc2_is_written_whatever_the_order_of_its_vertices(tmp_path: Path, order: tuple[bytes, bytes]) -> None:
    output = converted(tmp_path, version_2(event_2(3, body=b"".join(order)), event_2(4, body=b"".join(order))))
    assert_as_before(tmp_path / "in.hepmc", output, 2) if order[0] == FIRST else None
    for events in both(output):
        assert [event["number"] for event in events] == [3, 4]
        assert [len(event["particles"]) for event in events] == [5, 5]
    one, other = read_3_3(output)
    assert tree(one) == tree(other)


def test_every_record_of_an_event_of_hepmc2_is_an_attribute_with_the_text_it_had(tmp_path: Path) -> None:
    (event,) = read_3_3(converted(tmp_path, version_2(event_2(1))))
    found = {name: value for name, value in event["attributes"].items() if "smartbkg" not in name}
    assert found == {
        "0 mpi": "3", "0 event_scale": "-1.0", "0 alphaQCD": "0.118", "0 alphaQED": "0.0078",
        "0 signal_process_id": "101", "0 signal_process_vertex": "-2", "0 random_states": "17 18",
        "0 GenCrossSection": "12.5 0.25 -1 -1", "0 GenPdfInfo": "2 -2 0.1 0.2 91.2 0.3 0.4 10 11",
        "0 GenHeavyIon": "v0 1 2 3 4 5 6 7 8 9 1.5 0.1 0.2 40.25 0 -1 -1 -1 -1 -1 0 0",
        "3 theta": "0.25", "3 phi": "0.5", "4 flows": "501 502", "5 flows": "503", "-2 weights": "0.5 2.5",
    }  # fmt: skip
    assert event["attributes"]["5 smartbkg_flow_indices"] == "2"
    assert [event["vertices"][name]["status"] for name in ("-1", "-2")] == [0, 7]


def test_numbers_go_through_as_text_and_are_rounded_right_where_they_are_read(tmp_path: Path) -> None:
    output = converted(tmp_path, version_2(event_2(1)))
    assert b" 1.455914073305609 " in output.read_bytes()
    (event,) = read_3_3(output)
    assert event["particles"][3]["key"][4] == 1.455914073305609
    assert event["particles"][4]["key"][4] == 1.6


def test_vertices_that_nothing_enters_keep_the_place_of_what_they_make(tmp_path: Path) -> None:
    lone = b"V -1 0 0.1 0.2 0.3 0.4 0 2 0\nP 1 22 0 0.5 0 0.5 0 1 0 0 0 0\nP 2 22 0 -0.5 0 0.5 0 1 0 0 0 0\n"
    weighted = lone.replace(b"0 2 0\n", b"0 2 1 1.0\n", 1)
    elsewhere = lone + lone.replace(b"V -1 0 0.1", b"V -2 0 9.1").replace(b"P 1", b"P 3").replace(b"P 2", b"P 4")
    events = [event_2(k, body=body) for k, body in enumerate((lone, weighted, elsewhere), 1)]
    output = converted(tmp_path, version_2(*events))
    for found in both(output):
        assert [len(event["particles"]) for event in found] == [2, 2, 4]
        assert [len(event["vertices"]) for event in found] == [0, 1, 2]
    first, second, third = read_3_3(output)
    assert first["position"] == [0.1, 0.2, 0.3, 0.4]
    assert second["position"] == [0, 0, 0, 0]
    assert second["vertices"]["-1"]["place"] == [0.1, 0.2, 0.3, 0.4]
    assert second["attributes"]["-1 weights"] == "1.0"
    assert [vertex["place"][0] for vertex in third["vertices"].values()] == [0.1, 9.1]
    before, after = read(tmp_path / "in.hepmc"), read(output)
    for name, column in before.particle.items():
        np.testing.assert_array_equal(after.particle[name], column, err_msg=name)


def test_beams_that_come_out_of_nothing_enter_the_vertex_as_in_the_library(tmp_path: Path) -> None:
    body = FIRST.replace(b"2 1 0\n", b"0 3 0\n", 1).replace(b"0 0 -1 0\n", b"0 0 0 0\n") + SECOND
    output = converted(tmp_path, version_2(event_2(1, body=body)))
    assert_as_before(tmp_path / "in.hepmc", output, 2)
    assert read(tmp_path / "in.hepmc").particle["motherIndex"].tolist() == [-1, -1, 0, 2, 2]


def test_a_vertex_that_nothing_leaves_is_remembered_by_what_ends_there(tmp_path: Path) -> None:
    dead_end = b"V -3 5 1.0 2.0 3.0 4.0 0 0 0\n"
    body = FIRST + SECOND.replace(b"1 0 0 0 1 2 503", b"1 0 0 -3 1 2 503") + dead_end
    output = converted(tmp_path, version_2(event_2(1, body=body)))
    for events in both(output):
        assert len(events[0]["vertices"]) == 2
    assert read_3_3(output)[0]["attributes"]["5 smartbkg_end_vertex"] == "5 1.0 2.0 3.0 4.0"


def read(path: Path, **options: Any) -> EventBatch:
    with open_events(path, ReadOptions(**options)) as reader:
        return EventBatch.concatenate(list(reader.batches(3)))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (b'N 3 "nominal" "AUX" "AUX"\n', ["nominal", "AUX", "AUX_2"]),
        (b'N 3 "Weight" "set dim6 5 # (0.0)  " "a\tb"\n', ["Weight", "set_dim6_5_#_(0.0)__", "a_b"]),
        (b'N 3 "" "1" "1_2"\n', ["0", "1", "1_2"]),
    ],
)
def test_names_of_weights_are_what_every_reader_takes(tmp_path: Path, names: bytes, expected: list[str]) -> None:
    output = converted(
        tmp_path, version_2(event_2(1, b"3 1.5 100.0 7.0", names), event_2(2, b"3 1.5 100.0 7.0", names))
    )
    for events in both(output):
        assert [event["names"] for event in events] == [expected] * 2
        assert [event["weights"] for event in events] == [[1.5, 100.0, 7.0]] * 2
    assert list(read(output).event) == list(read(tmp_path / "in.hepmc").event)


def test_names_and_numbers_of_weights_that_change_are_followed(tmp_path: Path) -> None:
    events = [
        event_2(1, b"1 1.5", b'N 1 "a"\n'), event_2(2, b"1 2.5"), event_2(3, b"2 4.0 5.0", b'N 2 "b" "c"\n'),
        event_2(4, b"1 6.0", b'N 1 "a"\n'),
    ]  # fmt: skip
    output = converted(tmp_path, version_2(*events))
    for found in both(output):
        assert [event["names"] for event in found] == [["a"], ["a"], ["b", "c"], ["a"]]
        assert [event["weights"] for event in found] == [[1.5], [2.5], [4.0, 5.0], [6.0]]


def test_weights_that_change_in_a_file_have_a_column_where_the_first_events_have_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = [event_2(1, b"2 1.5 2.5", b'N 2 "a" "b"\n'), event_2(2, b"2 4.0 5.0", b'N 2 "a" "c"\n')]
    convert_events([written(tmp_path / "in.hepmc", version_2(*events))], tmp_path / "out.parquet")
    event = read(tmp_path / "out.parquet").event
    assert event["weight"].tolist() == event["weight_a"].tolist() == [1.5, 4.0]
    np.testing.assert_array_equal(event["weight_b"], [2.5, np.nan])
    assert "weights that the first events do not have are left out: weight_c" in caplog.text


def test_events_of_hepmc2_without_names_state_how_many_weights_they_have(tmp_path: Path) -> None:
    events = [event_2(1, b"1 1.5"), event_2(2, b"2 2.5 3.5"), event_2(3, b"2 4.5 5.5")]
    output = converted(tmp_path, version_2(*events))
    for found in both(output):
        assert [event["weights"] for event in found] == [[1.5], [2.5, 3.5], [4.5, 5.5]]


def test_an_event_of_hepmc2_that_says_it_has_no_weights_weighs_1_and_is_named(tmp_path: Path) -> None:
    names = b'N 2 "b" "c"\n'
    for first in (event_2(1, b"1 1e-5"), event_2(1, b"2 1e-5 2e-5", names)):
        output = converted(tmp_path, version_2(first, event_2(4, b"0"), event_2(5, b"0")))
        for found in both(output):
            assert [event["weights"] for event in found][1:] == [[1.0], [1.0]]
        with open_events(tmp_path / "in.hepmc") as reader:
            assert [weight for batch in reader.batches(1) for weight in batch.event["weight"]] == [1e-5, 1.0, 1.0]
            assert any("event 4 has no weights" in warning for warning in reader.warnings)
    with pytest.raises(EventError, match=r"event .*4.*: no weights, the run has 2"):
        converted(tmp_path, version_2(event_2(1, b"2 1e-5 2e-5", names), event_2(4, b"0", names)))


def test_each_listing_keeps_its_header_and_its_names(tmp_path: Path) -> None:
    first = (
        START_3
        + b"W nominal\\|up\nT GenA\\|1\\|x\nA seed 11\nA empty \n"
        + event_3(1, weights=b"W 1.5 100.0\n")
        + END_3
    )
    second = START_3 + b"W up\\|nominal\nT GenB\\|2\\|y\nA seed 22\n" + event_3(2, weights=b"W 200.0 2.5\n") + END_3
    output = converted(tmp_path, first + second)
    one, other = read_3_3(output)
    assert (one["run"]["seed"], other["run"]["seed"]) == ("11", "22")
    assert (one["names"], other["names"]) == (["nominal", "up"], ["up", "nominal"])
    assert [event["tools"][0] for event in read_3_2(output)] == ["GenA", "GenB"]
    batch = read(output)
    assert batch.event["weight"].tolist() == batch.event["weight_nominal"].tolist() == [1.5, 2.5]
    assert batch.event["weight_up"].tolist() == [100.0, 200.0]


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (b"W up\nT GenB\\|2\\|of B\nA seed 22\n", ["up"]),
        (b"T GenB\\|2\\|of B\nW up\n", ["up"]),
        (b"A seed 22\nW up\n", ["up"]),
        (b"A seed 22\n", ["0"]),
    ],
)
def test_a_run_may_begin_without_a_line_of_its_own(tmp_path: Path, lines: bytes, names: list[str]) -> None:
    """As HepMC3's ``ReaderAscii.cc`` reads it: names after the weights, tools, attributes after the particles."""
    first = START_3 + b"W nominal\nA seed 11\n" + event_3(1) + event_3(2)
    source = written(tmp_path / "in.hepmc", first + lines + event_3(3) + END_3)
    convert_events([source], tmp_path / "out.hepmc3")
    for version, path in (("in", source), ("out", tmp_path / "out.hepmc3")):
        for events in both(path):
            assert [event["number"] for event in events] == [1, 2, 3]
            assert [event["weights"] for event in events] == [[1.0]] * 3
            assert [event["names"] for event in events[:2]] == [["nominal"]] * 2
            if version == "out":
                assert events[2]["names"] in (names, ["Default"], [])
    assert [event["run"].get("seed") for event in read_3_3(tmp_path / "out.hepmc3")][:2] == ["11", "11"]


def test_units_and_positions_are_stated_in_every_event(tmp_path: Path) -> None:
    events = [event_3(1, b" @ 1 2 3 4", b"U GEV CM\n"), event_3(2, units=b""), event_3(3, b" @ 0 0 0 0", b"U GEV MM\n")]
    output = converted(tmp_path, START_3 + b"".join(events) + END_3)
    with open_events(tmp_path / "in.hepmc") as reader:
        x = np.concatenate([batch.particle["x"] for batch in reader.batches(1)])
        assert any("events 2 state no units" in warning for warning in reader.warnings)
    np.testing.assert_allclose(x.reshape(3, 4), [[1, 0.1, 0.1, 0.1], [1, 0.1, 0.1, 0.1], [0, 0.01, 0.01, 0.01]])
    old = read_3_3(tmp_path / "in.hepmc")
    for found in both(output):
        assert [event["units"] for event in found] == [event["units"] for event in old]
    assert [event["position"] for event in read_3_3(output)] == [event["position"] for event in old]
    assert output.read_bytes().count(b"\nU ") == 3


def test_lines_in_any_order_are_written_in_the_one_of_the_format(tmp_path: Path) -> None:
    event = event_3(1, weights=b"") + event_3(2, weights=b"")
    late = event.replace(b"U GEV MM\n", b"A 0 note a b\nU GEV MM\nA 3 flow1 501\nW 1e-05\n")
    last = (
        event.replace(b"5.27963 1\nP 4", b"5.27963 1\nP 4").replace(b"E 2", b"W 1e-05\nA 3 flow1 501\nE 2")
        + b"W 1e-05\n"
    )
    blanks = late.replace(b"E 1 2 4", b"E  1 2 4 ").replace(b"P 3 2", b"P  3\t2").replace(b"[1] @", b"[ 1 ]  @ ")
    empty = late.replace(b"V -1 0 [1] @", b"V -1 0 [] @").replace(b"\n", b"\r\n")
    for content in (late, last, blanks, empty):
        output = converted(tmp_path, START_3 + content + END_3)
        for found in both(output):
            assert [event["number"] for event in found] == [1, 2]
            assert [event["weights"] for event in found] == [[1e-05], [1e-05]]
        assert read_3_3(output)[0]["attributes"]["3 flow1"] == "501"


@pytest.mark.parametrize("announced", [b"E 1 1 4", b"E 1 3 4", b"E 1 4 4"])
def test_vertices_are_counted_exactly(tmp_path: Path, announced: bytes) -> None:
    with pytest.raises(EventError, match="event 1: fewer or more vertices than announced"):
        converted(tmp_path, START_3 + event_3(1).replace(b"E 1 2 4", announced) + END_3)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_what_has_no_numbers_does_not_depend_on_the_size_of_batches(tmp_path: Path, size: int) -> None:
    path = written(tmp_path / "a.hepmc3", START_3 + b"".join(event_3(0) for _ in range(4)) + END_3)
    with open_events(path) as reader:
        assert [int(n) for batch in reader.batches(size) for n in batch.event["evtNum"]] == [0, 1, 2, 3]
    mixed = written(tmp_path / "b.hepmc3", START_3 + b"".join(event_3(n) for n in (0, 0, 7, 8)) + END_3)
    with pytest.raises(EventError, match="event 7: has a number"), open_events(mixed) as reader:
        list(reader.batches(size))


def test_event_numbers_of_64_bits_are_kept_and_larger_ones_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.hepmc3", START_3 + event_3(2**53 + 1) + event_3(2**63 - 1) + END_3)
    assert read(path).event["evtNum"].tolist() == [2**53 + 1, 2**63 - 1]
    large = written(tmp_path / "b.hepmc3", START_3 + event_3(1) + event_3(2**63) + END_3)
    with pytest.raises(EventError, match="does not fit into 64 bits"):
        read(large)


def test_the_first_weight_and_every_variation_are_divided_by_the_keep_probability(tmp_path: Path) -> None:
    names = b'N 2 "nominal" "up"\n'
    path = written(tmp_path / "in.hepmc", version_2(*(event_2(k, b"2 1.5 30.0", names) for k in (1, 2))))
    batch = read(path, keep_originals=True)
    q = np.array([0.25, 1.0])
    kept = batch.with_event_columns(
        generator_weight=batch.event["weight"], weight=batch.event["weight"] / q, keep_probability=q,
        **{f"weight_{name}": batch.event[f"weight_{name}"] / q for name in ("nominal", "up")},
    )  # fmt: skip
    expected = {
        "nominal": (
            ["nominal", "up", "smartbkg_generator_weight", "smartbkg"],
            [[6.0, 120.0, 1.5, 4.0], [1.5, 30, 1.5, 1]],
        ),
        "separate": (["nominal", "up", "smartbkg"], [[1.5, 30.0, 6.0], [1.5, 30.0, 1.5]]),
    }
    for layout, (written_names, rows) in expected.items():
        for source, suffix in ((kept, "text"), (EventBatch(kept.offsets, kept.event, kept.particle), "columns")):
            output = tmp_path / f"{layout}-{suffix}.hepmc3"
            with create_events(output, record("kept", 1, {"weight_layout": layout})) as writer:
                writer.write(source)
            for found in both(output):
                assert [event["names"] for event in found] == [written_names] * 2
                assert [event["weights"] for event in found] == rows
            assert [event["first_weight"] for event in read_3_3(output)] == [row[0] for row in rows]
            again = read(output).event
            for name in ("weight", "generator_weight", "weight_nominal", "weight_up"):
                np.testing.assert_array_equal(again[name], kept.event[name], err_msg=f"{layout} {name}")


def test_the_totals_are_an_attribute_of_the_run(tmp_path: Path) -> None:
    from smartbkg.events.totals import Totals

    totals = Totals.of([1.0, 0.5], [2.0]).with_cross_section(12.5, 0.25)
    for name in ("a.hepmc3", "b.hepmc3.gz", "c.hepmc3.xz", "d.hepmc3.zst", "e.parquet"):
        batch = read(written(tmp_path / "in.hepmc", version_2(event_2(1))), keep_originals=True)
        with create_events(tmp_path / name, record("kept", 1, {})) as writer:
            writer.write(batch)
            writer.add_totals(totals)
        with open_events(tmp_path / name) as reader:
            assert reader.totals == totals
            assert sum(map(len, reader.batches())) == 1
    assert json.loads(read_3_3(tmp_path / "a.hepmc3")[0]["run"]["smartbkg_totals"])["cross_section"] == 12.5


def test_a_conversion_keeps_totals_draws_and_cross_section(tmp_path: Path) -> None:
    from smartbkg.events.totals import Totals

    source = written(tmp_path / "in.hepmc", version_2(event_2(1, b"1 0.5"), event_2(2, b"1 0.25")))
    convert_events([source], tmp_path / "a.hepmc3")
    with open_events(tmp_path / "a.hepmc3") as reader:
        assert reader.totals == Totals.of([0.5, 0.25], [0.5, 0.25]).with_cross_section(12.5, 0.25)
    batch = read(source, keep_originals=True)
    q = np.array([0.5, 1.0])
    kept = batch.with_event_columns(generator_weight=batch.event["weight"], weight=[1.0, 0.25], keep_probability=q)
    totals = Totals.of(np.ones(70), [1.0, 0.25])
    about = record("kept", 1, {"seed": 4}, draws=[{"seed": 4}])
    for name in ("b.hepmc3", "c.hepmc3.gz"):
        with create_events(tmp_path / name, about) as writer:
            writer.write(kept)
            writer.describe(totals={**totals.to_dict(), "n_skipped": 0})
    convert_events([tmp_path / "c.hepmc3.gz"], tmp_path / "d.parquet")
    with open_events(tmp_path / "d.parquet") as reader:
        assert (reader.metadata["kind"], reader.metadata["draws"]) == ("kept", [{"seed": 4}])
        assert reader.totals == totals
    convert_events([tmp_path / "b.hepmc3", tmp_path / "c.hepmc3.gz"], tmp_path / "e.hepmc3", allow_duplicates=True)
    with open_events(tmp_path / "e.hepmc3") as reader:
        assert reader.totals == totals + totals


REAL = ("rivet_api.hepmc", "eic_dis.hepmc", "gohep_test.hepmc", "hepmc3_convert1.hepmc", "hepmc2_with_weight.dat")


@pytest.mark.parametrize("name", REAL)
def test_real_files_are_to_the_official_readers_what_they_were(reference_data: Path, tmp_path: Path, name: str) -> None:
    source = reference_data / "hepmc2" / name
    if not source.exists():
        pytest.skip("no reference data hepmc2")
    convert_events([source], tmp_path / "out.hepmc3")
    before, after = read_3_3(source, 2), read_3_3(tmp_path / "out.hepmc3")
    assert len(before) == len(after) == len(read_3_2(tmp_path / "out.hepmc3"))
    for old, new in zip(before, after, strict=True):
        assert tree(old) == tree(new)
        assert old["weights"] == new["weights"]
    one, other = read(source), read(tmp_path / "out.hepmc3")
    for column, values in one.particle.items():
        np.testing.assert_array_equal(other.particle[column], values, err_msg=column)
    convert_events([source], tmp_path / "out.parquet")
    flat = read(tmp_path / "out.parquet")
    for old, start, count in zip(before, flat.offsets, flat.counts, strict=False):
        here = slice(int(start), int(start + count))
        assert column_difference(old, {name: values[here] for name, values in flat.particle.items()}) == ""


def test_the_comparison_of_columns_sees_a_place_and_a_mother_that_changed(tmp_path: Path) -> None:
    (tmp_path / "in.hepmc").write_bytes(version_2(event_2(1)))
    convert_events([tmp_path / "in.hepmc"], tmp_path / "out.parquet")
    event, columns = read_3_3(tmp_path / "in.hepmc", 2)[0], dict(read(tmp_path / "out.parquet").particle)
    assert column_difference(event, columns) == ""
    child = int(np.flatnonzero(columns["motherIndex"] >= 0)[-1])
    for name, value in (("x", 77.0), ("motherIndex", child), ("px", 5.0)):
        changed = columns[name].copy()
        changed[child] = value
        assert column_difference(event, columns | {name: changed}) != ""


def test_an_event_with_vertex_weights_that_ends_the_library_is_written(reference_data: Path, tmp_path: Path) -> None:
    source = reference_data / "hepmc2" / "hepmc3_sherpa140.hepmc"
    if not source.exists():
        pytest.skip("no reference data hepmc2")
    convert_events([source], tmp_path / "out.hepmc3")
    (event,) = read_3_3(tmp_path / "out.hepmc3")
    lines = source.read_bytes().splitlines()
    assert len(event["particles"]) == sum(line.startswith(b"P ") for line in lines)
    weighted = [line.split()[10:] for line in lines if line.startswith(b"V ") and line.split()[9] != b"0"]
    kept = [value.encode().split() for name, value in event["attributes"].items() if name.endswith(" weights")]
    assert sorted(kept) == sorted(weighted)
