"""What a study runs: for each group its text-only, vision-only and multimodal runs, in an order fixed by the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modalconflict.errors import InvalidArgument

TEXTS = {"original": "text", "paraphrase": "text_paraphrase"}


@dataclass(frozen=True)
class PlannedRun:
    """One run of a group, before it is prepared.

    Attributes
    ----------
    case_id
        Of the run: "color/00012/t1" (text only), "color/00012/v03" (vision only), "color/00012/v03/t1".
    group
        Its group.
    condition
        "text_only", "vision_only" or "multimodal".
    d_v, d_t
        Tiers; None where the run has no image or no text.
    image
        As in the manifest, relative to the dataset; None for a text-only run.
    text
        None for a vision-only run.
    question
        With its command.
    answer_text, answer_vision
        The answers the text and the image lead to; None where the run lacks that modality.
    order
        "image_first" or "text_first".
    seed
        The case's seed.
    control
        "none" for a conflict, else the control that its group is: "text_irrelevant", "image_irrelevant", "blank_image".
    """

    case_id: str
    group: int
    condition: str
    d_v: int | None
    d_t: int | None
    image: str | None
    text: str | None
    question: str
    answer_text: str | None
    answer_vision: str | None
    order: str
    seed: int | None
    control: str = "none"


def plan_group(cases: list[dict[str, Any]], text_column: str = "text", order: str | None = None) -> list[PlannedRun]:
    """Runs of one group: each text once alone, each image once alone, each case together.

    Parameters
    ----------
    cases
        The group's manifest rows.
    text_column
        "text" or "text_paraphrase".
    order
        Order of image and text; None keeps the manifest's.

    Returns
    -------
    list of PlannedRun
        Text-only runs by tier, then image by image its vision-only run and its multimodal runs by text tier, so that
        what shares an image stands together.
    """
    cases = sorted(cases, key=lambda c: (c["d_v"], c["d_t"]))
    first_id = cases[0]["case_id"]
    prefix = first_id.split("/v")[0] if "/v" in first_id else f"{cases[0]['dataset']}/{cases[0]['group']:05d}"
    texts: dict[int, dict[str, Any]] = {}
    for case in cases:
        if case[text_column] is None:
            raise InvalidArgument(f"case {case['case_id']} has no paraphrase; run the original texts, or give it one")
        first = texts.setdefault(case["d_t"], case)
        if first[text_column] != case[text_column] or first["question"] != case["question"]:
            raise InvalidArgument(
                f"case {case['case_id']} has another text or question than {first['case_id']} of the same group and text tier; "
                f"the text-only run is shared, so give both the same"
            )
    runs = [_planned(case, f"{prefix}/t{d_t}", "text_only", text_column, order) for d_t, case in sorted(texts.items())]
    seen: dict[int, str] = {}
    for case in cases:
        d_v = case["d_v"]
        if d_v not in seen:
            seen[d_v] = case["image"]
            runs.append(_planned(case, f"{prefix}/v{d_v:02d}", "vision_only", text_column, order))
        elif seen[d_v] != case["image"]:
            raise InvalidArgument(
                f"case {case['case_id']} has another image than its group and tier; the vision-only run is shared"
            )
        runs.append(_planned(case, case["case_id"], "multimodal", text_column, order))
    return runs


def _planned(case: dict[str, Any], case_id: str, condition: str, text_column: str, order: str | None) -> PlannedRun:
    with_text, with_image = condition != "vision_only", condition != "text_only"
    return PlannedRun(
        case_id=case_id,
        group=case["group"],
        condition=condition,
        d_v=case["d_v"] if with_image else None,
        d_t=case["d_t"] if with_text else None,
        image=case["image"] if with_image else None,
        text=case[text_column] if with_text else None,
        question=case["question"],
        answer_text=case["answer_text"] if with_text else None,
        answer_vision=case["answer_vision"] if with_image else None,
        order=order or case.get("order") or "image_first",
        seed=case.get("seed"),
        control=case.get("control") or "none",
    )


class Groups:
    """A manifest's groups by number; a group's cases become Python objects only when it is asked for.

    Parameters
    ----------
    table
        The manifest.
    limit
        Only the first so many groups.
    """

    def __init__(self, table: pa.Table, limit: int | None = None) -> None:
        self._table = table.select([c for c in table.column_names if c != "pixel_sha256"])
        groups = table["group"].to_numpy()
        self._order = np.argsort(groups, kind="stable")
        numbers, starts = np.unique(groups[self._order], return_index=True)
        ends = [*starts[1:].tolist(), len(groups)]
        whole = dict(zip(numbers.tolist(), zip(starts.tolist(), ends, strict=True), strict=True))
        self._ranges = dict(list(whole.items())[:limit])

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ranges)

    def cases(self, number: int) -> list[dict[str, Any]]:
        """Return a group's manifest rows, in the manifest's order."""
        begin, end = self._ranges[number]
        rows: list[dict[str, Any]] = self._table.take(pa.array(self._order[begin:end])).to_pylist()
        return rows


def specification(planned: PlannedRun, root: Path) -> Any:
    """The run as preparation wants it, with its image's place under the dataset's folder."""
    from modalconflict.prepare import RunSpec

    return RunSpec(
        case_id=planned.case_id,
        condition=planned.condition,  # type: ignore[arg-type]
        image=None if planned.image is None else root / planned.image,
        text=planned.text,
        question=planned.question,
        answer_text=planned.answer_text,
        answer_vision=planned.answer_vision,
        order=planned.order,  # type: ignore[arg-type]
    )
