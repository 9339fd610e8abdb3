"""From the reads of a batch to record rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.records.schema import record_schema
from modalconflict.runner.answers import answer_kind, given_answer
from modalconflict.runner.indices import FurtherIndices
from modalconflict.runner.plan import PlannedRun

LABELS = np.array(["irrelevant", "text", "vision"])
_INDICES = ("max_prob", "margin", "varentropy", "gini", "top_k_entropy")
_LENS = (
    ("logit_text", "logit_text"),
    ("logit_vision", "logit_vision"),
    ("lens_entropy", "entropy"),
    ("kl_final", "kl_final"),
)


@dataclass(frozen=True)
class RowContext:
    """What is the same for all rows of a study.

    Attributes
    ----------
    dataset
        The dataset's name.
    model
        The model's name.
    bundle_sha256
        Checksum of the bundle.
    known_answers
        Normalised answers the dataset knows.
    decode
        Texts of token ids, one each.
    lens
        "logit", or "tuned": what the lens columns were read by.
    indices
        Indices recorded beside the usual ones.
    vocabulary
        Rows of the unembedding.
    """

    dataset: str
    model: str
    bundle_sha256: str
    known_answers: Collection[str]
    decode: Callable[[Sequence[int]], list[str]]
    lens: str = "logit"
    indices: FurtherIndices = field(default_factory=FurtherIndices)
    vocabulary: int = 0


def index_names(reads: Any) -> tuple[str, ...]:
    """Uncertainty indices that the reads carry, of the last row."""
    return ("entropy", *(name for name in _INDICES if hasattr(reads, name)))


def label_layers(top1: npt.NDArray[np.int64], text: Collection[int], vision: Collection[int]) -> npt.NDArray[np.int8]:
    """Label of each lens row by the answer whose variants hold its top-1 token.

    Parameters
    ----------
    top1
        Shape (R,), token ids.
    text, vision
        Variant ids of the two answers. An id in both says nothing and counts as irrelevant.

    Returns
    -------
    numpy.ndarray
        Shape (R,), indices into ``("irrelevant", "text", "vision")``.

    Examples
    --------
    >>> label_layers(np.array([4, 7, 9]), text={7}, vision={9}).tolist()
    [0, 1, 2]
    """
    shared = set(text) & set(vision)
    labels = np.zeros(top1.shape, dtype=np.int8)
    labels[np.isin(top1, list(set(text) - shared))] = 1
    labels[np.isin(top1, list(set(vision) - shared))] = 2
    return labels


def _fixed(values: pa.Array, width: int, valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    mask = None if valid is None or valid.all() else pa.array(~valid)
    return pa.FixedSizeListArray.from_arrays(values, width, mask=mask)


def records_of(
    runs: Sequence[PlannedRun],
    reads: Any,
    variants: Sequence[tuple[Collection[int], Collection[int]]],
    context: RowContext,
) -> pa.Table:
    """Record rows of one batch.

    Parameters
    ----------
    runs
        The batch, n runs.
    reads
        What the engine returned for it; lens arrays have shape (n, R).
    variants
        Variant ids of (answer by text, answer by vision), n pairs.
    context
        What the rows share.

    Returns
    -------
    pyarrow.Table
        n rows in the schema of :func:`modalconflict.records.record_schema`.
    """
    rows, top_k = reads.top_ids.shape[1:]
    further = context.indices.values(reads, context.vocabulary)
    indices = (*index_names(reads), *further)
    valid = np.array([s == "ok" for s in reads.status])
    columns = named_columns(runs, reads.status, reads.answers, context)
    for name in indices:
        values = (
            further[name] if name in further else reads.entropy[:, -1] if name == "entropy" else getattr(reads, name)
        )
        columns[name] = pa.array(np.asarray(values, dtype=np.float64), mask=~valid)
    top1 = reads.top_ids[:, :, 0]
    labels = np.stack([label_layers(t, *v) for t, v in zip(top1, variants, strict=True)])
    classes = ("other", "text", "vision")
    columns["first_token_class"] = [classes[i[-1]] if ok else None for i, ok in zip(labels, valid, strict=True)]
    if hasattr(reads, "answer_log_prob"):
        columns["answer_log_prob"] = pa.array(np.asarray(reads.answer_log_prob, dtype=np.float64), mask=~valid)
        token_log_probs = [p if ok else None for p, ok in zip(reads.answer_log_probs, valid, strict=True)]
        columns["answer_token_log_probs"] = pa.array(token_log_probs, pa.list_(pa.float64()))
    unique, inverse = np.unique(reads.top_ids, return_inverse=True)
    tokens = pa.array(context.decode(unique.tolist()), pa.string()).take(pa.array(inverse.reshape(-1)))
    first = tokens.take(pa.array(np.arange(0, len(tokens), top_k)))
    columns["lens_top1"] = _fixed(pa.array(top1.reshape(-1).astype(np.int64)), rows, valid)
    columns["lens_top1_token"] = _fixed(first, rows, valid)
    columns["lens_label"] = _fixed(pa.array(LABELS[labels.reshape(-1)].tolist(), pa.string()), rows, valid)
    columns["lens_top_tokens"] = _fixed(_fixed(tokens, top_k), rows, valid)
    columns["lens"] = [context.lens] * len(runs)
    schema = record_schema(rows, top_k, indices)
    for column, source in _LENS:
        kind = schema.field(column).type.value_type
        columns[column] = _fixed(pa.array(np.asarray(getattr(reads, source)).reshape(-1), kind), rows, valid)
    return pa.table(columns, schema=schema)


def first_token_differs(table: pa.Table) -> int:
    """Count the runs whose first token belongs to another answer than the whole answer does.

    A run whose two answers are one and the same has nothing to tell apart and is not counted.
    """
    pairs = zip(table["first_token_class"].to_pylist(), table["answer_class"].to_pylist(), strict=True)
    return sum(first is not None and answer != "both" and first != answer for first, answer in pairs)


def failed_records(runs: Sequence[PlannedRun], message: str, context: RowContext, like: pa.Schema) -> pa.Table:
    """Rows of runs that could not be prepared or run: the message as status, all measurements null."""
    columns = named_columns(runs, [message] * len(runs), [""] * len(runs), context)
    empty = {f.name: pa.nulls(len(runs), f.type) for f in like if f.name not in columns}
    return pa.table({**empty, **columns}, schema=like)


def _answer_class(given: str, run: PlannedRun) -> str:
    """Whose answer was given: "text", "vision", "both" where the two are the same, "other"."""
    sides = {"text": run.answer_text, "vision": run.answer_vision}
    taken = [name for name, answer in sides.items() if answer and given == given_answer(answer, run.question)]
    return "both" if len(taken) == 2 else taken[0] if taken else "other"


def named_columns(
    runs: Sequence[PlannedRun], status: Sequence[str], answers: Sequence[str], context: RowContext
) -> dict[str, Any]:
    """Columns that every record has, from runs, their states and their decoded answers ("" where there is none)."""
    answer: list[str | None] = []
    kind: list[str | None] = []
    correct: list[bool | None] = []
    side: list[str | None] = []
    for run, raw, state in zip(runs, answers, status, strict=True):
        if state != "ok":
            for column in (answer, kind, correct, side):
                column.append(None)
            continue
        given = given_answer(raw, run.question)
        expected = run.answer_text if run.condition == "text_only" else run.answer_vision
        answer.append(given)
        kind.append(answer_kind(raw, run.question, context.known_answers))
        alone = run.condition != "multimodal" and expected is not None
        side.append(_answer_class(given, run))
        correct.append(given == given_answer(expected or "", run.question) if alone else None)
    n = len(runs)
    return {
        "case_id": [r.case_id for r in runs],
        "dataset": [context.dataset] * n,
        "group": [r.group for r in runs],
        "condition": [r.condition for r in runs],
        "d_v": pa.array([r.d_v for r in runs], pa.int32()),
        "d_t": pa.array([r.d_t for r in runs], pa.int32()),
        "order": [r.order for r in runs],
        "control": [r.control for r in runs],
        "image": pa.array([r.image for r in runs], pa.string()),
        "text": pa.array([r.text for r in runs], pa.string()),
        "question": [r.question for r in runs],
        "answer_text": pa.array([r.answer_text for r in runs], pa.string()),
        "answer_vision": pa.array([r.answer_vision for r in runs], pa.string()),
        "answer": pa.array(answer, pa.string()),
        "answer_raw": pa.array([a if s == "ok" else None for a, s in zip(answers, status, strict=True)], pa.string()),
        "answer_kind": pa.array(kind, pa.string()),
        "correct": pa.array(correct, pa.bool_()),
        "answer_class": pa.array(side, pa.string()),
        "answer_log_prob": pa.nulls(n, pa.float64()),
        "answer_token_log_probs": pa.nulls(n, pa.list_(pa.float64())),
        "status": list(status),
        "model": [context.model] * n,
        "bundle_sha256": [context.bundle_sha256] * n,
        "seed": pa.array([r.seed for r in runs], pa.int64()),
    }
