"""Tables from other libraries: whatever hands itself over by the Arrow PyCapsule interface (``__arrow_c_stream__``).

Polars and pandas data frames, DuckDB and Ibis results, Hugging Face datasets' tables and our own results do so; none of these libraries
is imported here.

References
----------
Apache Arrow, The Arrow PyCapsule Interface.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from modalconflict.errors import InvalidArgument


def is_table(source: Any) -> bool:
    """Whether a thing hands itself over as an Arrow table."""
    return isinstance(source, (pa.Table, pa.RecordBatch)) or hasattr(source, "__arrow_c_stream__")


def as_arrow(source: Any) -> pa.Table:
    """Take a table over, without copying what need not be.

    Parameters
    ----------
    source
        An Arrow table or record batch, or anything with ``__arrow_c_stream__`` that is a table.

    Returns
    -------
    pyarrow.Table
        Text and lists in Arrow's plain layouts: other libraries use larger offsets or views, and dictionaries.

    Raises
    ------
    InvalidArgument
        If it is no table, or its stream is not one of rows with columns.

    Examples
    --------
    >>> import pyarrow as pa
    >>> as_arrow(pa.table({"case_id": pa.array(["a"], pa.large_string())})).schema.field("case_id").type
    DataType(string)
    """
    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if not is_table(source):
        raise InvalidArgument(
            f"a {type(source).__name__} is no table; give an Arrow table, a data frame or anything with __arrow_c_stream__"
        )
    try:
        table = source if isinstance(source, pa.Table) else pa.table(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidArgument(
            f"the {type(source).__name__} cannot be read as a table ({reason}); give one with named columns"
        ) from error
    fields = [field.with_type(_plain(field.type)) for field in table.schema]
    schema = pa.schema(fields, metadata=table.schema.metadata)
    return table if schema.equals(table.schema) else table.cast(schema)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The plain layout of a type."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type), kind.list_size)
    return kind


def stream_of(table: pa.Table, requested_schema: Any = None) -> Any:
    """A table's own Arrow stream, for the ``__arrow_c_stream__`` of what holds it."""
    return table.__arrow_c_stream__(requested_schema)
