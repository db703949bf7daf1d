"""HepMC: what the HepMC3 library reads is what we read; what we write keeps the whole event."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyhepmc
import pytest
from io_events import MM, decay_event, hepmc_text
from synthetic import random_events

from smartbkg.errors import EventError, FileFormatError
from smartbkg.events import EventBatch
from smartbkg.events.columns import ParticleStatus
from smartbkg.graphs.decay_tree import GraphRule, build_graphs
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.io.convert import convert_events
from smartbkg.io.zstandard import zstandard
from smartbkg.networks.model_file import load_scorer
from smartbkg.storage.provenance import record

LIGHT = 29.9792458  # cm/ns
ABOUT = record("kept", 1, {"skims": ["tag"]})


def read(path: Path, **options: object) -> EventBatch:
    with open_events(path, ReadOptions(**options)) as reader:  # type: ignore[arg-type]
        return EventBatch.concatenate(list(reader.batches(3)))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def assert_same_graphs(first: EventBatch, second: EventBatch) -> None:
    for one, other in zip(build_graphs(first, GraphRule()), build_graphs(second, GraphRule()), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("unit", "momentum_unit"), [("MM", "GEV"), ("CM", "GEV"), ("MM", "MEV"), ("CM", "MEV")])
def test_units_are_converted(tmp_path: Path, version: int, unit: str, momentum_unit: str) -> None:
    path = written(tmp_path / "e.hepmc", hepmc_text([decay_event(5, unit, momentum_unit)], version))
    batch = read(path)
    pion = int(np.flatnonzero(batch.particle["PDG"] == 211)[0])
    assert batch.event["evtNum"].tolist() == [5]
    for name, expected in {"px": 1.0, "py": 2.0, "pz": 1.0, "mass": 0.13957, "x": 0.5 / MM, "z": 1.0 / MM}.items():
        assert batch.particle[name][pion] == pytest.approx(expected, rel=1e-6), name
    assert batch.particle["prodTime"][pion] == pytest.approx(1.2 / MM / LIGHT, rel=1e-6)
    assert batch.particle["energy"][pion] == pytest.approx(np.sqrt(6 + 0.13957**2), rel=1e-6)


@pytest.mark.parametrize("version", [2, 3])
def test_beams_and_documentation_entries_do_not_break_the_tree(tmp_path: Path, version: int) -> None:
    batch = read(written(tmp_path / "e.hepmc", hepmc_text([decay_event()], version)))
    code, mother, status = (batch.particle[name].tolist() for name in ("PDG", "motherIndex", "status"))
    where = {c: k for k, c in enumerate(code)}
    assert mother[where[211]] == mother[where[-211]] == where[511]
    assert mother[where[511]] in (where[11], where[-11])  # the Z* between them is bridged
    assert status[where[23]] == ParticleStatus.VIRTUAL
    assert status[where[11]] == ParticleStatus.PRIMARY | ParticleStatus.INITIAL
    assert status[where[511]] == ParticleStatus.PRIMARY
    assert status[where[211]] == ParticleStatus.PRIMARY | ParticleStatus.STABLE_IN_GENERATOR
    graphs = build_graphs(batch, GraphRule())
    kept = batch.particle["PDG"][graphs.particle].tolist()
    assert sorted(kept) == [-511, -211, 211, 511]
    assert graphs.mother[kept.index(211)] == kept.index(511)
    assert graphs.mother[kept.index(511)] == -1


def test_real_file_equals_what_the_library_reads(reference_data: Path) -> None:
    path = reference_data / "belle2" / "event.hepmc"
    batch = read(path)
    with pyhepmc.open(path) as file:
        event = next(iter(file))
    assert batch.event["evtNum"][0] == event.event_number == 955110002
    particles = event.numpy.particles
    for name, expected in {
        "PDG": particles.pid, "px": particles.px, "py": particles.py, "pz": particles.pz, "energy": particles.e,
        "mass": particles.generated_mass,
    }.items():  # fmt: skip
        np.testing.assert_array_equal(batch.particle[name], expected.astype(batch.particle[name].dtype))
    mothers = [
        p.production_vertex.particles_in[0].id - 1 if p.production_vertex.particles_in else -1 for p in event.particles
    ]
    np.testing.assert_array_equal(batch.particle["motherIndex"], mothers)
    vertices = [p.production_vertex.position for p in event.particles]
    for name, index in {"x": 0, "y": 1, "z": 2}.items():
        np.testing.assert_array_equal(
            batch.particle[name][1:], np.array([vertex[index] for vertex in vertices], dtype=np.float32)[1:]
        )
    # HepMC3 has no vertex for the first particle; its place is in the file (cm)
    assert batch.particle["x"][0] == np.float32(7.5463112443685532e-04)


def test_version_2_to_3_and_back_is_the_same_graph(reference_data: Path, tmp_path: Path) -> None:
    original = read(reference_data / "belle2" / "event.hepmc", keep_originals=True)
    with create_events(tmp_path / "e.hepmc3", ABOUT) as writer:
        writer.write(original)
    again = read(tmp_path / "e.hepmc3")
    for name, column in original.particle.items():
        np.testing.assert_array_equal(again.particle[name], column)
    assert_same_graphs(original, again)


def test_version_2_to_3_and_back_is_the_same_score(reference_data: Path, tmp_path: Path) -> None:
    """Also through the verbs' files: HepMC2 → HepMC3 → Parquet → HepMC3."""
    scorer = load_scorer(reference_data / "gatgap" / "reference.pth")
    source = reference_data / "belle2" / "event.hepmc"
    steps = [source, *(tmp_path / name for name in ("a.hepmc3", "b.hepmc3.gz", "c.parquet", "d.hepmc3"))]
    for before, after in pairwise(steps):
        convert_events([before], after)
    expected = scorer.logits(read(source))
    assert expected.shape == (1, 1)
    assert np.isfinite(expected).all()
    for step in steps[1:]:
        np.testing.assert_array_equal(scorer.logits(read(step)), expected, err_msg=step.name)
    moved = read(source)
    moved = replace(moved, particle={**moved.particle, "px": moved.particle["px"] + np.float32(0.1)})
    assert (scorer.logits(moved) != expected).all()  # the comparison can fail


@pytest.mark.parametrize(
    ("suffix", "unpack"),
    [("", bytes), (".gz", gzip.decompress), (".xz", lzma.decompress), (".zst", zstandard().decompress)],
)
def test_compressed_files_are_written_and_read(tmp_path: Path, suffix: str, unpack: object) -> None:
    path = tmp_path / f"e.hepmc3{suffix}"
    events = random_events(20, seed=3)
    with create_events(path, ABOUT) as writer:
        writer.write(events)
    assert unpack(path.read_bytes()).startswith(b"HepMC::Version 3")  # type: ignore[operator]
    again = read(path)
    assert_same_graphs(events, again)
    for name in ("experiment", "run", "evtNum", "process"):
        np.testing.assert_array_equal(again.event[name], events.event[name])


def test_bzip2_is_read_too(tmp_path: Path) -> None:
    path = written(tmp_path / "e.hepmc", bz2.compress(hepmc_text([decay_event(3)])))
    assert read(path).event["evtNum"].tolist() == [3]


def two_weights() -> pyhepmc.GenRunInfo:
    run = pyhepmc.GenRunInfo()
    run.weight_names = ["nominal", "scale|up"]
    run.attributes["generator"] = "several\nlines \\ of text"
    run.tools = [("maker", "1.2", "makes events")]
    return run


def filtered(batch: EventBatch) -> EventBatch:
    keep = np.linspace(0.2, 0.9, len(batch))
    return batch.with_event_columns(
        generator_weight=batch.event["weight"], weight=batch.event["weight"] / keep, keep_probability=keep,
        score=np.linspace(0, 1, len(batch)),
    )  # fmt: skip


def test_the_whole_original_event_is_kept(tmp_path: Path) -> None:
    run = two_weights()
    events = []
    for number in (4, 9):
        event = decay_event(number)
        event.run_info = run
        event.weights = [0.5 * number, 2.0]
        event.attributes["note"] = "text with \\ and\nlines"
        event.particles[3].attributes["flow1"] = 501
        event.vertices[1].status = 7
        event.cross_section = pyhepmc.GenCrossSection()
        events.append(event)
    text = hepmc_text(events, 3, run)
    batch = read(written(tmp_path / "in.hepmc3", text), keep_originals=True)
    np.testing.assert_array_equal(batch.event["weight_nominal"], [2.0, 4.5])
    kept = filtered(batch)
    with create_events(tmp_path / "out.hepmc3", ABOUT) as writer:
        writer.write(kept)
    with pyhepmc.open(tmp_path / "in.hepmc3") as before, pyhepmc.open(tmp_path / "out.hepmc3") as after:
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            assert new.weight_names == ["nominal", "scale|up", "smartbkg_generator_weight", "smartbkg"]
            ratio = 1 / kept.event["keep_probability"][index]
            assert new.weights == pytest.approx([*(ratio * w for w in old.weights), old.weights[0], ratio], rel=1e-15)
            ours = {name: str(value) for name, value in new.attributes.items() if name.startswith("smartbkg_")}
            assert float(ours["smartbkg_keep_probability"]) == kept.event["keep_probability"][index]
            assert "smartbkg_score" in ours
            assert "tag" in ours["smartbkg_skims"]
            assert set(old.attributes) <= set(new.attributes)
            assert str(old.attributes["note"]) == str(new.attributes["note"])
            assert [str(p) for p in old.particles] == [str(p) for p in new.particles]
            assert [str(v) for v in old.vertices] == [str(v) for v in new.vertices]
            assert new.particles[3].attributes["flow1"].astype(int) == 501
            assert any(tool.name == "maker" for tool in new.run_info.tools)
            assert any(tool.name == "smartbkg" for tool in new.run_info.tools)
    # byte by byte, all lines of the original but those of number and weights are still there
    lines = set((tmp_path / "out.hepmc3").read_bytes().splitlines())
    assert {line for line in text.splitlines() if line[:1] in b"PVA" and line} <= lines


def test_the_weight_of_a_filtered_file_is_the_unbiased_one(tmp_path: Path) -> None:
    kept = filtered(random_events(6, seed=1))
    with create_events(tmp_path / "k.hepmc3", ABOUT) as writer:
        writer.write(kept)
    again = read(tmp_path / "k.hepmc3")
    for name in ("weight", "generator_weight", "keep_probability", "score"):
        np.testing.assert_array_equal(again.event[name], kept.event[name])
    second = again.with_event_columns(weight=again.event["weight"] * 3, keep_probability=np.full(6, 1 / 3))
    with create_events(tmp_path / "k2.hepmc3", ABOUT) as writer:
        writer.write(second)
    np.testing.assert_allclose(read(tmp_path / "k2.hepmc3").event["weight"], kept.event["weight"] * 3)


def test_a_second_filter_replaces_weight_and_attributes(tmp_path: Path) -> None:
    run = two_weights()
    event = decay_event(4)
    event.run_info, event.weights = run, [3.0, 1.0]
    first = filtered(read(written(tmp_path / "a.hepmc3", hepmc_text([event], 3, run)), keep_originals=True))
    with create_events(tmp_path / "b.hepmc3", ABOUT) as writer:
        writer.write(first)
    second = read(tmp_path / "b.hepmc3", keep_originals=True)
    second = second.with_event_columns(weight=second.event["weight"] * 2, keep_probability=[0.5], score=[0.25])
    with create_events(tmp_path / "c.hepmc3", ABOUT) as writer:
        writer.write(second)
    text = (tmp_path / "c.hepmc3").read_text()
    assert text.count("smartbkg_keep_probability") == text.count("smartbkg_score") == 1
    with pyhepmc.open(tmp_path / "c.hepmc3") as file:
        assert next(iter(file)).weights == pytest.approx([3.0 / 0.2 * 2, 1.0 / 0.2 * 2, 3.0, 10.0])


def test_events_of_other_formats_come_back_unchanged(reference_data: Path, tmp_path: Path) -> None:
    """Status bits, photon conversions and decays in flight have no place in HepMC: attributes keep them."""
    original = read(reference_data / "belle2" / "mdst.root")
    with create_events(tmp_path / "m.hepmc3", ABOUT) as writer:
        writer.write(original)
    again = read(tmp_path / "m.hepmc3")
    for name, column in original.particle.items():
        np.testing.assert_array_equal(again.particle[name], column, err_msg=name)
    with pyhepmc.open(tmp_path / "m.hepmc3") as file:
        event = next(iter(file))
    assert event.event_number == original.event["evtNum"][0]
    assert len(event.particles) == original.counts[0]


def test_daughters_before_their_mother_are_put_in_order(tmp_path: Path) -> None:
    events = random_events(1, seed=5)
    backwards = {name: column[::-1].copy() for name, column in events.particle.items()}
    with create_events(tmp_path / "b.hepmc3", ABOUT) as writer:
        writer.write(EventBatch.from_columns(events.counts, events.event, backwards))
    again = read(tmp_path / "b.hepmc3")
    order = np.argsort(again.particle["energy"])
    expected = np.argsort(events.particle["energy"])
    mothers = np.where(
        events.particle["motherIndex"] < 0, -1, events.particle["energy"][events.particle["motherIndex"]]
    )
    found = np.where(again.particle["motherIndex"] < 0, -1, again.particle["energy"][again.particle["motherIndex"]])
    np.testing.assert_array_equal(found[order], mothers[expected])


def test_an_empty_selection_is_a_valid_file(tmp_path: Path) -> None:
    with create_events(tmp_path / "n.hepmc3", ABOUT) as writer:
        writer.write(random_events(3).slice(0, 0))
    with open_events(tmp_path / "n.hepmc3") as reader:
        assert list(reader.batches()) == []
    with pyhepmc.open(tmp_path / "n.hepmc3") as file:
        assert list(file) == []


@pytest.mark.parametrize("number", [-1, 0])
def test_events_without_numbers_are_numbered_with_a_warning(
    tmp_path: Path, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "e.hepmc", hepmc_text([decay_event(number) for _ in range(5)]))
    with open_events(path) as reader:
        numbers = [int(n) for batch in reader.batches(2) for n in batch.event["evtNum"]]
        assert numbers == [0, 1, 2, 3, 4]
        assert any("numbered by their position" in warning for warning in reader.warnings)
    assert caplog.text.count("numbered by their position") == 1


def test_a_first_event_called_0_is_not_missing_its_number(tmp_path: Path) -> None:
    path = written(tmp_path / "e.hepmc", hepmc_text([decay_event(number) for number in (0, 7, 9)]))
    assert read(path).event["evtNum"].tolist() == [0, 7, 9]


def test_experiment_run_and_process_come_from_the_options(tmp_path: Path) -> None:
    path = written(tmp_path / "e.hepmc", hepmc_text([decay_event()]))
    batch = read(path, experiment=12, run=34, process="mixed")
    assert (batch.event_id(0), str(batch.event["process"][0])) == ((12, 34, 1), "mixed")


def test_particles_without_a_vertex_are_where_the_nearest_known_vertex_is(tmp_path: Path) -> None:
    text = b"""HepMC::Version 3.02.05
HepMC::Asciiv3-START_EVENT_LISTING
E 1 3 4 @ 1.0 2.0 3.0 0.0
U GEV CM
P 1 0 511 0 0 1 5.4 5.28 2
P 2 1 -411 0 0 1 2.2 1.87 2
P 3 2 211 0 0 1 1.1 0.14 1
V -2 0 [3] @ 9 8 7 0
P 4 -2 -13 0 0 1 1.1 0.106 1
HepMC::Asciiv3-END_EVENT_LISTING
"""
    batch = read(written(tmp_path / "e.hepmc3", text))
    assert batch.particle["motherIndex"].tolist() == [-1, 0, 1, 2]
    assert batch.particle["x"].tolist() == [1, 1, 1, 9]
    assert batch.particle["nDaughters"].tolist() == [1, 1, 1, 0]
    assert batch.particle["motherPDG"].tolist() == [0, 511, -411, 211]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"P 3 2 211", b"P 3 9 211", "refers to one that is not in the event"),
        (b"P 2 1 -411 0 0 1 2.2 1.87 2", b"P 2 1 -411 0 0 1 2.2 1.8", "cut short"),
        (b"P 2 1", b"Q 2 1", "unknown letter"),
        (b"E 1 3 4", b"E 1 3 5", "particles than announced"),
        (b"E 1 3 4", b"E 1 2 4", "vertices than announced"),
        (b"V -2 0 [3]", b"V -2 0 [3", "cut short"),
        (b"V -2 0 [3]", b"V -1 0 [3]", "refers to one"),
        (b"P 3 2 211", b"P 4 2 211", "not numbered"),
        (b"P 1 0 511", b"P 1 2 511", "cyclic"),
        (b"U GEV CM", b"U GEV KM", "units are not"),
        (b"0 0 1 1.1 0.106", b"0 0 nan 1.1 0.106", "pz of particle 3 is nan"),
    ],
)
def test_a_damaged_event_is_named_or_left_out(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    event = (
        b"E 1 3 4\nU GEV CM\nP 1 0 511 0 0 1 5.4 5.28 2\nP 2 1 -411 0 0 1 2.2 1.87 2\nP 3 2 211 0 0 1 1.1 0.14 1\n"
        b"V -2 0 [3] @ 9 8 7 0\nP 4 -2 -13 0 0 1 1.1 0.106 1\n"
    )
    assert old in event
    good = event.replace(b"E 1", b"E 2")
    start, end = b"HepMC::Version 3\nHepMC::Asciiv3-START_EVENT_LISTING\n", b"HepMC::Asciiv3-END_EVENT_LISTING\n"
    path = written(tmp_path / "e.hepmc3", start + event.replace(old, new) + good + end)
    with pytest.raises(EventError, match=message), open_events(path) as reader:
        list(reader.batches())
    with open_events(path, ReadOptions(skip_corrupt=True)) as reader:
        numbers = [int(n) for batch in reader.batches() for n in batch.event["evtNum"]]
        assert numbers == [2]
        assert len(reader.skipped) == 1
        assert message in reader.skipped.messages[0]
        assert "e.hepmc3" in reader.skipped.messages[0]


def test_a_cut_off_file_is_an_error_even_between_events(tmp_path: Path) -> None:
    text = hepmc_text([decay_event(number) for number in (1, 2, 3)])
    path = written(tmp_path / "cut.hepmc3", text[: text.index(b"\nE 3") + 1])
    with pytest.raises(FileFormatError, match="ends after 2 events without END_EVENT_LISTING"):
        read(path)
    with open_events(path, ReadOptions(skip_corrupt=True)) as reader:
        assert sum(map(len, reader.batches())) == 2
        assert "without END_EVENT_LISTING" in reader.warnings[0]


def test_listings_one_after_the_other_are_one_file(tmp_path: Path) -> None:
    text = hepmc_text([decay_event(1)]) + hepmc_text([decay_event(2), decay_event(3)])
    assert read(written(tmp_path / "two.hepmc3", text)).event["evtNum"].tolist() == [1, 2, 3]


def test_a_carriage_return_at_the_end_of_lines_is_no_damage(tmp_path: Path) -> None:
    text = hepmc_text([decay_event(1), decay_event(2)])
    unix, dos = (
        read(written(tmp_path / "u.hepmc3", text)),
        read(written(tmp_path / "d.hepmc3", text.replace(b"\n", b"\r\n"))),
    )
    assert_same_graphs(unix, dos)


def test_missing_units_are_gev_and_mm_with_a_warning(tmp_path: Path) -> None:
    text = hepmc_text([decay_event()]).replace(b"U GEV MM\n", b"")
    with open_events(written(tmp_path / "e.hepmc3", text)) as reader:
        batch = next(iter(reader.batches()))
        assert batch.particle["z"].max() == pytest.approx(0.1)
        assert "GeV and mm are assumed" in reader.warnings[0]


def test_energies_in_the_wrong_unit_are_refused(tmp_path: Path) -> None:
    text = hepmc_text([decay_event(n, "MM", "MEV") for n in range(1, 11)]).replace(b"U MEV", b"U GEV")
    with pytest.raises(FileFormatError, match="1000 times too large"):
        read(written(tmp_path / "e.hepmc3", text))


def test_weights_of_another_number_than_the_run_has_are_a_flaw(tmp_path: Path) -> None:
    run = two_weights()
    events = [decay_event(number) for number in (1, 2)]
    for event in events:
        event.run_info, event.weights = run, [1.0, 2.0]
    text = hepmc_text(events, 3, run)
    head, first, second = text.partition(b"\nE 2")
    broken = head + first + second.replace(b"W 1.0000000000000000000000e+00 ", b"W ", 1)
    with pytest.raises(EventError, match=r"event 2|, 2\)"):
        read(written(tmp_path / "w.hepmc3", broken))
    assert read(tmp_path / "w.hepmc3", skip_corrupt=True).event["evtNum"].tolist() == [1]


def test_the_output_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a.hepmc3.gz", "b.hepmc3.gz"):
        with create_events(tmp_path / name, ABOUT) as writer:
            writer.write(random_events(5))
    assert (tmp_path / "a.hepmc3.gz").read_bytes() == (tmp_path / "b.hepmc3.gz").read_bytes()


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    writer = create_events(tmp_path / "x.hepmc3", ABOUT)

    def fail() -> None:
        with writer:
            writer.write(random_events(5))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_can_be_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.TextIOWrapper(io.BufferedReader(io.BytesIO(hepmc_text([decay_event(8)]))))  # type: ignore[arg-type]
    monkeypatch.setattr("sys.stdin", content)
    with open_events("-") as reader:
        assert next(iter(reader.batches())).event["evtNum"].tolist() == [8]
        with pytest.raises(Exception, match="only once"):
            list(reader.batches())
