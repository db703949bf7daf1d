"""No verb writes over a file that it reads: it refuses before it has done anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from smartbkg.cli import command_line
from smartbkg.errors import UsageError


@pytest.mark.parametrize(
    "arguments",
    [
        "convert IN IN.parquet",
        "dataset IN.parquet --flags other --skim a --output IN.parquet",
        "dataset other --flags IN.parquet --skim a --output IN.parquet",
        "dataset --merge other IN.parquet --output IN.parquet",
        "evaluate IN.html other --output IN.html",
        "evaluate other IN.html --output IN.html",
        "export IN.onnx --onnx IN.onnx",
        "export IN.json --onnx o.onnx --config IN.json",
        "flag IN.parquet --output IN.parquet",
        "flag other --events IN.parquet --output IN.parquet",
        "plan other IN.safetensors --output IN.safetensors",
        "plan IN.svg other --picture IN.svg",
        "reweight IN.safetensors other --threshold 0.3 --output IN.safetensors",
        "reweight --apply IN.parquet --reweighter other --output IN.parquet",
        "show IN.svg --output IN.svg",
        "simulate IN.parquet --output IN.parquet",
        "simulate --compare IN.html --output IN.html",
        "train IN.safetensors --output IN.safetensors",
        "train other IN.safetensors --output IN.safetensors",
        "validate IN.json other --json IN.json",
        "validate other IN.json --json IN.json",
        "validate other IN.json --output IN.json",
    ],
)
def test_output_equal_to_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other").write_text("some other file")
    words = arguments.split()
    Path(words[-1]).write_text("what is read")
    result = CliRunner().invoke(command_line, [words[-1] if word == "IN" else word for word in words])
    assert isinstance(result.exception, UsageError), (result.exception, result.output)
    assert str(result.exception) == f"output and input are the same file: {words[-1]}"
    assert Path(words[-1]).read_text() == "what is read"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["other", words[-1]])
