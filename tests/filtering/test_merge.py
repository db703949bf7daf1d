"""Kept HepMC files merged into HepMC: the original events, their attributes and weights, and the totals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from official_hepmc import read_3_2, read_3_3

from smartbkg.events.totals import Totals
from smartbkg.filtering.merge import merge_files
from smartbkg.io import ReadOptions, create_events, open_events
from smartbkg.storage.provenance import record

HEAD = b"HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\nW nominal\\|up\nA seed 11\n"
END = b"HepMC::Asciiv3-END_EVENT_LISTING\n\n"


def event(number: int) -> bytes:
    return (
        b"E %d 1 3\nU GEV MM\nW 2.5 %d\nA 3 flow1 501\n"
        b"P 1 0 300553 0 0 3.0 11.0 10.58 2\nV -1 0 [1] @ 0.1 0.2 0.3 0.4\n"
        b"P 2 -1 511 0.1 0.2 1.455914073305609 5.467 5.27963 1\nP 3 -1 -511 -0.1 -0.2 1.6 5.533 5.27963 1\n"
    ) % (number, number)


def kept(folder: Path, name: str, first: int) -> Path:
    """Three of ten generated events, kept with a probability of 0.25."""
    source, output = folder / f"{name}.source", folder / f"{name}.hepmc3"
    source.write_bytes(HEAD + b"".join(event(first + k) for k in range(3)) + END)
    draws = [{"seed": first, "method": "independent", "stream": name}]
    with (
        open_events(source, ReadOptions(keep_originals=True)) as reader,
        create_events(output, record("kept", 1, {}, draws=draws)) as writer,
    ):
        for batch in reader.batches():
            weight = batch.event["weight"]
            columns = {name: batch.event[name] / 0.25 for name in ("weight", "weight_nominal", "weight_up")}
            q = np.full(len(batch), 0.25)
            writer.write(batch.with_event_columns(**columns, generator_weight=weight, keep_probability=q))
        writer.add_totals(Totals.of(np.full(10, 2.5), np.full(3, 10.0)).with_cross_section(4.0, 1.0))
    return output


def test_events_of_kept_files_stay_whole_and_totals_add_up(tmp_path: Path) -> None:
    paths = [kept(tmp_path, "a", 1), kept(tmp_path, "b", 101)]
    output = tmp_path / "merged.hepmc3"
    assert merge_files(paths, output).n_written == 6
    for read in (read_3_3, read_3_2):
        events = read(output)
        assert [one["number"] for one in events] == [1, 2, 3, 101, 102, 103]
        for one in events:
            assert one["weights"] == [10.0, 4.0 * one["number"], 2.5, 4.0]
    assert all(one["attributes"]["3 flow1"] == "501" and one["run"]["seed"] == "11" for one in read_3_3(output))
    assert b"P 2 -1 511 0.1 0.2 1.455914073305609 5.467 5.27963 1" in output.read_bytes()
    with open_events(output) as reader:
        totals = reader.totals
        assert totals is not None
        assert (totals.n_events, totals.n_kept) == (20, 6)
        assert (float(totals.sum_weight), float(totals.sum_kept_weight)) == (50, 60)
        assert (totals.cross_section, totals.cross_section_error) == (4.0, np.sqrt(0.5))
