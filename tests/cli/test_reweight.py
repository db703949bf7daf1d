"""`smartbkg reweight`: trains, compares with sampling, warns, applies."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from filtered_sample import Chain, make_chain

from smartbkg.cli.reweight import command
from smartbkg.errors import DatasetError, UsageError
from smartbkg.io.tables import read_table, write_table
from smartbkg.storage.provenance import record

pytest.importorskip("hep_ml")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("reweight"), 12_000)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_training_compares_and_warns_and_the_result_can_be_applied(chain: Chain, tmp_path: Path) -> None:
    output = tmp_path / "reweighter.safetensors"
    result = run(chain.flags, chain.scores, "--skim", "first", "--threshold", 0.1, "--output", output)
    assert "threshold, reweighted" in result.output
    assert "sampling, optimal" in result.output
    rows = [[cell.strip() for cell in line.split("│")] for line in result.output.splitlines() if line.startswith("│")]
    figures = {row[1]: row[3:5] for row in rows}
    n_eff, yield_bias = zip(figures["threshold"], figures["sampling, optimal"], strict=True)
    assert all(float(value) > 100 for value in n_eff)
    lost, sampled = (float(value.rstrip("%")) for value in yield_bias)
    assert lost < -20  # the threshold loses them, sampling is right to within its statistical error
    assert abs(sampled) < 15
    assert "can recover nothing where no event remains" in result.output
    flags, scores = read_table(chain.flags), read_table(chain.scores)
    chosen = flags["passes_first"] & (scores["score"] >= 0.1)
    table, weights = tmp_path / "passing.parquet", tmp_path / "weights.parquet"
    write_table(table, {name: values[chosen] for name, values in flags.columns.items()}, record("flags", 1, {}))
    run("--apply", table, "--reweighter", output, "--output", weights)
    total = read_table(weights)["weight"].sum()
    assert total == pytest.approx(flags["passes_first"].sum(), rel=0.05)


def test_mistakes_are_named(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="FLAGS, SCORES and --threshold"):
        run(chain.flags)
    with pytest.raises(UsageError, match="belong together"):
        run("--apply", chain.flags)
    with pytest.raises(DatasetError, match="needs at least 200"):
        run(chain.flags, chain.scores, "--skim", "first", "--threshold", 0.9)
    with pytest.raises(DatasetError, match="nothing to correct"):
        run(chain.flags, chain.scores, "--skim", "first", "--threshold", 0.0)
