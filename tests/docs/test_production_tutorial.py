"""The commands of the tutorial on production do what the page says."""

import re
import subprocess
from pathlib import Path

import pytest
from cluster.recipes import REPOSITORY, command_line

PAGE = REPOSITORY / "docs" / "tutorials" / "production.md"


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_order(tmp_path: Path) -> None:
    environment = command_line(tmp_path / "bin")
    lines = ["set -eu"]
    for language, text in re.findall(r"^```(bash|python)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        lines.append(text if language == "bash" else f"python - <<'END'\n{text}END")
    ended = subprocess.run(
        ["bash", "-c", "\n".join(lines)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "4 of 4 chunks done" in ended.stdout
    assert "damaged: " in ended.stdout
    assert "its checksum does not fit" in ended.stdout
    assert "mixed: 2000 generated" in ended.stdout
    kept, weights = re.findall(r"^(\d+) events, sum of weights (\d+)", ended.stdout, re.MULTILINE)[-1]
    assert int(kept) < 1000
    assert 1000 < int(weights) < 3000
    assert (tmp_path / "first" / "status.html").is_file()
