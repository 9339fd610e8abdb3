"""The data card: what a dataset holds, on one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from modalconflict.datasets.dataset import Dataset
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.pixels import read_image

_THUMB = (176, 132)
_MAX_ROWS = 24  # answers, targets: the commonest, then the rest in one line


@dataclass
class _Spread:
    """Least, mean and greatest of numbers seen one at a time."""

    count: int = 0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")

    def add(self, value: float | None) -> None:
        if value is not None:
            self.count += 1
            self.total += value
            self.low, self.high = min(self.low, value), max(self.high, value)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass
class _ImageTier:
    example: dict[str, Any]
    pictures: int = 0
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    distractors: _Spread = field(default_factory=_Spread)
    asked: _Spread = field(default_factory=_Spread)
    achieved: _Spread = field(default_factory=_Spread)
    visible: _Spread = field(default_factory=_Spread)


@dataclass
class _TextTier:
    example: dict[str, Any]
    texts: int = 0
    words: _Spread = field(default_factory=_Spread)
    lengths: Counter[int] = field(default_factory=Counter)


@dataclass
class _Counts:
    """What one pass over the manifest gathers; its size is that of the tiers and answers, not of the rows."""

    cases: int = 0
    controls: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    answers_vision: Counter[str] = field(default_factory=Counter)
    answers_text: Counter[str] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    attributes: Counter[str] = field(default_factory=Counter)
    images: dict[int, _ImageTier] = field(default_factory=dict)
    texts: dict[int, _TextTier] = field(default_factory=dict)
    groups: int = 0
    paraphrased: int = 0


def card(dataset: Dataset, out: str | Path = "card.html", title: str | None = None) -> Path:
    """Write a data card: counts, balance, lengths of the texts, occlusion and visible share as measured, example pictures.

    Parameters
    ----------
    dataset : Dataset
        Read in one pass.
    out : path
        An ``.html`` file, replaced if it is there.
    title : str, optional
        The dataset's name by default.

    Returns
    -------
    pathlib.Path
        The page's path.

    Raises
    ------
    InvalidArgument
        If `out` is no .html file.
    IoError
        If an example picture cannot be read or the page cannot be written.

    Notes
    -----
    Pictures are inlined, every string of the data is escaped, and there is no script.

    Examples
    --------
    >>> import tempfile, modalconflict as mc
    >>> mc.datasets.color_recognition(groups=2).card(tempfile.mkdtemp() + "/card.html").name
    'card.html'
    """
    import jinja2

    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidArgument(f"the card '{out}' is no .html file; name one, such as card.html")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("modalconflict.datasets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("card.html.j2").render(title=title or dataset.name, **_view(dataset))
    partial = out.with_name(out.name + ".part")
    try:
        partial.write_text(page, encoding="utf-8")
        os.replace(partial, out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise IoError(f"cannot write '{out}': {error.strerror or error}; choose another place") from None
    return out


def summary(dataset: Dataset) -> dict[str, Any]:
    """The card's numbers as plain values, for JSON.

    Returns
    -------
    dict
        ``cases``, ``groups``, ``pictures``, ``texts``, ``answers_vision``, ``answers_text``, ``targets``, ``image_tiers``,
        ``text_tiers``, ``controls``, ``orders``.
    """
    counts = _count(dataset)
    return {
        "dataset": dataset.name,
        "cases": counts.cases,
        "groups": counts.groups,
        "pictures": sum(tier.pictures for tier in counts.images.values()),
        "texts": sum(tier.texts for tier in counts.texts.values()),
        "answers_vision": dict(counts.answers_vision),
        "answers_text": dict(counts.answers_text),
        "targets": dict(counts.targets),
        "controls": dict(counts.controls),
        "orders": dict(counts.orders),
        "image_tiers": [
            {
                "d_v": d_v,
                "pictures": tier.pictures,
                "distractors": tier.distractors.mean,
                "occlusion_asked": tier.asked.mean,
                "occlusion_achieved": tier.achieved.mean,
                "visible_fraction_least": tier.visible.low if tier.visible.count else None,
                "visible_fraction_mean": tier.visible.mean,
            }
            for d_v, tier in sorted(counts.images.items())
        ],
        "text_tiers": [
            {
                "d_t": d_t,
                "texts": tier.texts,
                "words_mean": tier.words.mean,
                "words_least": tier.words.low,
                "words_most": tier.words.high,
            }
            for d_t, tier in sorted(counts.texts.items())
        ],
    }


def small_html(dataset: Dataset) -> str:
    """Two groups of the dataset for a notebook."""
    groups = min(2, len(dataset.groups))
    picture = io.BytesIO()
    dataset.contact_sheet(groups=groups).save(picture, "PNG")
    data = base64.b64encode(picture.getvalue()).decode("ascii")
    return f'<p>{html.escape(repr(dataset))}</p><img alt="{groups} of its groups" src="data:image/png;base64,{data}">'


def _count(dataset: Dataset) -> _Counts:
    counts = _Counts()
    seen = _Counted()
    for batch in dataset.batches():
        for row in batch.to_pylist():
            counts.cases += 1
            control = row.get("control") or "none"
            counts.controls[control] += 1
            counts.orders[row["order"]] += 1
            group, d_v, d_t = row["group"], row["d_v"], row["d_t"]
            if seen.new(group, "g", 0):
                counts.groups += 1
                if control == "none":
                    counts.answers_vision[row["answer_vision"]] += 1
                    counts.answers_text[row["answer_text"]] += 1
                    counts.targets[row["target"]] += 1
                    counts.attributes[row["attribute"]] += 1
            if control != "none":
                continue
            if seen.new(group, "v", d_v):
                tier = counts.images.setdefault(d_v, _ImageTier(row))
                tier.pictures += 1
                tier.sizes[row["image_width"], row["image_height"]] += 1
                tier.distractors.add(row["distractors"])
                tier.visible.add(row["visible_fraction"])
                if row["distractors"] and row["occluded_count"] is not None:
                    tier.asked.add(row["occlusion_rate"])
                    tier.achieved.add(row["occluded_count"] / row["distractors"])
            if seen.new(group, "t", d_t):
                text = counts.texts.setdefault(d_t, _TextTier(row))
                text.texts += 1
                text.words.add(row["text_words"])
                text.lengths[row["text_words"]] += 1
                counts.paraphrased += row["text_paraphrase"] is not None
    return counts


class _Counted:
    """What of each group was counted already: its number, its tiers."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, str, int]] = set()

    def new(self, group: int, side: str, tier: int) -> bool:
        key = (group, side, tier)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True


def _view(dataset: Dataset) -> dict[str, Any]:
    from modalconflict import __version__

    counts = _count(dataset)
    return {
        "dataset": dataset.name,
        "counts": counts,
        "pictures": sum(tier.pictures for tier in counts.images.values()),
        "texts": sum(tier.texts for tier in counts.texts.values()),
        "balance": _balance(counts),
        "targets": _bars(counts.targets) if set(counts.targets) != {""} else [],
        "image_tiers": [_image_tier(dataset, d_v, tier) for d_v, tier in sorted(counts.images.items())],
        "text_tiers": [_text_tier(d_t, tier) for d_t, tier in sorted(counts.texts.items())],
        "measured": any(tier.visible.count for tier in counts.images.values()),
        "options": json.dumps(dataset.options, indent=1, ensure_ascii=False)[:20_000] if dataset.options else "",
        "version": __version__,
    }


def _balance(counts: _Counts) -> list[dict[str, Any]]:
    names = sorted({*counts.answers_vision, *counts.answers_text}, key=lambda n: (-counts.answers_vision[n], n))
    most = max([*counts.answers_vision.values(), *counts.answers_text.values(), 1])
    rows = [
        {
            "name": name,
            "vision": counts.answers_vision[name],
            "text": counts.answers_text[name],
            "vision_width": round(100 * counts.answers_vision[name] / most, 1),
            "text_width": round(100 * counts.answers_text[name] / most, 1),
        }
        for name in names
    ]
    return _cut(rows, ("vision", "text"))


def _bars(counter: Counter[str]) -> list[dict[str, Any]]:
    most = max(counter.values())
    rows = [
        {"name": name or "not named", "count": count, "width": round(100 * count / most, 1)}
        for name, count in sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    ]
    return _cut(rows, ("count",))


def _cut(rows: list[dict[str, Any]], numbers: tuple[str, ...]) -> list[dict[str, Any]]:
    """The commonest, and how many others there are."""
    if len(rows) <= _MAX_ROWS:
        return rows
    rest = rows[_MAX_ROWS:]
    last = {name: sum(row[name] for row in rest) for name in numbers}
    widths = {name: 0 for name in rest[0] if name.endswith("width")}
    return [*rows[:_MAX_ROWS], {"name": f"{len(rest)} others", **last, **widths}]


def _image_tier(dataset: Dataset, d_v: int, tier: _ImageTier) -> dict[str, Any]:
    picture = read_image(dataset.path / tier.example["image"], tier.example["case_id"])
    picture.thumbnail(_THUMB, Image.Resampling.LANCZOS)
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    (width, height), _ = tier.sizes.most_common(1)[0]
    return {
        "d_v": d_v,
        "example": "data:image/png;base64," + base64.b64encode(data.getvalue()).decode("ascii"),
        "says": f"{tier.example['answer_vision']} {tier.example['target']}".strip(),
        "size": f"{width} × {height}" + (f" and {len(tier.sizes) - 1} more" if len(tier.sizes) > 1 else ""),
        "tier": tier,
    }


def _text_tier(d_t: int, tier: _TextTier) -> dict[str, Any]:
    low, high = int(tier.words.low), int(tier.words.high)
    step = max(1, -(-(high - low + 1) // 24))
    bins = [sum(tier.lengths[n] for n in range(start, start + step)) for start in range(low, high + 1, step)]
    most = max(bins)
    heights = [
        {
            "from": low + i * step,
            "to": low + i * step + step - 1,
            "count": count,
            "height": round(100 * count / most, 1),
        }
        for i, count in enumerate(bins)
    ]
    return {"d_t": d_t, "tier": tier, "histogram": heights}
