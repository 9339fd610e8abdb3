"""The columns of a records table, and the check that a table keeps to them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from modalconflict.errors import InvalidArgument

FORMAT_VERSION = "1"

CONDITIONS = ("text_only", "vision_only", "multimodal")

UNCERTAINTY_COLUMNS = ("entropy", "max_prob", "margin")
"""The uncertainty indices every record has; any further float64 column is one more index, by its name."""

_NAMED: tuple[tuple[str, pa.DataType, bool], ...] = (
    ("case_id", pa.string(), False),
    ("dataset", pa.string(), False),
    ("group", pa.int64(), False),
    ("condition", pa.string(), False),
    ("d_v", pa.int32(), True),
    ("d_t", pa.int32(), True),
    ("order", pa.string(), True),
    ("control", pa.string(), True),
    ("image", pa.string(), True),
    ("text", pa.string(), True),
    ("question", pa.string(), True),
    ("answer_text", pa.string(), True),
    ("answer_vision", pa.string(), True),
    ("answer", pa.string(), True),
    ("answer_raw", pa.string(), True),
    ("answer_kind", pa.string(), True),
    ("correct", pa.bool_(), True),
    ("answer_class", pa.string(), True),
    ("first_token_class", pa.string(), True),
    ("answer_log_prob", pa.float64(), True),
    ("answer_token_log_probs", pa.list_(pa.float64()), True),
    ("status", pa.string(), False),
    ("model", pa.string(), False),
    ("bundle_sha256", pa.string(), False),
    ("seed", pa.int64(), True),
)

_REQUIRED = ("case_id", "group", "condition", "answer", "model")
_LENS_FLOATS = ("logit_text", "logit_vision", "lens_entropy", "kl_final")
_NOT_AN_INDEX = frozenset({"seconds", "answer_log_prob", "entropy_upper", "residual_mass"})

BOUND_FIELDS = (
    pa.field("entropy_kind", pa.string()),
    pa.field("entropy_upper", pa.float64()),
    pa.field("residual_mass", pa.float64()),
    pa.field("known_tokens", pa.int32()),
)
"""Columns of records whose distribution is known in part: see `modalconflict.api`."""


def record_schema(rows: int, top_k: int, indices: tuple[str, ...] = UNCERTAINTY_COLUMNS) -> pa.Schema:
    """Arrow schema of the records of one model.

    Parameters
    ----------
    rows
        Lens rows a run: row 0 reads the embeddings' output, row l the state after layer l, so L + 1; 0 for records
        without a lens.
    top_k
        Tokens kept a lens row.
    indices
        Names of the uncertainty columns (read at the last row, nats where the index has a unit).

    Returns
    -------
    pyarrow.Schema
        With the format version in its metadata.

    Examples
    --------
    >>> record_schema(rows=31, top_k=5).field("lens_entropy").type
    FixedSizeListType(fixed_size_list<item: double>[31])
    """
    fields = [pa.field(name, kind, nullable) for name, kind, nullable in _NAMED]
    fields += [pa.field(name, pa.float64()) for name in indices]
    lens = [
        pa.field("lens_top1", pa.list_(pa.int64(), rows)),
        pa.field("lens_top1_token", pa.list_(pa.string(), rows)),
        pa.field("lens_label", pa.list_(pa.string(), rows)),
        pa.field("lens_top_tokens", pa.list_(pa.list_(pa.string(), top_k), rows)),
        pa.field("logit_text", pa.list_(pa.float32(), rows)),
        pa.field("logit_vision", pa.list_(pa.float32(), rows)),
        pa.field("lens_entropy", pa.list_(pa.float64(), rows)),
        pa.field("kl_final", pa.list_(pa.float64(), rows)),
        pa.field("lens", pa.string()),
    ]
    return pa.schema(fields + (lens if rows else []), metadata={"modalconflict.records_version": FORMAT_VERSION})


def uncertainty_columns(table: pa.Table) -> list[str]:
    """Names of the uncertainty indices a records table holds: its float columns that are no named column."""
    return [f.name for f in table.schema if pa.types.is_floating(f.type) and f.name not in _NOT_AN_INDEX]


def lens_rows(table: pa.Table) -> int:
    """Lens rows a run (L + 1), or 0 for a table without lens columns."""
    if "lens_label" not in table.column_names:
        return 0
    kind = table.schema.field("lens_label").type
    return int(kind.list_size) if pa.types.is_fixed_size_list(kind) else 0


def _first(mask: pa.ChunkedArray | pa.Array) -> int | None:
    """Index of the first true entry."""
    index = pc.index(mask, True).as_py()
    return None if index < 0 else index


def _refuse(source: str, row: int, column: str, what: str) -> None:
    raise InvalidArgument(f"{source}, row {row}, column '{column}': {what}")


def _check_conditions(table: pa.Table, source: str) -> None:
    condition = table["condition"]
    row = _first(pc.invert(pc.fill_null(pc.is_in(condition, value_set=pa.array(CONDITIONS)), False)))
    if row is not None:
        found = condition[row].as_py()
        _refuse(source, row, "condition", f"'{found}' is none of {', '.join(CONDITIONS)}")
    for column, absent in (("d_t", "vision_only"), ("d_v", "text_only")):
        if column in table.column_names:
            row = _first(pc.and_(pc.is_null(table[column]), pc.not_equal(condition, absent)))
            if row is not None:
                _refuse(
                    source, row, column, f"is missing in a {condition[row].as_py()} run; give the tier as an integer"
                )


def validate_records(table: pa.Table, source: str = "records") -> pa.Table:
    """Check a records table and cast its named columns to the documented types.

    Parameters
    ----------
    table
        One row a run. Lens columns and all but the required columns may be absent.
    source
        How a message names the table.

    Returns
    -------
    pyarrow.Table
        The same rows; missing optional columns are added as nulls, `status` as "ok".

    Raises
    ------
    InvalidArgument
        With the row (counted from 0) and the column: a required column is missing, a value is null, of another
        type, out of its set, or an uncertainty that is NaN, infinite or negative in a run whose status is ok.
    """
    version = (table.schema.metadata or {}).get(b"modalconflict.records_version", FORMAT_VERSION.encode()).decode()
    if version != FORMAT_VERSION:
        raise InvalidArgument(
            f"{source} has records version {version}, this release reads version {FORMAT_VERSION}; "
            f"read it with the release that wrote it"
        )
    for name in _REQUIRED:
        if name not in table.column_names:
            raise InvalidArgument(f"{source} has no column '{name}'; add it (docs/records.md lists the columns)")
    table = _cast_named(table, source)
    for name in _REQUIRED:
        row = _first(pc.and_(pc.is_null(table[name]), pc.equal(table["status"], "ok")))
        if row is not None:
            _refuse(source, row, name, "is empty; give a value, or a status other than 'ok'")
    _check_conditions(table, source)
    indices = uncertainty_columns(table)
    if not indices:
        raise InvalidArgument(f"{source} has no uncertainty column; add at least 'entropy' (nats, float64)")
    _check_indices(table, indices, source)
    _check_unique(table, source)
    return table


def _cast_named(table: pa.Table, source: str) -> pa.Table:
    defaults = {"status": "ok", "dataset": "unnamed", "bundle_sha256": "", "order": "image_first", "control": "none"}
    for name, kind, _ in _NAMED:
        if name not in table.column_names:
            table = table.append_column(name, pa.repeat(pa.scalar(defaults.get(name), kind), table.num_rows))
            continue
        column = table[name]
        if column.type == kind:
            continue
        try:
            cast = column.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            row = next((i for i, v in enumerate(column) if not _castable(v, kind)), 0)
            _refuse(source, row, name, f"{column[row].as_py()!r} is not of type {kind}")
        table = table.set_column(table.column_names.index(name), pa.field(name, kind), cast)
    return table


def _castable(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _check_indices(table: pa.Table, indices: list[str], source: str) -> None:
    ok = pc.equal(table["status"], "ok")
    for name in indices:
        values = table[name]
        finite = pc.fill_null(pc.is_finite(values), False)
        row = _first(pc.and_(ok, pc.invert(finite)))
        if row is not None:
            _refuse(
                source,
                row,
                name,
                f"{values[row].as_py()} is no finite number; a run that failed needs a status other than 'ok'",
            )
        # `energy` is the one documented index that may be negative
        row = None if name == "energy" else _first(pc.and_(ok, pc.less(values, 0.0)))
        if row is not None:
            _refuse(source, row, name, f"{values[row].as_py()} is negative; an uncertainty index is at least 0")


def _check_unique(table: pa.Table, source: str) -> None:
    keys = ["model", "bundle_sha256", "dataset", "group", "condition", "d_v", "d_t", "order"]
    counted = table.select(keys).group_by(keys).aggregate([([], "count_all")])
    row = _first(pc.greater(counted["count_all"], 1))
    if row is None:
        return
    twice = {k: counted[k][row].as_py() for k in keys}
    match = [i for i, r in enumerate(table.select(keys).to_pylist()) if r == twice]
    _refuse(
        source,
        match[1],
        "case_id",
        f"'{table['case_id'][match[1]].as_py()}' repeats the run of row {match[0]}; keep one of them",
    )
