"""Joining runs to cases: a multimodal run with the text-only run of its text and the vision-only run of its image."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.analysis.bounds import has_bounds
from modalconflict.errors import InvalidArgument
from modalconflict.records.schema import lens_rows, uncertainty_columns

CASE_FILTERS = ("both_correct", "all")
MINIMAL_COLUMNS = ("case_id", "h_text", "h_vision", "outcome")
OUTCOMES = ("text", "vision", "other", "no_conflict")
LENS_COLUMNS = (
    "lens_top1_token",
    "lens_label",
    "lens_top_tokens",
    "logit_text",
    "logit_vision",
    "lens_entropy",
    "kl_final",
)
_KEPT = (
    "case_id",
    "dataset",
    "group",
    "d_v",
    "d_t",
    "order",
    "image",
    "text",
    "question",
    "answer_text",
    "answer_vision",
    "seed",
)


def is_minimal(table: pa.Table) -> bool:
    """Whether a table is of joined cases (case_id, h_text, h_vision, outcome) rather than of runs."""
    return "condition" not in table.column_names and "outcome" in table.column_names


def relative_indices(names: list[str]) -> list[str]:
    """Those uncertainty indices of which ΔU_rel can be taken: all but the built-in ones that have no meaningful zero."""
    from modalconflict import uncertainty_indices

    declared = uncertainty_indices()
    return [n for n in names if n not in declared or declared[n].relative_applies]


def join_runs(records: pa.Table, uncertainty: str) -> pa.Table:
    """One row a multimodal run, with the answers and uncertainties of its two unimodal runs.

    Parameters
    ----------
    records
        Validated records of one model.
    uncertainty
        Name of the index.

    Returns
    -------
    pyarrow.Table
        `u_text`, `u_vision` (nats for entropy; NaN where a run is missing or failed), `y_text`, `y_vision`,
        `y_multimodal`, `text_correct`, `vision_correct`, `outcome` and `other_kind`, `status`, for every index that
        ΔU_rel takes `<index>.text` and `<index>.vision`, `upper.t` and `upper.v` (upper bounds of the two entropies, nats) where
        the records' entropies are bounds, and the lens columns.

    Raises
    ------
    InvalidArgument
        If the index is no column, or there is no multimodal run.
    """
    from modalconflict import classify_outcome

    if uncertainty == "energy":
        raise InvalidArgument(
            "the energy changes with a shift of the logits and may be negative, so ΔU_rel is not defined for it; choose another index"
        )
    known = uncertainty_columns(records)
    if uncertainty not in known:
        raise InvalidArgument(f"uncertainty '{uncertainty}' is no column of the records; they have {', '.join(known)}")
    wanted = [
        "condition",
        "status",
        "answer",
        "answer_raw",
        "answer_kind",
        "correct",
        "first_token_class",
        uncertainty,
        *_KEPT,
    ]
    rows = records.select(wanted).to_pylist()
    text = {(r["dataset"], r["group"], r["d_t"]): i for i, r in enumerate(rows) if r["condition"] == "text_only"}
    vision = {(r["dataset"], r["group"], r["d_v"]): i for i, r in enumerate(rows) if r["condition"] == "vision_only"}
    where = [i for i, r in enumerate(rows) if r["condition"] == "multimodal"]
    if not where:
        raise InvalidArgument("the records hold no multimodal run; analyze needs all three conditions of each case")
    joined = []
    partners: dict[str, list[int | None]] = {
        "text": [],
        "vision": [],
    }  # row of the unimodal run, None where it gave nothing
    for i in where:
        r = rows[i]
        at_t = text.get((r["dataset"], r["group"], r["d_t"]))
        at_v = vision.get((r["dataset"], r["group"], r["d_v"]))
        alone_t, alone_v = (None if at is None else rows[at] for at in (at_t, at_v))
        status = _case_status(r, alone_t, alone_v)
        case: dict[str, Any] = {k: r[k] for k in _KEPT}
        case |= {
            "status": status,
            "y_multimodal": r["answer"],
            "answer_raw": r["answer_raw"],
            "first_token_class": r["first_token_class"],
        }
        for side, at, alone in (("text", at_t, alone_t), ("vision", at_v, alone_v)):
            ok = alone is not None and alone["status"] == "ok"
            partners[side].append(at if ok else None)
            case[f"u_{side}"] = alone[uncertainty] if ok and alone else None
            case[f"y_{side}"] = alone["answer"] if ok and alone else None
            case[f"{side}_correct"] = alone["correct"] if ok and alone else None
        case["outcome"] = case["other_kind"] = None
        if status == "ok":
            case["outcome"] = str(classify_outcome(case["y_multimodal"], case["y_text"], case["y_vision"]))
            if case["outcome"] == "other":
                case["other_kind"] = "third_answer" if r["answer_kind"] in (None, "answer") else r["answer_kind"]
        joined.append(case)
    table = pa.Table.from_pylist(joined, schema=_case_schema())
    for name in relative_indices(known):
        for side, taken in partners.items():
            table = table.append_column(f"{name}.{side}", records[name].take(pa.array(taken, pa.int64())))
    if has_bounds(records):
        for short, taken in (("t", partners["text"]), ("v", partners["vision"])):
            table = table.append_column(f"upper.{short}", records["entropy_upper"].take(pa.array(taken, pa.int64())))
    if lens_rows(records):
        take = pa.array(where)
        for name in LENS_COLUMNS:
            if name in records.column_names:
                table = table.append_column(records.schema.field(name), records[name].take(take))
    return table


def _case_status(multimodal: dict[str, Any], text: dict[str, Any] | None, vision: dict[str, Any] | None) -> str:
    if multimodal["status"] != "ok":
        return str(multimodal["status"])
    for name, alone in (("text-only", text), ("vision-only", vision)):
        if alone is None:
            return f"its {name} run is missing"
        if alone["status"] != "ok":
            return f"its {name} run failed: {alone['status']}"
        if not alone["answer"]:
            return f"its {name} run gave no answer"
    return "ok"


def _case_schema() -> pa.Schema:
    strings = (
        "case_id",
        "dataset",
        "order",
        "image",
        "text",
        "question",
        "answer_text",
        "answer_vision",
        "status",
        "y_multimodal",
        "answer_raw",
        "first_token_class",
        "y_text",
        "y_vision",
        "outcome",
        "other_kind",
    )
    fields = [pa.field(n, pa.string()) for n in strings]
    fields += [
        pa.field("group", pa.int64()),
        pa.field("d_v", pa.int32()),
        pa.field("d_t", pa.int32()),
        pa.field("seed", pa.int64()),
    ]
    fields += [pa.field(f"{s}_correct", pa.bool_()) for s in ("text", "vision")]
    fields += [pa.field(f"u_{s}", pa.float64()) for s in ("text", "vision")]
    return pa.schema(fields)


def cases_of_minimal(table: pa.Table, source: str) -> pa.Table:
    """Cases of a minimal table: case_id, h_text, h_vision (nats) and outcome; group, d_v, d_t optional.

    Raises
    ------
    InvalidArgument
        With row and column, if a column is missing, or a value is of another type, negative, not finite or no outcome.
    """
    for name in MINIMAL_COLUMNS:
        if name not in table.column_names:
            raise InvalidArgument(
                f"{source} has no column '{name}'; a table of cases needs {', '.join(MINIMAL_COLUMNS)}"
            )
    n = table.num_rows
    if n == 0:
        raise InvalidArgument(f"{source} has no rows; give at least one case")
    try:
        columns: dict[str, Any] = {"case_id": table["case_id"].cast(pa.string())}
        names = columns["case_id"].to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
        raise InvalidArgument(f"{source}, column 'case_id' is not UTF-8 text; convert it") from None
    if len(set(names)) < n:
        twice = next(row for row, name in enumerate(names) if name in names[:row])
        raise InvalidArgument(
            f"{source}, row {twice}, column 'case_id': '{names[twice]}' stands twice; keep one row a case"
        )
    for name, target in (("h_text", "u_text"), ("h_vision", "u_vision")):
        values = table[name].to_pylist()
        for row, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value) or value < 0:
                raise InvalidArgument(
                    f"{source}, row {row}, column '{name}': {value!r} is no finite number of at least 0 (nats)"
                )
        columns[target] = pa.array(values, pa.float64())
    outcomes = table["outcome"].to_pylist()
    for row, outcome in enumerate(outcomes):
        if outcome not in OUTCOMES:
            raise InvalidArgument(
                f"{source}, row {row}, column 'outcome': {outcome!r} is none of {', '.join(OUTCOMES)}"
            )
    columns["outcome"] = pa.array(outcomes, pa.string())
    columns["status"] = pa.repeat(pa.scalar("ok"), n)
    schema = _case_schema()
    for field in schema:
        if field.name in columns:
            continue
        if field.name in table.column_names:
            try:
                columns[field.name] = table[field.name].cast(field.type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                raise InvalidArgument(
                    f"{source}, column '{field.name}' is not of type {field.type}; convert it"
                ) from None
        else:
            columns[field.name] = pa.nulls(n, field.type)
    if columns["group"].null_count:  # without groups each case stands alone
        if columns["group"].null_count < n:
            raise InvalidArgument(
                f"{source}, column 'group' is empty in some rows; fill it in all rows or leave it out"
            )
        columns["group"] = pa.nulls(n, pa.int64())
    cases = pa.table(columns).select(schema.names).cast(schema)
    return cases.append_column("entropy.text", cases["u_text"]).append_column("entropy.vision", cases["u_vision"])


def included_cases(cases: pa.Table, keep: str) -> npt.NDArray[np.bool_]:
    """Cases that the law is stated on: shape (n,), true where the case counts.

    Parameters
    ----------
    cases
        From :func:`join_runs` or :func:`cases_of_minimal`.
    keep
        "both_correct": both unimodal answers are correct (a minimal table has no answers and counts whole); "all": every
        case with a conflict.
    """
    if keep not in CASE_FILTERS:
        raise InvalidArgument(f"cases '{keep}' is none of {', '.join(CASE_FILTERS)}; choose one of them")
    ok = np.array([s == "ok" for s in cases["status"].to_pylist()], dtype=bool)
    conflict = np.array([o in ("text", "vision", "other") for o in cases["outcome"].to_pylist()], dtype=bool)
    if keep == "all":
        return np.asarray(ok & conflict, dtype=bool)
    both = np.array(
        [
            t is not False and v is not False
            for t, v in zip(cases["text_correct"].to_pylist(), cases["vision_correct"].to_pylist(), strict=True)
        ]
    )
    return np.asarray(ok & conflict & both, dtype=bool)
