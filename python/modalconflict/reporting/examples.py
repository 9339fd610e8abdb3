"""Example cases: which ones, and what the page shows of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from modalconflict.analysis.result import ModelAnalysis, signed
from modalconflict.reporting.figures import picture


def choose(model: ModelAnalysis) -> list[tuple[str, int]]:
    """Title and row (in the cases table) of each example.

    The clearest case on each side, the most wavering one near the balance point, one that goes against the law, and
    one that followed neither; each only if there is such a case. The choice depends on the numbers alone.
    """
    cases = model.cases
    used = np.array(cases["included"].to_pylist(), dtype=bool)
    delta = cases["delta"].to_numpy(zero_copy_only=False)
    outcome = np.array([o or "" for o in cases["outcome"].to_pylist()])
    point = model.summary["balance_point"]["headline"]["estimate"]
    centre = float(np.median(delta[used])) if point is None else point
    chosen: list[tuple[str, int]] = []

    def add(title: str, mask: Any, score: Any) -> None:
        rows = [i for i in np.flatnonzero(used & mask) if all(i != j for _, j in chosen)]
        if rows:
            chosen.append((title, int(min(rows, key=lambda i: (score[i], i)))))

    add("The text is easy, and it wins", outcome == "text", delta)
    add("The image is easy, and it wins", outcome == "vision", -delta)
    if "oscillations" in cases.column_names:
        near = np.abs(delta - centre) <= 0.5
        add(
            "Hard to decide: the layers waver",
            near & (outcome != "other"),
            -cases["oscillations"].to_numpy().astype(float),
        )
    add("Against the rule: the text wins where the image usually does", (outcome == "text") & (delta > centre), -delta)
    add("Against the rule: the image wins where the text usually does", (outcome == "vision") & (delta < centre), delta)
    add("Neither", outcome == "other", np.abs(delta - centre))
    return chosen[:6]


def token_text(token: str | None) -> str:
    """A token as a reader sees it: white space named, the leading blank dropped."""
    if token is None:
        return "–"
    visible = token.strip() or token.replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣")
    return visible if visible else "∅"


def describe(model: ModelAnalysis, row: int, title: str) -> dict[str, Any]:
    """What the page shows of one case."""
    case = model.cases.slice(row, 1).to_pylist()[0]
    study = model.summary.get("study") or {}
    root = (study.get("dataset") or {}).get("path")
    image = picture(Path(root) / case["image"]) if root and case["image"] else None
    layers = []
    if case.get("lens_label"):
        difference = np.array(case["logit_text"], float) - np.array(case["logit_vision"], float)
        scale = float(np.nanmax(np.abs(difference[1:]))) if np.isfinite(difference[1:]).any() else 1.0
        for i in range(1, len(case["lens_label"])):
            tokens = case["lens_top_tokens"][i] if case.get("lens_top_tokens") else [case["lens_top1_token"][i]]
            layers.append(
                {
                    "layer": i,
                    "label": case["lens_label"][i],
                    "tokens": [token_text(t) for t in tokens],
                    "difference": signed(float(difference[i]), 1),
                    "share": 0.0 if not np.isfinite(difference[i]) or scale == 0 else float(difference[i] / scale),
                    "entropy": signed(case["lens_entropy"][i]),
                }
            )
    return {
        "title": title,
        "case_id": case["case_id"],
        "image": image,
        "text": case["text"],
        "question": case["question"],
        "y_text": case["y_text"],
        "y_vision": case["y_vision"],
        "answer": case["answer_raw"] or case["y_multimodal"],
        "u_text": signed(case["u_text"], 3),
        "u_vision": signed(case["u_vision"], 3),
        "delta": signed(case["delta"]),
        "outcome": case["outcome"],
        "d_v": case["d_v"],
        "d_t": case["d_t"],
        "oscillations": case.get("oscillations"),
        "layers": layers,
    }


def curve_cases(model: ModelAnalysis) -> pa.Table | None:
    """Cases of one image, one a text tier, for the layer curves: the included image with the most tiers nearest the balance point."""
    cases = model.included()
    if cases.num_rows == 0 or "logit_text" not in cases.column_names or cases["d_t"].null_count:
        return None
    point = model.summary["balance_point"]["headline"]["estimate"] or 0.0
    keys = list(zip(cases["dataset"].to_pylist(), cases["group"].to_pylist(), cases["d_v"].to_pylist(), strict=True))
    distance = np.abs(cases["delta"].to_numpy() - point)
    found: dict[Any, list[int]] = {}
    for i, key in enumerate(keys):
        found.setdefault(key, []).append(i)
    best = min(found.values(), key=lambda rows: (-len(rows), float(distance[rows].mean()), rows[0]))
    return cases.take(pa.array(best)).sort_by("d_t")
