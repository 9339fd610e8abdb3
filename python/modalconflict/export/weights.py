"""Writing weights: safetensors shards, one tensor in memory at a time, hashed on the way.

The format is that of safetensors (an 8-byte little-endian header length, a JSON header, then the tensors' bytes without
gaps). It is written here rather than by the library because the library takes all tensors of a file at once as bytes,
and because the data are made to begin at a multiple of 64 bytes, which a memory map then keeps.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from modalconflict.errors import ModelError

_DTYPE_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
_ALIGNMENT = 64


@dataclass
class WrittenFile:
    """A file's relative name, size in bytes and SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass
class ShardWriter:
    """Collects tensors unit by unit and writes a shard whenever the next unit would exceed the cap.

    Attributes
    ----------
    folder
        Where shards go.
    cap_bytes
        Largest shard, unless a single unit is larger.
    finished
        Shards that an earlier export left in the folder; they come first and are not written again.
    note
        Called with all shards so far when one more is on disk.
    release
        Called when a tensor has been written.
    written
        The shards so far.
    """

    folder: Path
    cap_bytes: int = 1 << 29
    finished: list[WrittenFile] = field(default_factory=list)
    note: Callable[[list[WrittenFile]], None] = lambda _: None
    release: Callable[[], None] = lambda: None
    written: list[WrittenFile] = field(default_factory=list)
    _pending: list[tuple[str, torch.Tensor, torch.dtype]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add(self, unit: Iterable[tuple[str, torch.Tensor, torch.dtype]]) -> None:
        """Add a unit's tensors, each with the dtype to be stored; a name may come only once."""
        tensors = list(unit)
        for name, _, dtype in tensors:
            if name in self._names:
                raise ModelError(f"Two tensors of the model are named '{name}'.")
            if dtype not in _DTYPE_NAMES:
                raise ModelError(f"The tensor '{name}' has the dtype {dtype}, which safetensors does not hold.")
            self._names.add(name)
        if self._pending and self._bytes(self._pending) + self._bytes(tensors) > self.cap_bytes:
            self.flush()
        self._pending += tensors

    def flush(self) -> None:
        """Write what is pending as the next shard."""
        if not self._pending:
            return
        number = len(self.written)
        # wide elements first: every tensor is then aligned to its element
        self._pending.sort(key=lambda item: -item[2].itemsize)
        path = self.folder / f"weights-{number + 1:05d}.safetensors"
        if number < len(self.finished) and starts_with(path, header_of(self._pending)):
            self.written.append(self.finished[number])
        else:
            self.finished = []
            self.written.append(write_safetensors(path, self._pending, self.release))
            self.note(self.written)
        self._pending = []

    @staticmethod
    def _bytes(tensors: list[tuple[str, torch.Tensor, torch.dtype]]) -> int:
        return sum(tensor.numel() * dtype.itemsize for _, tensor, dtype in tensors)


def header_of(tensors: list[tuple[str, torch.Tensor, torch.dtype]]) -> bytes:
    """Return what stands before the data in a safetensors file of these tensors in this order."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor, dtype in tensors:
        end = offset + tensor.numel() * dtype.itemsize
        header[name] = {"dtype": _DTYPE_NAMES[dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def starts_with(path: Path, head: bytes) -> bool:
    """Return whether a file begins with these bytes."""
    with path.open("rb") as stream:
        return stream.read(len(head)) == head


def write_safetensors(
    path: Path, tensors: list[tuple[str, torch.Tensor, torch.dtype]], release: Callable[[], None] = lambda: None
) -> WrittenFile:
    """Write one safetensors file, converting and holding one tensor at a time, and force it to disk."""
    head = header_of(tensors)
    digest = hashlib.sha256()
    with path.open("wb") as stream:

        def emit(data: bytes | memoryview) -> None:
            digest.update(data)
            stream.write(data)

        emit(head)
        for _, tensor, dtype in tensors:
            flat = tensor.detach().to(device="cpu", dtype=dtype).contiguous().reshape(-1)
            if flat.numel():
                emit(flat.view(torch.uint8).numpy().data)
            release()
        stream.flush()
        os.fsync(stream.fileno())
        size = stream.tell()
    return WrittenFile(path.name, size, digest.hexdigest())
