"""A record appears whole and once, whoever else wants to publish it, on any file system."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smartbkg.campaign.publication import publish_once, read_published
from smartbkg.errors import SmartBKGError


def _publish(arguments: tuple[Path, int, bool]) -> bool:
    path, number, has_links = arguments
    if not has_links:
        os.link = _no_links
    return publish_once(path, f"attempt {number}".encode() * 1000)


def _no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("has_links", [True, False])
def test_of_many_attempts_one_wins_and_every_other_knows_it(tmp_path: Path, has_links: bool) -> None:
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        for trial in range(20):
            path = tmp_path / f"{trial:03d}.json"
            won = pool.map(_publish, [(path, number, has_links) for number in range(8)], chunksize=1)
            assert sum(won) == 1
            assert read_published(path) == f"attempt {won.index(True)}".encode() * 1000
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("first_has_links", [True, False])
def test_nodes_with_and_without_hard_links_exclude_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_has_links: bool
) -> None:
    path = tmp_path / "record.json"
    for number, has_links in enumerate((first_has_links, not first_has_links)):
        with monkeypatch.context() as patch:
            if not has_links:
                patch.setattr(os, "link", _no_links)
            # the other node has not seen the name yet
            patch.setattr(Path, "exists", lambda self: False)
            assert publish_once(path, str(number).encode()) is (number == 0)
    assert read_published(path) == b"0"


def test_a_link_whose_answer_was_lost_is_known_as_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def answered_twice(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", answered_twice)
    assert publish_once(tmp_path / "record.json", b"mine")
    assert (tmp_path / "record.json").read_bytes() == b"mine"


def test_a_full_disk_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SmartBKGError, match="no space"):
        publish_once(tmp_path / "record.json", b"content")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_links", [True, False])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, has_links: bool) -> None:
    script = "import os, signal, smartbkg.campaign.publication as p; from pathlib import Path; "
    if has_links:
        script += "p._linked = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
    else:
        script += (
            "p._linked = p._renamed; p._settle = p.Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
        )
    script += f"p.publish_once(Path({str(tmp_path / 'a.json')!r}), b'content')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".partial")]
    assert publish_once(tmp_path / "b.json", b"other")
    assert [path.name for path in tmp_path.iterdir()] == ["b.json"]
