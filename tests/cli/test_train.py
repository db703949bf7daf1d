from __future__ import annotations

import json
from pathlib import Path

import pytest
from training.toys import toy_events, toy_flags, write_events, write_flags

from smartbkg.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    events = toy_events(1500, 1)
    write_events(Path("F.parquet"), events)
    write_flags(Path("R.parquet"), toy_flags(events))
    return tmp_path


def test_dataset_then_train_in_plain_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capsys, "dataset", "F.parquet", "--flags", "R.parquet", "--skim", "kaons", "--output", "T.parquet"
    )
    assert (code, out) == (0, "")
    assert "T.parquet: 1500 events of 1500, 2 variables" in err
    assert "kaons: " in err
    options = ["--set", "network.units=8", "--set", "network.n_layers=2", "--set", "sampling.events_per_epoch=256"]
    code, out, err = run(
        capsys, "train", "T.parquet", "--output", "M.safetensors", "--epochs", "2", "--seed", "5", "--threads", "1",
        "--set", "network.architecture=gatgap", *options,
    )  # fmt: skip
    assert code == 0, err
    assert "epoch 2/2: loss" in err
    assert "AUC" in err
    assert "speed-up" in err
    assert "M.safetensors: " in err
    assert "kaons: AUC 0." in err
    assert out == ""
    assert sorted(path.name for path in folder.glob("M.*")) == [
        "M.safetensors", "M.safetensors.log.csv", "M.safetensors.log.jsonl",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["dataset", "none.parquet", "-o", "T.parquet"], 1, "none.parquet: no such file"),
        (["dataset", "F.parquet", "-o", "T.parquet"], 1, "give the flags with --flags"),
        (["dataset", "F.parquet", "--flags", "F.parquet", "-o", "T.parquet"], 1, "lists passing events of one skim"),
        (["dataset", "F.parquet", "--flags", "R.parquet", "--skim", "kao", "-o", "T.parquet"], 1, "mean 'kaons'"),
        (["dataset", "F.parquet", "--flags", "R.parquet", "-o", "F.parquet"], 2, "output and input are the same file"),
        (["dataset", "F.parquet", "--flags", "R.parquet", "--max-failing", "0", "-o", "T.parquet"], 2, "--max-failing"),
        (["dataset", "--merge", "F.parquet", "--skim", "a", "-o", "T.parquet"], 2, "--merge takes data sets"),
        (["dataset", "--merge", "F.parquet", "-o", "T.parquet"], 1, "make one with 'smartbkg dataset'"),
        (["train", "F.parquet", "-o", "M.safetensors"], 1, "make one with 'smartbkg dataset'"),
        (["train", "F.parquet", "-o", "M.safetensors", "--set", "optimiser.epoch=3"], 2, "did you mean 'epochs'"),
        (["train", "F.parquet", "-o", "M.safetensors", "--set", "epochs"], 2, "expected KEY=VALUE"),
        (["train", "F.parquet", "-o", "M.safetensors", "--epochs", "0"], 2, "optimiser.epochs = 0"),
        (["train", "F.parquet", "-o", "M.safetensors", "--init-from", "none.safetensors"], 1, "no such file"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    before = sorted(folder.iterdir())
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before


def test_config_init_validate_dump_schema(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "config", "init", "C.yaml")[0] == 0
    assert "# Most epochs" in Path("C.yaml").read_text()
    assert run(capsys, "config", "validate", "C.yaml")[:2] == (0, "C.yaml: valid\n")
    code, out, _ = run(capsys, "config", "dump", "C.yaml", "--set", "optimiser.learning_rate=3e-4")
    assert code == 0
    assert "learning_rate: 0.0003" in out
    code, out, _ = run(capsys, "config", "schema")
    assert "optimiser" in json.loads(out)["properties"]
    code, _, err = run(capsys, "config", "init", "C.yaml")
    assert (code, "exists; --force replaces it" in err) == (2, True)
    Path("C.yaml").write_text("optimizer:\n  epochs: 3\n")
    code, _, err = run(capsys, "config", "validate", "C.yaml")
    assert code == 2
    assert "unknown key 'optimizer': did you mean 'optimiser'" in err
    Path("C.yaml").write_text("optimiser: [unclosed\n")
    assert "no valid YAML" in run(capsys, "config", "validate", "C.yaml")[2]
