"""The cases that the page can show one by one: which ones, and what it holds of each."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from modalconflict.analysis.cases import included_cases
from modalconflict.analysis.indices import relative_column
from modalconflict.analysis.layers import bin_index
from modalconflict.analysis.result import ModelAnalysis
from modalconflict.reporting.counts import OUTCOMES, Axis
from modalconflict.reporting.examples import choose, token_text

MOST_CASES = 720
"""Cases of all models together that the page shows one by one."""
MOST_A_MODEL = 240
PICTURE_BYTES = 3_000_000
"""Bytes of all thumbnails together; cases beyond have no picture on the page."""
THUMBNAIL = 192
"""Largest side of a thumbnail, pixels."""
TEXT_LENGTH = 2000
"""Characters kept of a text; longer ones end in an ellipsis."""
TOKENS = 3
"""Tokens kept a layer."""


class Shared:
    """Values that repeat over the cases, each held once and referred to by its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Any, int] = {}

    def number(self, value: Any) -> int:
        """The value's number, a new one if it was not seen yet."""
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]


@dataclass
class Pictures:
    """Thumbnails by content, within a number of bytes."""

    uris: list[str] = field(default_factory=list)
    bytes: int = 0
    left_out: int = 0
    _numbers: dict[str, int | None] = field(default_factory=dict)

    def number(self, path: Path) -> int | None:
        """The thumbnail's number, or None if the picture cannot be read or there is no room left."""
        key = str(path)
        if key not in self._numbers:
            uri = thumbnail(path) if self.bytes < PICTURE_BYTES else None
            if uri is None:
                self.left_out += 1
                self._numbers[key] = None
            elif uri in self.uris:
                self._numbers[key] = self.uris.index(uri)
            else:
                self._numbers[key] = len(self.uris)
                self.uris.append(uri)
                self.bytes += len(uri)
        return self._numbers[key]


def thumbnail(path: Path) -> str | None:
    """A small copy of a picture as a data URI: PNG of 64 colours or WebP, whichever is smaller; None if it cannot be read."""
    from PIL import Image, features

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    found: list[tuple[str, bytes]] = []
    buffer = io.BytesIO()
    image.quantize(64).save(buffer, format="PNG", optimize=True)
    found.append(("png", buffer.getvalue()))
    lossy = "webp" if features.check("webp") else "jpeg"
    buffer = io.BytesIO()
    image.save(buffer, format=lossy.upper(), quality=80)
    found.append((lossy, buffer.getvalue()))
    kind, content = min(found, key=lambda f: len(f[1]))
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def choose_rows(model: ModelAnalysis, keep: str, axis: Axis, most: int) -> list[int]:
    """Rows (in the cases table) that the page shows one by one, at most `most`.

    The examples first; then in turn from every pair of outcome and drawn bin of ΔU_rel, so that rare kinds are seen as well as
    common ones. Within a kind the order is that of a checksum of the case's name: the same cases are chosen of every model
    that saw them, as far as the models' outcomes allow.
    """
    delta = model.cases["delta"].to_numpy(zero_copy_only=False)
    outcome = model.cases["outcome"].to_pylist()
    used = included_cases(model.cases, keep) & np.isfinite(delta)
    where = bin_index(np.nan_to_num(delta), axis.edges)
    names = model.cases["case_id"].to_pylist()
    strata: dict[tuple[int, str], list[int]] = {}
    for row in np.flatnonzero(used).tolist():
        strata.setdefault((int(where[row]), str(outcome[row])), []).append(row)
    for rows in strata.values():
        rows.sort(key=lambda r: hashlib.sha256(str(names[r]).encode("utf-8", "replace")).digest(), reverse=True)
    chosen = dict.fromkeys(row for _, row in choose(model))
    queues = [strata[k] for k in sorted(strata)]
    while queues and len(chosen) < most:
        for rows in queues:
            if len(chosen) >= most:
                break
            chosen.setdefault(rows.pop())
        queues = [rows for rows in queues if rows]
    return sorted(list(chosen)[:most], key=lambda r: (delta[r], names[r]))


@dataclass
class Samples:
    """The shown cases of all models, with what they share."""

    texts: Shared = field(default_factory=Shared)
    tokens: Shared = field(default_factory=Shared)
    pictures: Pictures = field(default_factory=Pictures)

    def describe(self, model: ModelAnalysis, rows: list[int], indices: list[str], levels: dict[str, list[Any]]) -> Any:
        """Everything the page holds of these cases, as plain lists and dictionaries."""
        study = model.summary.get("study") or {}
        root = (study.get("dataset") or {}).get("path")
        deltas = {i: relative_column(model.cases, i) for i in indices}
        cases = []
        for row in rows:
            case = model.cases.slice(row, 1).to_pylist()[0]
            image = self.pictures.number(Path(root) / case["image"]) if root and case["image"] else None
            places = {c: levels[c].index(min(case[c], levels[c][-1])) if case[c] is not None else 0 for c in levels}
            cases.append(
                {
                    "id": case["case_id"],
                    "image": image,
                    "text": self._text(case["text"]),
                    "question": self._text(case["question"]),
                    "tier": [case["d_v"], case["d_t"]],
                    "level": [places["d_v"], places["d_t"]],
                    "alone": [_short(case["y_text"]), _short(case["y_vision"])],
                    "answer": _short((case["answer_raw"] or "").strip() or case["y_multimodal"]),
                    "outcome": OUTCOMES.index(case["outcome"]),
                    "kind": case["other_kind"],
                    "oscillations": case.get("oscillations"),
                    "delta": [_digits(deltas[i][row]) for i in indices],
                    "u": [[_digits(case[f"{i}.text"]), _digits(case[f"{i}.vision"])] for i in indices],
                    "layers": self._layers(case),
                }
            )
        return cases

    def _text(self, text: str | None) -> int | None:
        return None if text is None else self.texts.number(_short(text, TEXT_LENGTH))

    def _layers(self, case: dict[str, Any]) -> list[list[Any]] | None:
        """A row a layer: label, logit difference, lens entropy, numbers of the top tokens; None without a lens."""
        if not case.get("lens_label"):
            return None
        rows = []
        for i in range(1, len(case["lens_label"])):
            tokens = case["lens_top_tokens"][i] if case.get("lens_top_tokens") else [case["lens_top1_token"][i]]
            rows.append(
                [
                    case["lens_label"][i][0],
                    _digits(case["logit_text"][i] - case["logit_vision"][i], 2),
                    _digits(case["lens_entropy"][i], 2) if case.get("lens_entropy") else None,
                    [self.tokens.number(_short(token_text(t), 40)) for t in tokens[:TOKENS]],
                ]
            )
        return rows


def _digits(value: float | None, digits: int = 4) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def _short(text: str | None, most: int = 200) -> str | None:
    return text if text is None or len(text) <= most else text[:most] + "…"
