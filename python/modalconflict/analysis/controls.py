"""Controls: cases in which one modality has nothing to say, told apart from the conflicts that the law is stated on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modalconflict.analysis.layers import count_switches, matrix
from modalconflict.analysis.statistics import ratio_interval
from modalconflict.records.schema import lens_rows
from modalconflict.runner.answers import given_answer

if TYPE_CHECKING:
    from modalconflict.analysis.analyze import AnalysisOptions

_NUMBERS = ("tfr", "tfr_low", "tfr_high", "oscillations", "oscillations_low", "oscillations_high")
_COUNTS = ("groups", "n", "failed", "text", "vision", "both", "other", "declined")


def split_controls(records: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Runs of conflicts, and runs of controls.

    Parameters
    ----------
    records
        Validated records.
    """
    control = pc.not_equal(pc.fill_null(records["control"], "none"), "none")
    return records.filter(pc.invert(control)), records.filter(control)


def control_rows(controls: pa.Table, options: AnalysisOptions) -> list[dict[str, Any]]:
    """What a model does in each kind of control.

    A control has no conflict, hence no ΔU_rel and no part in the law: its multimodal runs are described as they are.

    Parameters
    ----------
    controls
        From :func:`split_controls`, of one model.
    options
        Of the analysis: level, replicates and seed of the intervals, which resample whole groups.

    Returns
    -------
    list of dict
        A row a control, by name: groups; n (multimodal runs that were ok), failed; how many gave the text's answer, the image's,
        both at once (the same one) or another, and how many of these others declined to answer; the text-following rate
        text / (text + vision) and the mean oscillations with their intervals, NaN where nothing was decided or there is no lens.

    References
    ----------
    arXiv 2511.02243, whose control with an irrelevant text has 0.35 oscillations a case (LLaVA-1.5-7B).
    """
    lens = lens_rows(controls) > 0
    rows: list[dict[str, Any]] = []
    for name in sorted(set(controls["control"].to_pylist())):
        mine = controls.filter(
            pc.and_(pc.equal(controls["control"], name), pc.equal(controls["condition"], "multimodal"))
        )
        ok = mine.filter(pc.equal(mine["status"], "ok"))
        given = np.array([_followed(r) for r in ok.select(_ANSWERS).to_pylist()], dtype="U8")
        keys = list(zip(ok["dataset"].to_pylist(), ok["group"].to_pylist(), strict=True))
        numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        groups = np.array([numbers[k] for k in keys], dtype=np.int64)
        interval = (groups, options.level, options.replicates, options.random_state)
        text, vision = given == "text", given == "vision"
        row: dict[str, Any] = {
            "control": name,
            "groups": len(numbers),
            "n": ok.num_rows,
            "failed": mine.num_rows - ok.num_rows,
        }
        row |= {side: int((given == side).sum()) for side in ("text", "vision", "both", "other")}
        kinds = np.array([k or "" for k in ok["answer_kind"].to_pylist()], dtype="U16")
        row["declined"] = int(((given == "other") & (kinds == "abstention")).sum())
        row |= zip(_NUMBERS[:3], ratio_interval(text * 1.0, (text | vision) * 1.0, *interval), strict=True)
        mean = (np.nan, np.nan, np.nan)
        if lens and ok.num_rows:
            labels = matrix(ok["lens_label"], object)[:, 1:]  # row 0 reads the embeddings: no layer has spoken yet
            read = np.array([r[0] is not None for r in labels]) * 1.0
            mean = ratio_interval(count_switches(labels).sum(axis=1) * read, read, *interval)
        rows.append(row | dict(zip(_NUMBERS[3:], mean, strict=True)))
    return rows


_ANSWERS = ["answer", "answer_class", "answer_text", "answer_vision", "question"]


def _followed(run: dict[str, Any]) -> str:
    """Whose answer was given; records from elsewhere may not say so, but hold the answers."""
    if run["answer_class"] is not None:
        return str(run["answer_class"])
    question = run["question"] or ""
    sides = [
        s
        for s in ("text", "vision")
        if run[f"answer_{s}"] and run["answer"] == given_answer(run[f"answer_{s}"], question)
    ]
    return "both" if len(sides) == 2 else sides[0] if sides else "other"


def control_table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as a table."""
    fields = [("control", pa.string()), *((n, pa.int64()) for n in _COUNTS), *((n, pa.float64()) for n in _NUMBERS)]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))
