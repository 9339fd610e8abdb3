"""Records of an lmms-eval run over a task that `modalconflict.datasets.to_lmms_eval` wrote."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.schema import BOUND_FIELDS, record_schema, validate_records

_DOC = (
    "case_id", "group", "condition", "d_v", "d_t", "text", "question", "answer_text", "answer_vision", "order", "seed",
)  # fmt: skip
_INDICES = ("entropy", "max_prob", "margin")


def from_lmms_eval(samples: str | Path, model: str) -> pa.Table:
    """Records from the samples that lmms-eval logged (``--log_samples``).

    Parameters
    ----------
    samples
        ``…_samples_<task>.jsonl`` of a task by :func:`modalconflict.datasets.to_lmms_eval`.
    model
        The model's name in the records.

    Returns
    -------
    pyarrow.Table
        One row a run, validated. From the task ``…_choices``: `entropy`, `max_prob` and `margin` of the distribution *over the
        dataset's answers*, the log-likelihoods normalised among them (`entropy_kind` "choices"), nats; not the entropy over
        the vocabulary, and not to be compared with it. From the generating task: answers alone.

    Raises
    ------
    IoError
        If the file is missing or unreadable.
    InvalidArgument
        Naming the line that is no sample of such a task.

    Examples
    --------
    >>> records = from_lmms_eval("samples_modalconflict_choices.jsonl", "llava")   # doctest: +SKIP
    >>> mc.analyze(records, cases="all")                                            # doctest: +SKIP
    """
    from modalconflict.runner.answers import given_answer
    from modalconflict.runner.plan import PlannedRun
    from modalconflict.runner.rows import RowContext, named_columns

    path = Path(samples)
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise IoError(
            f"the samples '{path}' cannot be read ({error}); name the file that --log_samples wrote"
        ) from error
    if not lines:
        raise InvalidArgument(f"'{path.name}' holds no samples; run lmms-eval with --log_samples")
    runs, answers = [], []
    chances: list[Any] = []
    known: set[str] = set()
    dataset = "lmms_eval"
    for number, line in enumerate(lines):
        doc, found = _sample(line, path.name, number)
        control = str(doc.get("control") or "none")
        runs.append(PlannedRun(**{key: doc[key] for key in _DOC}, image=doc.get("picture"), control=control))
        answers.append(str(found["answer"]))
        chances.append(found.get("choice_log_probs"))
        known.update(doc.get("choices") or ())
        dataset = str(doc.get("dataset") or dataset)
    context = RowContext(dataset, model, "", {given_answer(a) for a in known}, lambda ids: ["" for _ in ids])
    columns = named_columns(runs, ["ok"] * len(runs), answers, context)
    columns["first_token_class"] = pa.nulls(len(runs), pa.string())
    scored = [values is not None for values in chances]
    if any(scored) and not all(scored):
        raise InvalidArgument(
            f"'{path.name}', line {scored.index(False)}: it has no choices where others have; keep the tasks apart"
        )
    indices: tuple[str, ...] = ()
    if all(scored):
        indices = _INDICES
        measured = np.array([_indices(values, path.name, row) for row, values in enumerate(chances)])
        columns |= {name: measured[:, i] for i, name in enumerate(_INDICES)}
        columns["entropy_kind"] = ["choices"] * len(runs)
        columns["known_tokens"] = pa.array([len(values) for values in chances], pa.int32())
    plain = record_schema(0, 0, indices)
    schema = pa.schema([*plain, *BOUND_FIELDS], metadata=plain.metadata) if indices else plain
    filled = {f.name: columns.get(f.name, pa.nulls(len(runs), f.type)) for f in schema}
    table = pa.table(filled, schema=schema)
    return validate_records(table, path.name) if indices else table


def _sample(line: str, name: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        sample = json.loads(line)
        doc, found = sample["doc"], sample["text_following_rate"]
        if isinstance(found["answer"], str) and all(key in doc for key in _DOC):
            return doc, found
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidArgument(
        f"'{name}', line {number}: it is no sample of a task that modalconflict wrote; write the task by to_lmms_eval"
    )


def _indices(values: Any, name: str, row: int) -> tuple[float, float, float]:
    """Entropy, 1 - p1 and 1 - (p1 - p2) of the choices."""
    try:
        logs = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        logs = np.array([math.nan])
    if logs.ndim != 1 or len(logs) < 2 or not np.isfinite(logs).all():
        raise InvalidArgument(
            f"'{name}', line {row}: choice_log_probs are not two or more finite numbers; run the task again"
        )
    logs -= np.logaddexp.reduce(logs)
    p = np.sort(np.exp(logs))[::-1]
    return float(max(-(np.exp(logs) * logs).sum(), 0.0)), float(1 - p[0]), float(1 - (p[0] - p[1]))
