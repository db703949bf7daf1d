"""The worked examples of docs/weights.md run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest
from filtered_sample import make_chain

from smartbkg.io.tables import read_table

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "weights.md"


def test_the_examples_of_the_guide_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = make_chain(tmp_path / "chain", 3000)
    monkeypatch.chdir(chain.kept.parent)
    namespace: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), namespace)
    total, values = namespace["total"], namespace["values"]
    n_passing = int(read_table(chain.flags)["passes_first"].sum())
    assert abs(total.value - n_passing) < 5 * total.error  # type: ignore[attr-defined]
    assert np.sum(values) <= total.value * (1 + 1e-9)  # type: ignore[attr-defined, call-overload]
