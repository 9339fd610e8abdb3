"""The manifest's schema, version 1, and its check."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from modalconflict.errors import InvalidArgument

MANIFEST_VERSION = "1"

MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("case_id", pa.string(), nullable=False),  # "color/00012/v03/t1", unique
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("group", pa.int64(), nullable=False),  # cases of a group share images and texts
        pa.field("d_v", pa.int32(), nullable=False),
        pa.field("d_t", pa.int32(), nullable=False),
        pa.field("image", pa.string(), nullable=False),  # relative to the dataset's folder
        pa.field("image_width", pa.int32(), nullable=False),
        pa.field("image_height", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("text_paraphrase", pa.string(), nullable=False),
        pa.field("question", pa.string(), nullable=False),  # ends with the command
        pa.field("answer_text", pa.string(), nullable=False),
        pa.field("answer_vision", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("distractors", pa.int32(), nullable=False),
        pa.field("occlusion_rate", pa.float64(), nullable=False),  # share of the distractors, as asked for
        pa.field("occluded_count", pa.int32(), nullable=False),  # distractors that overlap the target, as measured
        pa.field("visible_fraction", pa.float64(), nullable=False),  # of the target's pixels, as measured
        pa.field("text_words", pa.int32(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),  # the thing of a knowledge text, else ""
        pa.field("order", pa.string(), nullable=False),  # "image_first" | "text_first"
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("pixel_sha256", pa.string(), nullable=False),  # of the RGB bytes, whatever the file format
    ]
)

_ORDERS = ("image_first", "text_first")


def validate_manifest(table: pa.Table, source: str) -> pa.Table:
    """Check a manifest and return it with its columns in the schema's order and types.

    Parameters
    ----------
    table : pyarrow.Table
        Any number of rows, at least one.
    source : str
        Name of the file, for messages.

    Returns
    -------
    pyarrow.Table
        The same rows; columns beyond the schema are kept at the end.

    Raises
    ------
    InvalidArgument
        Naming the column and the row (counted from 0) of the first value that does not fit.
    """
    if table.num_rows == 0:
        raise InvalidArgument(f"'{source}' has no rows; generate the dataset again")
    columns: dict[str, pa.ChunkedArray] = {}
    for field in MANIFEST_SCHEMA:
        if field.name not in table.column_names:
            raise InvalidArgument(
                f"'{source}' has no column '{field.name}'; the manifest's columns are listed in the documentation"
            )
        column = table[field.name]
        try:
            columns[field.name] = column.cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InvalidArgument(
                f"'{source}', column '{field.name}': type {column.type} where {field.type} is needed; convert the column"
            ) from None
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            raise InvalidArgument(f"'{source}', column '{field.name}', row {row}: the value is missing; fill it")
    _refuse(source, "case_id", _duplicates(columns["case_id"]), "the case_id stands twice; make it unique")
    same = pc.equal(columns["answer_text"], columns["answer_vision"])
    _refuse(source, "answer_text", same, "the text's answer equals the image's, which is no conflict; change one")
    known = pc.is_in(columns["order"], value_set=pa.array(_ORDERS))
    _refuse(source, "order", pc.invert(known), f"unknown order; use one of {', '.join(_ORDERS)}")
    image = columns["image"]
    outside = pc.or_(pc.starts_with(image, "/"), pc.match_substring_regex(image, r"(^|[/\\])\.\.([/\\]|$)"))
    _refuse(source, "image", outside, "the path leaves the dataset's folder; give a path inside it")
    for name in ("d_v", "d_t", "group"):
        _refuse(source, name, pc.less(columns[name], 0), f"{name} is negative; tiers and groups count from 0")
    extra = [name for name in table.column_names if name not in MANIFEST_SCHEMA.names]
    schema = pa.schema(
        [*MANIFEST_SCHEMA, *(table.schema.field(name) for name in extra)], metadata=table.schema.metadata
    )
    return pa.table([*columns.values(), *(table[name] for name in extra)], schema=schema)


def _duplicates(column: pa.ChunkedArray) -> pa.Array:
    seen: set[str] = set()
    flags = []
    for value in column.to_pylist():
        flags.append(value in seen)
        seen.add(value)
    return pa.array(flags)


def _refuse(source: str, column: str, bad: pa.Array | pa.ChunkedArray, why: str) -> None:
    row = pc.index(bad, True).as_py()
    if row >= 0:
        raise InvalidArgument(f"'{source}', column '{column}', row {row}: {why}")
