"""Safetensors files as tensors that are read from disk when they are touched, and can be let go of again.

A model whose parameters are such tensors takes no memory of its own: the operating system reads a page when a layer
runs or is written, and drops it when told to, or when memory is short.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable
from pathlib import Path

import torch

from modalconflict.errors import IoError

_DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_MAX_HEADER_BYTES = 100_000_000


class MappedTensors:
    """The tensors of several safetensors files, mapped.

    Parameters
    ----------
    files
        The files; a tensor's name stands in one of them only.

    Attributes
    ----------
    tensors
        By name. They may be written to: changes stay in this process and are lost with `release`.

    Raises
    ------
    IoError
        If a file is missing, truncated or no safetensors file, or holds a type that torch does not.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._maps: list[mmap.mmap] = []
        for path in files:
            self._open(path)

    def _open(self, path: Path) -> None:
        again = "get the file again"
        try:
            with path.open("rb") as stream:
                size = path.stat().st_size
                length = int.from_bytes(stream.read(8), "little")
                if size < 8 or length > min(_MAX_HEADER_BYTES, size - 8):
                    raise IoError(f"'{path}' is no safetensors file, or is truncated; {again}.")
                header = json.loads(stream.read(length))
                mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        except FileNotFoundError:
            raise IoError(f"The weights lack their file '{path.name}' in '{path.parent}'; {again}.") from None
        except (OSError, ValueError) as error:
            if isinstance(error, IoError):
                raise
            raise IoError(f"The weights in '{path}' cannot be read ({error}); {again}.") from error
        self._maps.append(mapped)
        header.pop("__metadata__", None)
        for name, entry in header.items():
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            if entry["dtype"] not in _DTYPES:
                raise IoError(
                    f"'{path}' holds '{name}' as {entry['dtype']}, a quantised type; export from the original weights."
                )
            if end > size or end < begin:
                raise IoError(f"'{path}' is truncated: it ends inside '{name}'; {again}.")
            if name in self.tensors:
                raise IoError(f"The tensor '{name}' stands in '{path.name}' and in another file; {again}.")
            self.tensors[name] = _view(mapped, begin, end, _DTYPES[entry["dtype"]], entry["shape"])

    def release(self) -> None:
        """Let go of the pages that were read; they are read again when touched."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _view(mapped: mmap.mmap, begin: int, end: int, dtype: torch.dtype, shape: list[int]) -> torch.Tensor:
    if begin == end:
        return torch.empty(shape, dtype=dtype)
    if begin % dtype.itemsize:  # written by a library that does not align its data
        return torch.frombuffer(bytearray(mapped[begin:end]), dtype=dtype).view(shape)
    return torch.frombuffer(mapped, dtype=dtype, count=(end - begin) // dtype.itemsize, offset=begin).view(shape)
