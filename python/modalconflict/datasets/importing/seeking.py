"""Rows of a CSV or TSV file by the value of a column."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from modalconflict.datasets.importing.rows import Row, Table, reading, records_of_lines
from modalconflict.errors import InvalidArgument


class RowsByKey:
    """Rows by a column's value, in any order: the file is read through once, then each row is sought.

    Memory holds a place a row, never a row.

    Parameters
    ----------
    table
        Of a CSV or TSV file.
    key
        The column; where a value stands twice, its first row counts.

    Raises
    ------
    InvalidArgument
        If the file is not readable as CSV, naming the row.
    """

    def __init__(self, table: Table, key: str) -> None:
        assert table.path is not None and table.columns is not None
        self._path, self._columns = table.path, table.columns
        self._places: dict[str, tuple[int, int]] = {}
        with ExitStack() as stack:
            stack.enter_context(reading(self._path))
            self._handle = stack.enter_context(open(self._path, encoding="utf-8-sig", newline=""))
            at = self._columns.index(key)
            # By readline: a file that is iterated over does not tell its place.
            records = records_of_lines(iter(self._handle.readline, ""), self._path)
            next(records)
            place = self._handle.tell()
            for row, record in enumerate(records):
                if at < len(record):
                    self._places.setdefault(record[at], (row, place))
                place = self._handle.tell()
            stack.pop_all()

    def find(self, value: str) -> Row | None:
        """Row number and values; None where no row has the value."""
        if value not in self._places:
            return None
        row, place = self._places[value]
        with reading(self._path):
            self._handle.seek(place)
            record: Any = next(records_of_lines(iter(self._handle.readline, ""), self._path), ())
        if len(record) != len(self._columns):
            raise InvalidArgument(
                f"'{self._path.name}', row {row}: {len(record)} values where the header has {len(self._columns)} columns; repair the row"
            )
        return row, dict(zip(self._columns, record, strict=True))

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
