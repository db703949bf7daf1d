# ruff: noqa: N813 - steering files import modularAnalysis so
from __future__ import annotations

import inspect
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from b2modules.steering import messages

from smartbkg.datasets.build import DatasetOptions, build_dataset
from smartbkg.datasets.header import read_header
from smartbkg.errors import DatasetError, FileFormatError, MissingDependencyError, UsageError
from smartbkg.events import EventBatch
from smartbkg.io.parquet import ParquetReader


def trainer() -> Any:
    import smartbkg.b2modules.NN_trainer_module as module

    return module


def read(path: Path) -> EventBatch:
    with ParquetReader(path) as reader:
        return EventBatch.concatenate(list(reader.batches()))


def write_numbers(path: Path, numbers: list[int]) -> Path:
    """What upstream's SaveFlag writes: ``ak.to_parquet`` of a list, one column without a name."""
    pq.write_table(pa.table({"": pa.array(numbers)}), path)
    return path


def flag(basf2: ModuleType, mdst: Path, folder: Path, job_id: int = 0, *, first: int = 0, n_events: int = 0) -> None:
    """The steering file that makes the job's inputs: mDST before the skim, flags behind it."""
    import modularAnalysis as ma
    from mdst import add_mdst_output
    from skim.WGs.fei import feiHadronic

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path, skipNEvents=first)
    add_mdst_output(path=path, filename=f"{folder}/_submdst{job_id}.root")
    skim = feiHadronic(udstOutput=False, analysisGlobaltag=ma.getAnalysisGlobaltag())
    skim(path)
    ma.applyEventCuts(skim.flag, path)
    path.add_module(trainer().SaveFlag(f"{folder}/_flag{job_id}.parquet"))
    basf2.process(path, max_event=n_events)


def save(basf2: ModuleType, mdst: Path, output: Path, flags: Path, n_events: int = 0) -> EventBatch:
    import modularAnalysis as ma

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    path.add_module(trainer().TrainDataSaver(str(output), str(flags)))
    basf2.process(path, max_event=n_events)
    return read(output)


def test_signatures_are_the_documented_ones(basf2: ModuleType) -> None:
    module = trainer()

    def defaults(function: Any) -> dict[str, Any]:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        return {p.name: None if p.default is p.empty else (p.default,) for p in positional}

    assert defaults(module.SaveFlag.__init__) == {"out_file": (None,)}
    assert defaults(module.TrainDataSaver.__init__) == {"output_file": None, "flag_file": None}
    assert defaults(module.data_production.__init__) == {
        "in_dir": None,
        "out_dir": None,
        "job_id": None,
        "save_vars": (None,),
    }
    assert defaults(module.data_production.process_b2script) == {"num_events": (2500,)}


def test_flags_hold_the_whole_event_id(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    flag(basf2, mdst, tmp_path)
    flags = pq.read_table(tmp_path / "_flag0.parquet")
    assert flags.schema.names == ["experiment", "run", "evtNum"]
    assert 5 < flags.num_rows < 95


def test_flags_without_a_file_name_are_refused(basf2: ModuleType) -> None:
    with pytest.raises(UsageError, match="name the file"):
        trainer().SaveFlag()


def test_training_file_is_the_one_made_without_basf2(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    """Row by row and column by column."""
    flag(basf2, mdst, tmp_path)
    saved = save(basf2, mdst, tmp_path / "saved.parquet", tmp_path / "_flag0.parquet")
    build_dataset([mdst], [tmp_path / "_flag0.parquet"], tmp_path / "direct.parquet", DatasetOptions(skims=("skim",)))
    direct = read(tmp_path / "direct.parquet")
    assert saved.event.keys() == direct.event.keys()
    assert saved.particle.keys() == direct.particle.keys()
    np.testing.assert_array_equal(saved.offsets, direct.offsets)
    for part in ("event", "particle"):
        for name, column in getattr(direct, part).items():
            assert getattr(saved, part)[name].dtype == column.dtype, name
            np.testing.assert_array_equal(getattr(saved, part)[name], column, err_msg=name)
    assert read_header(tmp_path / "saved.parquet").summary == read_header(tmp_path / "direct.parquet").summary


def test_lists_of_numbers_from_upstream_are_read(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    saved = save(basf2, mdst, tmp_path / "t.parquet", write_numbers(tmp_path / "f.parquet", [3, 7, 50]))
    assert saved.event["evtNum"][saved.event["label"]].tolist() == [3, 7, 50]


def test_numbers_that_repeat_are_refused(basf2: ModuleType, tmp_path: Path) -> None:
    flags = write_numbers(tmp_path / "f.parquet", [3, 7, 3])
    with pytest.raises(DatasetError, match=r"event numbers repeat \(3\)"):
        trainer().TrainDataSaver(tmp_path / "t.parquet", flags)


def test_number_that_two_events_of_the_sample_have_is_refused(
    basf2: ModuleType, mdst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))
    flags = write_numbers(tmp_path / "f.parquet", [2])
    path = basf2.create_path()
    path.add_module("EventInfoSetter", expList=[7, 7], runList=[1, 2], evtNumList=[3, 3])
    path.add_module("EvtGenInput")
    path.add_module(trainer().TrainDataSaver(tmp_path / "t.parquet", flags))
    with pytest.raises(DatasetError, match=r"\(7, 1, 2\) and \(7, 2, 2\) have the same number"):
        basf2.process(path)


def test_same_numbers_in_two_runs_are_told_apart(
    basf2: ModuleType, mdst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASF2_DOUBLE_EVENTS", str(mdst))
    from smartbkg.b2modules.passing_events import write_flags

    write_flags(tmp_path / "f.parquet", [(7, 2, 2)])
    path = basf2.create_path()
    path.add_module("EventInfoSetter", expList=[7, 7], runList=[1, 2], evtNumList=[3, 3])
    path.add_module("EvtGenInput")
    path.add_module(trainer().TrainDataSaver(tmp_path / "t.parquet", tmp_path / "f.parquet"))
    basf2.process(path)
    saved = read(tmp_path / "t.parquet")
    labelled = [saved.event_id(int(i)) for i in np.flatnonzero(saved.event["label"])]
    assert labelled == [(7, 2, 2)]


def test_flags_of_another_sample_are_refused(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    from smartbkg.b2modules.passing_events import write_flags

    write_flags(tmp_path / "f.parquet", [(99, 0, 1), (99, 0, 2)])
    import modularAnalysis as ma

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    saver = trainer().TrainDataSaver(tmp_path / "t.parquet", tmp_path / "f.parquet")
    path.add_module(saver)
    basf2.process(path)
    assert isinstance(saver.error, DatasetError)
    assert any("flags of another sample" in message for message in messages("ERROR"))
    assert [path.name for path in tmp_path.iterdir()] == ["f.parquet"]


def test_flags_beyond_the_sample_are_told(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    save(basf2, mdst, tmp_path / "t.parquet", write_numbers(tmp_path / "f.parquet", [1, 99]), n_events=10)
    assert any("1 of the 2 events" in message for message in messages())


def test_job_in_which_nothing_passed_still_gives_its_part(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    saved = save(basf2, mdst, tmp_path / "t.parquet", write_numbers(tmp_path / "f.parquet", []))
    assert (len(saved), saved.event["label"].sum()) == (100, 0)


def test_files_that_are_no_flags_are_explained(basf2: ModuleType, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.0], "b": [2.0]}), tmp_path / "f.parquet")
    with pytest.raises(DatasetError, match="experiment, run, evtNum"):
        trainer().TrainDataSaver(tmp_path / "t.parquet", tmp_path / "f.parquet")
    with pytest.raises(FileFormatError, match="no such file"):
        trainer().TrainDataSaver(tmp_path / "t.parquet", tmp_path / "absent.parquet")
    with pytest.raises(UsageError, match=r"\.parquet or \.h5"):
        trainer().TrainDataSaver(tmp_path / "t.root", tmp_path / "f.parquet")


def test_hdf5_table_needs_pytables(
    basf2: ModuleType, mdst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tables", None)
    import modularAnalysis as ma

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    saver = trainer().TrainDataSaver(tmp_path / "t.h5", write_numbers(tmp_path / "f.parquet", [1]))
    path.add_module(saver)
    basf2.process(path, max_event=3)
    assert isinstance(saver.error, MissingDependencyError)
    assert any("a .parquet file needs neither" in message for message in messages("ERROR"))


def test_hdf5_table_is_upstreams(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    import modularAnalysis as ma

    path = basf2.create_path()
    ma.inputMdst(filename=str(mdst), path=path)
    flags = write_numbers(tmp_path / "f.parquet", [2, 5])
    path.add_module(trainer().TrainDataSaver(tmp_path / "t.h5", flags))
    basf2.process(path, max_event=6)
    table = pandas.read_hdf(tmp_path / "t.h5", key="mc_information")
    assert {"label", "evtNum", "arrayIndex", "PDG", "mass", "charge", "energy", "prodTime", "motherIndex"} <= set(table)
    assert sorted(table[table.label].evtNum.unique()) == [2, 5]
    assert table.evtNum.nunique() == 6


def test_fast_production_gives_the_training_file(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    flag(basf2, mdst, tmp_path)
    job = trainer().data_production(in_dir=f"{tmp_path}/", out_dir=f"{tmp_path}/out/", job_id=0)
    job.process()
    expected = save(basf2, mdst, tmp_path / "direct.parquet", tmp_path / "_flag0.parquet")
    produced = read(tmp_path / "out" / "pp0.parquet")
    np.testing.assert_array_equal(produced.event["label"], expected.event["label"])
    np.testing.assert_array_equal(produced.particle["px"], expected.particle["px"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["pp0.parquet"]
    job.clean_up()
    assert [path.name for path in tmp_path.glob("_*")] == ["_submdst0.root"]
    job.clean_up(remove_input=True)
    assert not list(tmp_path.glob("_*"))


def test_advanced_production_adds_event_variables(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    flag(basf2, mdst, tmp_path)
    variables = {"Y4S": ["thrust", "aplanarity"], "B": ["Mbc", "deltaE"]}
    job = trainer().data_production(f"{tmp_path}/", f"{tmp_path}/out/", 0, save_vars=variables)
    job.process()
    produced = read(tmp_path / "out" / "pp0.parquet")
    from modularAnalysis import stand_in
    from root_files import Events

    events = Events(mdst)
    for name in variables["Y4S"]:
        expected = [stand_in(name, events.particles(entry)) for entry in range(100)]
        np.testing.assert_allclose(produced.event[f"var_{name}"], expected, rtol=1e-5)
    # the double's candidates are in the events that pass its skim
    has_candidate = np.isfinite(produced.event["var_Mbc"])
    np.testing.assert_array_equal(has_candidate, produced.event["label"])
    assert read_header(tmp_path / "out" / "pp0.parquet").summary.variables == ("thrust", "aplanarity", "Mbc", "deltaE")


def test_continuum_without_candidates_keeps_all_events(
    basf2: ModuleType, mdst: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No B candidate anywhere: the event variables are there all the same, those of the B are missing numbers."""
    flag(basf2, mdst, tmp_path)
    from skim.core import BaseSkim

    monkeypatch.setattr(BaseSkim, "passes", lambda self, particles: False)
    job = trainer().data_production(f"{tmp_path}/", f"{tmp_path}/out/", 0, {"Y4S": ["thrust"], "B": ["Mbc"]})
    job.process()
    produced = read(tmp_path / "out" / "pp0.parquet")
    assert len(produced) == 100
    assert np.isfinite(produced.event["var_thrust"]).all()
    assert np.isnan(produced.event["var_Mbc"]).all()


def test_jobs_side_by_side_give_the_parts_of_the_whole(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    """Two jobs of 50 events in one folder: their steps interleaved, their parts together the whole sample."""
    for job_id in (0, 1):
        flag(basf2, mdst, tmp_path, job_id, first=50 * job_id, n_events=50)
    jobs = [trainer().data_production(f"{tmp_path}/", f"{tmp_path}/out/", job_id) for job_id in (0, 1)]
    for job in jobs:
        job.process_b2script()
    for job in reversed(jobs):
        job.preprocess_files()
        job.clean_up()
    parts = [read(tmp_path / "out" / f"pp{job_id}.parquet") for job_id in (0, 1)]
    assert [len(part) for part in parts] == [50, 50]
    assert np.concatenate([part.event["evtNum"] for part in parts]).tolist() == list(range(1, 101))


def test_job_without_files_names_those_that_exist(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    flag(basf2, mdst, tmp_path, 3, n_events=2)
    with pytest.raises(FileFormatError, match=r"job 4: .*_submdst4\.root does not exist.*: 3$"):
        trainer().data_production(f"{tmp_path}/", f"{tmp_path}/out/", 4)
    (tmp_path / "_flag3.parquet").unlink()
    with pytest.raises(FileFormatError, match=r"_flag3\.parquet does not exist"):
        trainer().data_production(f"{tmp_path}/", f"{tmp_path}/out/", 3)


def test_inputs_stay_until_the_output_is_there(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    shutil.copy(mdst, tmp_path / "_submdst0.root")
    write_numbers(tmp_path / "_flag0.parquet", [1])
    job = trainer().data_production(f"{tmp_path}/", f"{tmp_path}/out/", 0)
    with pytest.raises(DatasetError, match="not removed"):
        job.clean_up()
    with pytest.raises(DatasetError, match="process_b2script"):
        job.preprocess_files()
    assert (tmp_path / "_submdst0.root").exists()


def test_unknown_level_of_variables_names_the_nearest(basf2: ModuleType, mdst: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'Y4S'"):
        trainer().data_production(f"{tmp_path}/", f"{tmp_path}/", 0, save_vars={"Y4s": ["thrust"]})
