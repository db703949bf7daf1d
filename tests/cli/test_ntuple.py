"""`smartbkg ntuple`: every row gets its event's weight, every other branch stays."""

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain
from synthetic import random_events

from smartbkg.cli.ntuple import command
from smartbkg.errors import DatasetError, FileFormatError
from smartbkg.io import create_events
from smartbkg.io.convert import convert_events
from smartbkg.io.tables import read_table, write_table
from smartbkg.sampling.policies import ThresholdPolicy
from smartbkg.storage.provenance import record


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("ntuple"), 1500)


@pytest.fixture
def ntuple(chain: Chain, tmp_path: Path) -> Path:
    """Candidates of the kept events as basf2 writes them: some events have two, in no order, one branch is jagged."""
    kept = read_table(chain.kept, columns=["experiment", "run", "evtNum"])
    generator = np.random.default_rng(0)
    rows = generator.permutation(np.concatenate([np.arange(len(kept)), np.arange(0, len(kept), 3)]))
    path = tmp_path / "candidates.root"
    with uproot.recreate(path) as file:
        file["candidates"] = {
            "__experiment__": kept["experiment"][rows],
            "__run__": kept["run"][rows],
            "__event__": kept["evtNum"][rows].astype(np.uint32),
            "Mbc": generator.random(len(rows)),
            "hits": ak.unflatten(np.arange(2 * len(rows), dtype=np.float32), np.full(len(rows), 2)),
        }
        file["other"] = {"x": np.arange(3)}
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_each_candidate_carries_the_weight_of_its_event(chain: Chain, ntuple: Path, tmp_path: Path) -> None:
    output = tmp_path / "weighted.root"
    result = run(ntuple, chain.kept, "--tree", "candidates", "--output", output)
    kept = read_table(chain.kept, columns=["evtNum", "weight", "keep_probability"])
    weight = dict(zip(kept["evtNum"].tolist(), kept["weight"].tolist(), strict=True))
    with uproot.open(output) as file, uproot.open(ntuple) as original:
        tree, before = file["candidates"], original["candidates"]
        assert {"weight", "keep_probability", "generator_weight", "score", "Mbc"} <= set(tree.keys())
        got = tree.arrays()
        assert got["weight"].tolist() == [weight[number] for number in got["__event__"].tolist()]
        np.testing.assert_array_equal(got["Mbc"], before["Mbc"].array())
        assert ak.all(got["hits"] == before["hits"].array())
    assert f"{len(got)} rows of {len(kept)} events" in result.output


def test_a_table_becomes_a_tree_of_kept_events(chain: Chain, tmp_path: Path) -> None:
    output = tmp_path / "table.root"
    result = run(chain.flags, chain.kept, "--output", output)
    kept = read_table(chain.kept, columns=["evtNum", "weight"])
    with uproot.open(output) as file:
        columns = file["events"].arrays(library="np")
    assert len(columns["weight"]) == len(kept)
    order = np.argsort(kept["evtNum"])
    np.testing.assert_array_equal(columns["weight"][np.argsort(columns["evtNum"])], kept["weight"][order])
    assert "rows without weight left out" in result.output


def test_mistakes_are_named(chain: Chain, ntuple: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.root"
    with pytest.raises(FileFormatError, match="several trees, name one"):
        run(ntuple, chain.kept, "-o", output)
    with pytest.raises(FileFormatError, match="did you mean 'candidates'"):
        run(ntuple, chain.kept, "-o", output, "--tree", "candidate")
    with pytest.raises(FileFormatError, match="no branch for the event id"):
        run(ntuple, chain.kept, "-o", output, "--tree", "other")
    with pytest.raises(FileFormatError, match="expected events kept"):
        run(ntuple, chain.flags, "-o", output, "--tree", "candidates")
    broken = tmp_path / "broken.root"
    broken.write_bytes(b"not root at all")
    with pytest.raises(FileFormatError, match="not a readable ROOT file"):
        run(broken, chain.kept, "-o", output)
    assert not output.exists()


def test_rows_of_other_events_are_an_error_or_left_out(chain: Chain, ntuple: Path, tmp_path: Path) -> None:
    part = make_chain(tmp_path / "part", 200)
    output = tmp_path / "out.root"
    with pytest.raises(DatasetError, match="--drop-unknown"):
        run(ntuple, part.kept, "-o", output, "--tree", "candidates")
    assert not output.exists()


def test_every_spelling_of_the_event_id_that_flags_know_is_known_here(chain: Chain, tmp_path: Path) -> None:
    kept = read_table(chain.kept, columns=["experiment", "run", "evtNum"])
    path, output = tmp_path / "short.root", tmp_path / "weighted.root"
    with uproot.recreate(path) as file:
        file["t"] = {"exp": kept["experiment"], "run": kept["run"], "evt": kept["evtNum"], "x": np.arange(len(kept))}
    result = run(path, chain.kept, "--output", output)
    assert f"{len(kept)} rows of {len(kept)} events" in result.output


def test_basf2s_metadata_is_no_candidate_and_text_is_copied(chain: Chain, tmp_path: Path) -> None:
    """As variablesToNtuple writes it: the tree ``persistent`` first, and the text ``__eventType__`` in every row."""
    kept = read_table(chain.kept, columns=["experiment", "run", "evtNum"])
    path, n_rows = tmp_path / "basf2.root", len(kept)
    kinds = {"__experiment__": "int32", "__run__": "int32", "__event__": "uint32", "__eventType__": "string"}
    with uproot.recreate(path) as file:
        file.mktree("persistent", {"nEvents": "int32"}).extend({"nEvents": np.array([n_rows])})
        file.mktree("mine", kinds).extend(
            {
                "__experiment__": kept["experiment"], "__run__": kept["run"], "__event__": kept["evtNum"],
                "__eventType__": ["mixed" if row % 2 else "" for row in range(n_rows)],
            }
        )  # fmt: skip
    output = tmp_path / "weighted.root"
    result = CliRunner().invoke(command, [str(path), str(chain.kept), "-o", str(output)])
    assert result.exit_code == 0, result.exception
    with uproot.open(output) as file:
        assert file.keys(cycle=False) == ["mine"]
        assert file["mine"]["__eventType__"].array().tolist()[:3] == ["", "mixed", ""]
        assert len(file["mine"]["weight"].array()) == n_rows


@pytest.mark.parametrize("name", ["kept.hepmc3", "kept.edm4hep.root"])
def test_weights_come_from_kept_files_of_other_formats_too(
    chain: Chain, ntuple: Path, tmp_path: Path, name: str
) -> None:
    convert_events([chain.kept], tmp_path / name)
    arrays = {}
    for kept in (chain.kept, tmp_path / name):
        output = tmp_path / "weighted.root"
        assert run(ntuple, kept, "--tree", "candidates", "--output", output).exit_code == 0
        with uproot.open(output) as file:
            arrays[kept] = file["candidates"].arrays(library="np")
    for branch in ("weight", "keep_probability", "generator_weight", "score"):
        np.testing.assert_allclose(
            arrays[chain.kept][branch], arrays[tmp_path / name][branch], rtol=1e-15, err_msg=branch
        )


def test_generated_events_have_no_weights_to_add(ntuple: Path, tmp_path: Path) -> None:
    with create_events(tmp_path / "generated.hepmc3", record("events", 1, {})) as writer:
        writer.write(random_events(5))
    with pytest.raises(FileFormatError, match="no keep probabilities: expected events kept by"):
        run(ntuple, tmp_path / "generated.hepmc3", "--tree", "candidates", "--output", tmp_path / "o.root")


def test_an_ntuple_of_a_threshold_sample_says_that_it_is_biased(tmp_path: Path) -> None:
    chain = make_chain(tmp_path / "cut", 300, policy=ThresholdPolicy(0.05))
    result = run(chain.flags, chain.kept, "--output", tmp_path / "weighted.root")
    assert "the n-tuple is biased" in result.output
    fair = make_chain(tmp_path / "fair", 300)
    assert "biased" not in run(fair.flags, fair.kept, "--output", tmp_path / "fair.root").output


def test_weights_of_a_sample_of_other_events_are_refused_with_the_ids_looked_for(
    chain: Chain, ntuple: Path, tmp_path: Path
) -> None:
    other, output = make_chain(tmp_path / "other", 300, first_event=50_000, model=chain.model), tmp_path / "out.root"
    ids = read_table(chain.flags)
    first = tuple(int(ids[name][0]) for name in ("experiment", "run", "evtNum"))
    with pytest.raises(DatasetError, match=r"none of the events of its 1500 rows is in .*looked for") as error:
        run(chain.flags, other.kept, "-o", output)
    assert str(first) in str(error.value)
    with pytest.raises(DatasetError, match="none of the events of its"):
        run(ntuple, other.kept, "-o", output, "--tree", "candidates", "--drop-unknown")
    assert not output.exists()


def test_where_nothing_was_kept_a_table_becomes_no_rows(chain: Chain, tmp_path: Path) -> None:
    columns = read_table(chain.kept, columns=["experiment", "run", "evtNum", "weight", "keep_probability"]).columns
    write_table(tmp_path / "none.parquet", {name: column[:0] for name, column in columns.items()}, record("k", 1, {}))
    assert "0 rows of 0 events" in run(chain.flags, tmp_path / "none.parquet", "-o", tmp_path / "out.root").output
