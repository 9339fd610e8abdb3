"""One process a study: a lock file that names its holder and that outlives no process."""

from __future__ import annotations

import datetime
import errno
import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from modalconflict.errors import IoError

LOCK = "study.lock"

_UNSUPPORTED = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL, errno.ENOSYS)


class StudyLock:
    """Holds a study's folder for this process while the `with` block runs.

    The kernel's own lock on the file decides, and it ends with its process however that ended; the file's content
    (process, host, since when) is for the message. Where a file system has no locks, or the file names another host,
    whose processes cannot be seen from here, the content decides.

    Parameters
    ----------
    study
        The study's folder; it exists already.

    Raises
    ------
    IoError
        On entering, if another process holds the study (the message names it), or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with StudyLock(folder):
    ...     (folder / "study.lock").exists()
    True
    >>> (folder / "study.lock").exists()
    False
    """

    def __init__(self, study: Path) -> None:
        self._study = study
        self._path = study / LOCK
        self._descriptor = -1

    def __enter__(self) -> StudyLock:
        while self._descriptor < 0:
            try:
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            except OSError as error:
                raise IoError(
                    f"cannot write {self._path}: {error.strerror or error}; choose another folder or make it writable"
                ) from None
            try:
                self._take(descriptor)
                # the holder before us may have removed the file between our opening it and our locking it
                if _same_file(descriptor, self._path):
                    self._descriptor = descriptor
                    self._sign()
                    return self
            except BaseException:
                self._descriptor = -1
                os.close(descriptor)
                raise
            os.close(descriptor)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = -1

    def _take(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except OSError as error:
            if error.errno not in (*_UNSUPPORTED, errno.EWOULDBLOCK, errno.EACCES):
                raise IoError(f"cannot lock {self._path}: {error.strerror or error}; choose another folder") from None
            if error.errno not in _UNSUPPORTED:
                raise self._held(_holder(descriptor)) from None
            locked = False
        holder = _holder(descriptor)
        if holder is None:
            return
        if holder["host"] != socket.gethostname():
            raise IoError(
                f"{self._study} is held by process {holder['pid']} on the host {holder['host']} since {holder['since']}; "
                f"wait for it, or if it is gone remove {self._path}"
            )
        if not locked and holder["pid"] != os.getpid() and _alive(holder["pid"]):
            raise self._held(holder)

    def _held(self, holder: dict[str, Any] | None) -> IoError:
        if holder is None:  # between its locking and its signing
            return IoError(f"{self._study} is held by another process; wait for it or choose another folder")
        return IoError(
            f"{self._study} is held by process {holder['pid']} on {holder['host']} since {holder['since']}; "
            "wait for it, stop it, or choose another folder"
        )

    def _sign(self) -> None:
        since = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        content = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)
            os.fsync(self._descriptor)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            raise IoError(
                f"cannot write {self._path}: {error.strerror or error}; free space or choose another folder"
            ) from None


def _holder(descriptor: int) -> dict[str, Any] | None:
    """Who signed a lock file; None for one that is empty, cut off or somebody else's."""
    try:
        content = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError, RecursionError):
        return None
    known = (
        isinstance(content, dict)
        and type(content.get("pid")) is int
        and all(isinstance(content.get(key), str) for key in ("host", "since"))
    )
    return content if known else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
