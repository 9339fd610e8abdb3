"""The hidden folder an export is written into: taken by one process, gone on with after a kill, renamed when whole."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from types import TracebackType

from modalconflict.bundle import sha256_of
from modalconflict.errors import IoError
from modalconflict.export.weights import WrittenFile

_JOURNAL = "resume.json"


class PartialFolder:
    """A folder ``.NAME.partial`` beside the target, locked while it is written.

    Finished weight shards are noted in a journal with their hashes. If an export of the same source stops, the next one
    keeps them; what it finds of any other export it throws away.

    Parameters
    ----------
    target
        The bundle to be.
    fingerprint
        What identifies the export's source and settings; None where nothing does, so that nothing is kept.

    Raises
    ------
    IoError
        If another export is writing there, or the folder cannot be made.
    """

    def __init__(self, target: Path, fingerprint: str | None) -> None:
        self.target = target
        self.path = target.parent / f".{target.name}.partial"
        self.finished: list[WrittenFile] = []
        self._fingerprint = fingerprint

    def __enter__(self) -> PartialFolder:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise IoError(
                f"Another export is writing '{self.target}' ('{self.path}' is locked); wait for it or name another bundle."
            ) from None
        self.finished = self._read_journal()
        kept = {shard.name for shard in self.finished} | ({_JOURNAL} if self.finished else set())
        for entry in self.path.iterdir():
            if entry.name not in kept:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        return self

    def _read_journal(self) -> list[WrittenFile]:
        try:
            journal = json.loads((self.path / _JOURNAL).read_text(encoding="utf-8"))
            if self._fingerprint is None or journal["fingerprint"] != self._fingerprint:
                return []
            shards = [WrittenFile(**entry) for entry in journal["shards"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        for index, shard in enumerate(shards):
            path = self.path / shard.name
            if not path.is_file() or path.stat().st_size != shard.size or sha256_of(path) != shard.sha256:
                return shards[:index]
        return shards

    def note(self, shards: list[WrittenFile]) -> None:
        """Write the journal: these shards are on disk."""
        if self._fingerprint is None:
            return
        entries = [{"name": shard.name, "size": shard.size, "sha256": shard.sha256} for shard in shards]
        temporary = self.path / f"{_JOURNAL}.new"
        temporary.write_text(json.dumps({"fingerprint": self._fingerprint, "shards": entries}), encoding="utf-8")
        os.replace(temporary, self.path / _JOURNAL)

    def finish(self) -> None:
        """Force everything to disk and give the folder its name."""
        (self.path / _JOURNAL).unlink(missing_ok=True)
        for path in (*self.path.rglob("*"), self.path):
            _sync(path)
        self.path.chmod(0o755)
        os.rename(self.path, self.target)
        _sync(self.target.parent)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        # A full disk or an impatient user: the next export goes on. A model that is refused leaves nothing.
        resumable = self._fingerprint is not None and isinstance(error, (OSError, KeyboardInterrupt))
        if error is not None and not (resumable and (self.path / _JOURNAL).is_file()):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._descriptor)
        if isinstance(error, OSError) and not isinstance(error, IoError):
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> IoError:
        return IoError(f"The bundle '{self.target}' cannot be written ({error}); choose another place.")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
