"""Reading Parquet from strangers: what a file says that it needs is checked before it is allocated."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.errors import IoError


def read_parquet(path: Path, *, memory_map: bool = False) -> pa.Table:
    """Read a Parquet table whose declared size fits this machine's memory.

    A few hundred bytes can declare billions of rows of one value; the rows' own width in Arrow and the columns'
    uncompressed size bound what reading takes. Page checksums are verified where the file has them.

    Parameters
    ----------
    path
        The file.
    memory_map
        Read column chunks where they lie.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    IoError
        If the table would need more than the machine's memory.
    pyarrow.ArrowException, OSError
        If it cannot be read.
    """
    with (
        open(path, "rb") as handle,  # Arrow takes no name that is not UTF-8
        pq.ParquetFile(path if memory_map else handle, memory_map=memory_map, page_checksum_verification=True) as file,
    ):
        needed, rows = _bytes_needed(file), file.metadata.num_rows
        if rows < 0 or needed > _memory():
            raise IoError(
                f"{path} declares {rows} rows that need {needed / 2**30:.3g} GiB, more than this machine's memory; "
                "read it on a larger one, or in pieces"
            )
        return file.read()


def _bytes_needed(file: pq.ParquetFile) -> int:
    metadata = file.metadata
    rows: int = metadata.num_rows
    width = sum(_row_bits(field.type) for field in file.schema_arrow)
    uncompressed: int = sum(
        max(0, metadata.row_group(g).column(c).total_uncompressed_size)
        for g in range(metadata.num_row_groups)
        for c in range(metadata.num_columns)
    )
    return rows * width // 8 + uncompressed


def _row_bits(kind: pa.DataType) -> int:
    """Bits a row takes at least: the validity bit and the value or its offset."""
    if pa.types.is_fixed_size_list(kind):
        return 1 + int(kind.list_size) * _row_bits(kind.value_type)
    if pa.types.is_struct(kind):
        return 1 + sum(_row_bits(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_null(kind):
        return 1
    try:
        return 1 + int(kind.bit_width)
    except ValueError:
        return 33  # an offset of 32 bits


def _memory() -> int:
    return int(os.sysconf("SC_PAGE_SIZE")) * int(os.sysconf("SC_PHYS_PAGES"))
