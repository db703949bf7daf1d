"""The tutorials run as they stand, with fewer events and epochs."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
TUTORIALS = REPOSITORY / "docs" / "tutorials"


@pytest.fixture(scope="module")
def tutorial() -> ModuleType:
    specification = importlib.util.spec_from_file_location("run_tutorial", REPOSITORY / "scripts" / "run_tutorial.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def printed(tutorial: ModuleType, page: str, folder: Path, **smaller: str) -> str:
    """All that a page prints, with other numbers in its blocks."""
    shutil.copytree(REPOSITORY / "examples" / "tutorials", folder, dirs_exist_ok=True)
    blocks = tutorial.blocks_of(TUTORIALS / page, smaller)
    return "\n".join(tutorial.run_blocks(blocks, folder, tutorial.environment_of(folder / "bin")))


@pytest.mark.slow
def test_own_mdst_udst_and_ntuple_lead_to_reports_and_a_filter(tutorial, tmp_path):
    pytest.importorskip("pythia8mc", reason="generating events needs the extra 'generate'")
    output = printed(tutorial, "belle2.md", tmp_path, **{"6000": "2400", "--epochs 3": "--epochs 1"})
    assert re.search(r"^\d+ of 2400 events pass feiHadronicB0 → flags.parquet", output, re.MULTILINE)
    assert re.search(r"^\d+ of 2400 events kept", output, re.MULTILINE)
    assert "no bias seen" in output
    for report in ("report.html", "tag-report.html"):
        assert "What filtering saves" in (tmp_path / report).read_text()
    assert "M_bc of the best B⁰ tag" in (tmp_path / "tag-report.html").read_text(), "variables of the n-tuple"


@pytest.mark.slow
def test_own_generator_and_simulation_lead_to_a_report_and_a_filter(tutorial, tmp_path):
    pytest.importorskip("pythia8mc", reason="generating events needs the extra 'generate'")
    smaller = {"3000": "2200", "--epochs 2": "--epochs 1", "gz 500 2": "gz 200 2"}
    output = printed(tutorial, "hepmc.md", tmp_path, **smaller)
    assert re.search(r"flags.parquet: 2200 events, \d+ pass, 0 not simulated", output)
    assert "muonMomentum" in (tmp_path / "report.html").read_text(), "variables of the user's own simulation"
    assert (tmp_path / "kept.edm4hep.root").read_bytes()[:4] == b"root"


@pytest.mark.slow
def test_arrays_in_python_lead_to_a_network_and_a_policy_of_your_own(tutorial, tmp_path):
    pytest.importorskip("pythia8mc", reason="generating events needs the extra 'generate'")
    smaller = {'"optimiser.epochs": 2': '"optimiser.epochs": 1', "1000, seed=2": "400, seed=2"}
    output = printed(tutorial, "python.md", tmp_path, **smaller)
    assert "<Flags flags.parquet: events 2,500" in output
    assert re.search(r"^\d+ weights: .* ± ", output, re.MULTILINE)
    assert re.search(r"^AUC 0\.\d+ in two halves", output, re.MULTILINE)
    assert {path.stem for path in tmp_path.glob("ml-*.png")} >= {"ml-roc", "ml-plan", "ml-kept", "ml-validated"}


def test_a_page_whose_text_no_longer_holds_what_a_test_replaces_is_an_error(tutorial):
    with pytest.raises(ValueError, match="no block holds 'nothing of this'"):
        tutorial.blocks_of(TUTORIALS / "belle2.md", {"nothing of this": ""})


def test_what_a_page_prints_stands_below_its_blocks(tutorial, tmp_path):
    page = tmp_path / "docs" / "tutorials" / "small.md"
    page.parent.mkdir(parents=True)
    page.write_text("```bash\necho one\n```\n\n<!-- output -->\n```text\nold\n```\n\n```python\nx = 2\n```\n\n"
                    "```python\nx + 1\n```\n\n<!-- output -->\n```text\n```\n")  # fmt: skip
    blocks = tutorial.blocks_of(page)
    outputs = tutorial.run_blocks(blocks, tmp_path, tutorial.environment_of(tmp_path / "bin"))
    assert outputs == ["one", "", "3"]
    tutorial.write_outputs(page, outputs, tmp_path)
    assert "```text\none\n```" in page.read_text()
    assert page.read_text().endswith("x + 1\n```\n\n<!-- output -->\n```text\n3\n```\n")


def test_a_block_that_fails_is_named(tutorial, tmp_path):
    block = tutorial.Block("bash", "echo before; false\n", False)
    with pytest.raises(RuntimeError, match=r"(?s)false.*ended with code 1.*before"):
        tutorial.run_blocks([block], tmp_path, tutorial.environment_of(tmp_path / "bin"))
