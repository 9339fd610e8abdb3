"""One process a study: who holds it is named; what a dead process left is taken over."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from pathlib import Path

import pytest

from faults.injection import in_child, study
from modalconflict.errors import IoError
from modalconflict.records import StudyLock
from synthetic_study import make_dataset


def test_a_second_process_is_told_who_holds_the_study(tmp_path: Path) -> None:
    def second() -> None:
        with pytest.raises(IoError, match=f"held by process {os.getppid()} on .* since 20"), StudyLock(tmp_path):
            pass

    with StudyLock(tmp_path):
        assert in_child(second) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_study_under_way_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data")
    refused = []

    def again(progress: object) -> None:
        with pytest.raises(IoError, match="is held by process") as caught:
            study(data, tmp_path / "study")
        refused.append(str(caught.value))

    assert study(data, tmp_path / "study", progress=again).runs == 24
    assert len(refused) == 3


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    def die() -> None:
        with StudyLock(tmp_path):
            os._exit(0)

    in_child(die)
    assert (tmp_path / "study.lock").exists()
    with StudyLock(tmp_path):
        assert json.loads((tmp_path / "study.lock").read_text())["pid"] == os.getpid()


def test_another_hosts_lock_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "study.lock").write_text(json.dumps({"pid": 7, "host": "node17", "since": "2026-01-01"}))
    with pytest.raises(IoError, match=r"process 7 on the host node17 since 2026-01-01; .*remove .*study\.lock"):
        StudyLock(tmp_path).__enter__()
    assert (tmp_path / "study.lock").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\0" * 5000, b"[" * 4096])
def test_a_lock_file_that_nobody_signed_is_taken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.lock").write_bytes(content)
    with StudyLock(tmp_path):
        pass


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "study.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(IoError, match="cannot write"):
        StudyLock(tmp_path).__enter__()
    assert (tmp_path / "precious").read_text() == "kept"


def test_where_the_file_system_has_no_locks_the_named_process_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    content = {"pid": os.getppid(), "host": socket.gethostname(), "since": "2026-01-01"}
    (tmp_path / "study.lock").write_text(json.dumps(content))
    with pytest.raises(IoError, match=f"held by process {os.getppid()}"):
        StudyLock(tmp_path).__enter__()
    (tmp_path / "study.lock").write_text(json.dumps(content | {"pid": 2**22 + 1}))
    with StudyLock(tmp_path):
        pass


def test_a_lock_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"cannot write .*study\.lock"):
        StudyLock(tmp_path / "nowhere").__enter__()
