"""Small file helpers shared by the study's writers and readers: checksums, whole-or-nothing writes, bounded reads."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from modalconflict.errors import IoError

LARGEST_JSON = 64 << 20
"""Bytes beyond which a JSON file is none of ours: the largest that is written here is a few hundred kilobytes."""


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut."""
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a crash at any moment leaves the old content or the new, whole."""
    partial = path.with_name(path.name + ".part")
    try:
        with open(partial, "wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, content: object) -> None:
    """Write JSON so that the file is whole or not there.

    Raises
    ------
    IoError
        If the disk refuses.
    """
    try:
        replace_file(path, (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise IoError(f"cannot write {path}: {error.strerror or error}; free space or choose another folder") from error


def read_json(path: Path, remedy: str) -> Any:
    """Content of a JSON file from elsewhere, its size checked before it is read.

    Parameters
    ----------
    path
        The file.
    remedy
        What to do about a file that cannot be read, for the message: "restore it or run the study anew".

    Raises
    ------
    FileNotFoundError
        If there is none.
    IoError
        If it cannot be read, is larger than 64 MiB, is no JSON, or is nested too deeply.
    """
    try:
        with open(path, "rb") as handle:
            content = handle.read(LARGEST_JSON + 1)
        if len(content) > LARGEST_JSON:
            raise IoError(f"{path} has more than {LARGEST_JSON >> 20} MiB, so it is no file of ours; {remedy}")
        return json.loads(content)
    except (FileNotFoundError, IoError):
        raise
    except RecursionError:
        raise IoError(f"{path} is nested too deeply; {remedy}") from None
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise IoError(f"{path} is unreadable ({reason}); {remedy}") from error
