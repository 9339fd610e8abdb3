"""The manifest's schema, version 2, and its check.

Version 1 is version 2 without the optional columns and without missing values; it is read as it stands.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from modalconflict.errors import InvalidArgument

MANIFEST_VERSION = "2"
READABLE_VERSIONS = ("1", "2")

# Nullable: what only a generated dataset knows.
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
        pa.field("text_paraphrase", pa.string()),  # null: there is none
        pa.field("question", pa.string(), nullable=False),  # ends with the command
        pa.field("answer_text", pa.string(), nullable=False),
        pa.field("answer_vision", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("attribute", pa.string(), nullable=False),
        pa.field("distractors", pa.int32()),
        pa.field("occlusion_rate", pa.float64()),  # share of the distractors, as asked for
        pa.field("occluded_count", pa.int32()),  # distractors that overlap the target, as measured
        pa.field("visible_fraction", pa.float64()),  # of the target's pixels, as measured
        pa.field("text_words", pa.int32(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),  # the thing of a knowledge text, else ""
        pa.field("order", pa.string(), nullable=False),  # "image_first" | "text_first"
        pa.field("seed", pa.int64()),
        pa.field("pixel_sha256", pa.string(), nullable=False),  # of the RGB bytes, whatever the file format
    ]
)

OPTIONAL_SCHEMA = pa.schema(
    [
        pa.field("control", pa.string(), nullable=False),  # one of CONTROLS
        pa.field("source", pa.string(), nullable=False),  # where an imported case stood: "evaluate.json#17"
    ]
)

ORDERS = ("image_first", "text_first")
CONTROLS = ("none", "text_irrelevant", "image_irrelevant", "blank_image")


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

    Examples
    --------
    >>> validate_manifest(pa.table({"case_id": []}), "manifest.parquet")
    Traceback (most recent call last):
        ...
    modalconflict.errors.InvalidArgument: 'manifest.parquet' has no rows; make the dataset again
    """
    if table.num_rows == 0:
        raise InvalidArgument(f"'{source}' has no rows; make the dataset again")
    twice = next((name for name in table.column_names if table.column_names.count(name) > 1), None)
    if twice is not None:
        raise InvalidArgument(f"'{source}' has the column '{twice}' twice; keep one")
    known = [*MANIFEST_SCHEMA, *(field for field in OPTIONAL_SCHEMA if field.name in table.column_names)]
    columns = {field.name: _column(table, field, source) for field in known}
    _check_values(columns, source)
    extra = [name for name in table.column_names if name not in columns]
    schema = pa.schema([*known, *(table.schema.field(name) for name in extra)], metadata=table.schema.metadata)
    return pa.table([*columns.values(), *(table[name] for name in extra)], schema=schema)


def _column(table: pa.Table, field: pa.Field, source: str) -> pa.ChunkedArray:
    if field.name not in table.column_names:
        if field.nullable:
            return pa.chunked_array([pa.nulls(table.num_rows, field.type)])
        raise InvalidArgument(
            f"'{source}' has no column '{field.name}'; the manifest's columns are listed in the documentation"
        )
    column = table[field.name]
    try:
        cast = column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InvalidArgument(
            f"'{source}', column '{field.name}': type {column.type} where {field.type} is needed; convert the column"
        ) from None
    if cast.null_count and not field.nullable:
        row = pc.index(pc.is_null(cast), True).as_py()
        raise InvalidArgument(f"'{source}', column '{field.name}', row {row}: the value is missing; fill it")
    return cast


def _check_values(columns: dict[str, pa.ChunkedArray], source: str) -> None:
    def refuse(column: str, bad: pa.Array | pa.ChunkedArray, why: str) -> None:
        row = pc.index(bad, True).as_py()
        if row >= 0:
            raise InvalidArgument(f"'{source}', column '{column}', row {row}: {why}")

    refuse("case_id", _blank(columns["case_id"]), "the value is empty; give each case a name")
    refuse("case_id", _duplicates(columns["case_id"].to_pylist()), "the case_id stands twice; make it unique")
    for name in ("d_v", "d_t", "group"):
        refuse(name, pc.less(columns[name], 0), f"{name} is negative; tiers and groups count from 0")
    controls = columns.get("control")
    if controls is not None:
        unknown = pc.invert(pc.is_in(controls, value_set=pa.array(CONTROLS)))
        refuse("control", unknown, f"unknown control; use one of {', '.join(CONTROLS)}")
    ordinary = pc.equal(controls, "none") if controls is not None else pa.scalar(True)
    for name in ("text", "question", "answer_text", "answer_vision"):
        refuse(name, pc.and_(ordinary, _blank(columns[name])), "the value is empty; fill it")
    same = pc.and_(ordinary, pc.equal(columns["answer_text"], columns["answer_vision"]))
    refuse("answer_text", same, "the text's answer equals the image's, which is no conflict; change one")
    unknown = pc.invert(pc.is_in(columns["order"], value_set=pa.array(ORDERS)))
    refuse("order", unknown, f"unknown order; use one of {', '.join(ORDERS)}")
    image = columns["image"]
    outside = pc.or_(
        pc.match_substring_regex(image, r"^([/\\]|[A-Za-z]:)"),
        pc.match_substring_regex(image, r"(^|[/\\])\.\.([/\\]|$)"),
    )
    refuse("image", outside, "the path leaves the dataset's folder; give a path inside it")
    refuse("image", pc.match_substring(image, "\x00"), "the path holds a NUL character; rename the file")
    for name in ("image_width", "image_height"):
        refuse(name, pc.less(columns[name], 1), f"{name} is below 1 pixel; measure the image again")
    for name in ("occlusion_rate", "visible_fraction"):
        # "not within" is true of NaN as well; a missing value is neither
        within = pc.and_(pc.greater_equal(columns[name], 0.0), pc.less_equal(columns[name], 1.0))
        refuse(name, pc.fill_null(pc.invert(within), False), f"{name} is not within 0 and 1; it is a share")
    sha = pc.invert(pc.match_substring_regex(columns["pixel_sha256"], "^[0-9a-f]{64}$"))
    refuse("pixel_sha256", sha, "this is no sha256 of 64 lower-case hexadecimal digits; compute it from the RGB bytes")


def _blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)


def _duplicates(values: Sequence[str]) -> pa.Array:
    seen: set[str] = set()
    flags = []
    for value in values:
        flags.append(value in seen)
        seen.add(value)
    return pa.array(flags, pa.bool_())
