"""A study with a known law: records, a data folder with pictures, and a stand-in model, none of which needs a bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from modalconflict.errors import IoError
from modalconflict.records import record_schema

COLORS = {
    "red": (204, 51, 51),
    "yellow": (230, 200, 40),
    "blue": (50, 90, 200),
    "green": (60, 150, 70),
    "purple": (130, 60, 160),
    "orange": (235, 130, 30),
}
NAMES = list(COLORS)
BALANCE = -0.5
WIDTH = 0.35
LAYERS = 12
TOP_K = 3
QUESTION = "What color is the {shape}? Answer in one word."
SHAPES = ("circle", "square", "triangle", "star")


def follow_text_probability(delta: np.ndarray, balance: float = BALANCE) -> np.ndarray:
    """The law of the synthetic model."""
    return 1.0 / (1.0 + np.exp((delta - balance) / WIDTH))


def tier_entropy(rng: np.random.Generator, tier: int, tiers: int, low: float, high: float) -> float:
    """An entropy in nats that grows with the tier."""
    centre = low + (high - low) * tier / max(tiers - 1, 1)
    return float(centre * np.exp(rng.normal(0, 0.35)))


@dataclass
class Synthetic:
    """One group's truth: answers, entropies and what the multimodal runs do."""

    records: pa.Table
    outcomes: list[str] = field(default_factory=list)


def _trace(rng: np.random.Generator, final: str, delta: float, balance: float) -> tuple[list[str], np.ndarray]:
    """Layer labels (row 0: embeddings) and the logit difference: cases near the balance point waver more."""
    closeness = float(np.exp(-abs(delta - balance)))
    switches = int(rng.binomial(3, 0.15 + 0.45 * closeness))
    sequence = [final]
    for _ in range(switches):
        sequence.append("vision" if sequence[-1] == "text" else "text")
    sequence = sequence[::-1]
    start = LAYERS // 3
    cuts = (
        np.sort(rng.choice(np.arange(start + 1, LAYERS), size=switches, replace=False))
        if switches
        else np.array([], int)
    )
    labels = ["irrelevant"] * (LAYERS + 1)
    for row in range(start, LAYERS + 1):
        labels[row] = sequence[int(np.searchsorted(cuts, row, side="right"))]
    ramp = np.clip((np.arange(LAYERS + 1) - start) / (LAYERS - start), 0, 1)
    sign = np.array([{"text": 1.0, "vision": -1.0, "irrelevant": 0.0}[x] for x in labels])
    return labels, ramp * (2 * sign - 1.5 * (delta - balance)) + rng.normal(0, 0.1, LAYERS + 1)


def make_records(
    groups: int = 30,
    seed: int = 0,
    *,
    balance: float = BALANCE,
    v_tiers: int = 6,
    t_tiers: int = 3,
    model: str = "synthetic",
    other: float = 0.03,
    wrong: float = 0.05,
    hostile: str | None = None,
) -> pa.Table:
    """Records of a study that obeys the law: `groups` × (t_tiers + v_tiers + v_tiers · t_tiers) runs.

    Parameters
    ----------
    groups, v_tiers, t_tiers
        Size.
    seed
        Of everything.
    balance
        ΔH_rel at which text and image are followed equally often.
    model
        Its name in the records.
    other
        Share of multimodal answers that are neither.
    wrong
        Share of the unimodal answers that are wrong.
    hostile
        A text put in place of every description.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for g in range(groups):
        image_color, text_color = rng.choice(6, size=2, replace=False)
        third = int(next(i for i in range(6) if i not in (image_color, text_color)))
        shape = SHAPES[g % len(SHAPES)]
        names = {"text": NAMES[text_color], "vision": NAMES[image_color], "other": NAMES[third]}
        h_t = [tier_entropy(rng, t, t_tiers, 0.3, 1.2) for t in range(t_tiers)]
        h_v = [tier_entropy(rng, v, v_tiers, 0.25, 1.5) for v in range(v_tiers)]
        ok_t, ok_v = rng.random(t_tiers) > wrong, rng.random(v_tiers) > wrong
        base = {
            "dataset": "color_recognition",
            "group": g,
            "order": "image_first",
            "question": QUESTION.format(shape=shape),
            "status": "ok",
            "model": model,
            "bundle_sha256": "0" * 64,
            "seed": seed + g,
        }
        texts = [
            hostile or f"The {shape} is {names['text']}.",
            f"The {shape} has the color of a square.",
            "The shape is like a sapphire.",
        ]
        texts = [texts[t % 3] for t in range(t_tiers)]
        for t in range(t_tiers):
            y = names["text"] if ok_t[t] else names["other"]
            rows.append(
                base
                | {
                    "case_id": f"color/{g:05d}/t{t}",
                    "condition": "text_only",
                    "d_t": t,
                    "text": texts[t],
                    "answer_text": names["text"],
                    "answer": y,
                    "correct": bool(ok_t[t]),
                    "entropy": h_t[t],
                    **_lens(rng, "text", -1.0, names),
                }
            )
        for v in range(v_tiers):
            image = f"images/{g:05d}-v{v:02d}.png"
            y_v = names["vision"] if ok_v[v] else names["other"]
            rows.append(
                base
                | {
                    "case_id": f"color/{g:05d}/v{v:02d}",
                    "condition": "vision_only",
                    "d_v": v,
                    "image": image,
                    "answer_vision": names["vision"],
                    "answer": y_v,
                    "correct": bool(ok_v[v]),
                    "entropy": h_v[v],
                    **_lens(rng, "vision", 1.0, names),
                }
            )
            for t in range(t_tiers):
                delta = 2 * (h_t[t] - h_v[v]) / (h_t[t] + h_v[v])
                final = "text" if rng.random() < follow_text_probability(np.array(delta), balance) else "vision"
                final = "other" if rng.random() < other else final
                kind = (
                    ["third_answer", "abstention", "format_failure"][int(rng.integers(3))]
                    if final == "other"
                    else "answer"
                )
                answer = {"third_answer": names["other"], "abstention": "unknown", "format_failure": "it"}.get(
                    kind, names[final]
                )
                rows.append(
                    base
                    | {
                        "case_id": f"color/{g:05d}/v{v:02d}/t{t}",
                        "condition": "multimodal",
                        "d_v": v,
                        "d_t": t,
                        "image": image,
                        "text": texts[t],
                        "answer_text": names["text"],
                        "answer_vision": names["vision"],
                        "answer": answer,
                        "answer_kind": "answer" if kind == "third_answer" else kind,
                        "entropy": float(rng.gamma(2, 0.3)),
                        **_lens(rng, final, delta, names, balance),
                    }
                )
    for row in rows:
        row["answer_raw"] = row["answer"].capitalize()
        row.setdefault("answer_kind", "answer")
        row["max_prob"] = float(1 - np.exp(-row["entropy"]))
        row["margin"] = row["max_prob"]
        row["first_token_class"] = row["lens_label"][-1] if row["lens_label"][-1] != "irrelevant" else "other"
    return pa.Table.from_pylist(rows, schema=record_schema(LAYERS + 1, TOP_K))


def _lens(
    rng: np.random.Generator, final: str, delta: float, names: dict[str, str], balance: float = BALANCE
) -> dict[str, Any]:
    labels, difference = _trace(rng, final if final != "other" else "text", delta, balance)
    if final == "other":
        labels[-1] = "irrelevant"
    words = {"text": " " + names["text"], "vision": " " + names["vision"], "irrelevant": " the"}
    tokens = [words[x] for x in labels]
    return {
        "lens_top1": [NAMES.index(t.strip()) if t.strip() in NAMES else 99 for t in tokens],
        "lens_top1_token": tokens,
        "lens_label": labels,
        "lens_top_tokens": [[t, " is", "\n"] for t in tokens],
        "logit_text": (8 + difference / 2).astype(np.float32).tolist(),
        "logit_vision": (8 - difference / 2).astype(np.float32).tolist(),
        "lens_entropy": np.linspace(8, 0.5, LAYERS + 1).tolist(),
        "kl_final": np.linspace(9, 0, LAYERS + 1).tolist(),
    }


def make_study(folder: Path, **options: Any) -> Path:
    """A finished study folder with the pictures its records name; returns the folder."""
    from modalconflict.records import RecordWriter

    records = make_records(**options)
    study, data = folder / "study", folder / "data"
    study.mkdir(parents=True)
    (data / "images").mkdir(parents=True)
    for row in records.select(["image", "answer_vision", "d_v"]).to_pylist():
        if row["image"] is not None and not (data / row["image"]).exists():
            draw_scene(data / row["image"], COLORS[row["answer_vision"] or "red"], row["d_v"])
    information = {
        "format": "modalconflict-study",
        "records_version": "1",
        "model": {
            "name": records["model"][0].as_py(),
            "family": "llava",
            "dtype": "float32",
            "sha256": "0" * 64,
            "layers": LAYERS,
            "path": None,
        },
        "dataset": {
            "name": "color_recognition",
            "sha256": "1" * 64,
            "path": str(data),
            "cases": records.num_rows,
            "options": None,
        },
        "options": {"text": "original", "order": None, "max_new_tokens": 8, "top_k": TOP_K, "batch_size": None},
        "versions": {"modalconflict": "0.1.0", "torch": "2.13.0"},
        "machine": {"processor": "a processor", "cpus": 2, "system": "Linux"},
        "begun": "2026-01-01T00:00:00+00:00",
        "calls": [
            {"runs": records.num_rows, "seconds": 12.5, "prompt_tokens": 300, "prefix_tokens": 80, "suffix_tokens": 120}
        ],
    }
    (study / "study.json").write_text(json.dumps(information))
    writer = RecordWriter(study)
    numbers = records["group"].to_numpy()
    for group in np.unique(numbers):
        writer.write(int(group), records.filter(pa.array(numbers == group)), seconds=0.1)
    return study


def draw_scene(path: Path, color: tuple[int, int, int], tier: int | None) -> None:
    """A small picture: a target in the answer's colour, and a distractor a tier."""
    image = Image.new("RGB", (96, 72), "white")
    pen = ImageDraw.Draw(image)
    pen.ellipse((30, 18, 66, 54), fill=color)
    for i in range(tier or 0):
        pen.rectangle((4 + 14 * i, 58, 14 + 14 * i, 68), fill=(120, 120, 120))
    image.save(path)


def make_dataset(folder: Path, groups: int = 3, v_tiers: int = 2, t_tiers: int = 2) -> SimpleNamespace:
    """A small data folder in the manifest's layout: `.path` and `.table` as a loaded dataset has them."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for g in range(groups):
        vision, text = NAMES[g % 6], NAMES[(g + 1) % 6]
        for v in range(v_tiers):
            image = f"images/{g:05d}-v{v:02d}.png"
            draw_scene(folder / image, COLORS[vision], v)
            for t in range(t_tiers):
                rows.append(
                    {
                        "case_id": f"color/{g:05d}/v{v:02d}/t{t}",
                        "dataset": "color_recognition",
                        "group": g,
                        "d_v": v,
                        "d_t": t,
                        "image": image,
                        "text": f"Text {t}: the circle is {text}.",
                        "text_paraphrase": f"Text {t}: {text} is the circle.",
                        "question": QUESTION.format(shape="circle"),
                        "answer_text": text,
                        "answer_vision": vision,
                        "order": "image_first",
                        "seed": g,
                        "pixel_sha256": "0" * 64,
                    }
                )
    table = pa.Table.from_pylist(rows).replace_schema_metadata(
        {"modalconflict.dataset": json.dumps({"groups": groups})}
    )
    pq.write_table(table, folder / "manifest.parquet")
    return SimpleNamespace(path=folder, table=table)


class StandInPreparer:
    """Prepares specifications as they are; token i is colour i, 99 is anything else."""

    tokenizer = SimpleNamespace(decode=lambda ids: f" {NAMES[ids[0]]}" if ids[0] < 6 else " the")

    def prepare(self, specs: list[Any]) -> Any:
        """Keep the specifications, and fail as the real one does on an image that cannot be read."""
        for spec in specs:
            if spec.image is not None:
                try:
                    Image.open(spec.image).load()
                except OSError as error:
                    raise IoError(f"The image '{spec.image}' of case '{spec.case_id}' cannot be read.") from error
        side = {"text": "answer_text", "vision": "answer_vision"}

        def candidates(run: int, which: str) -> np.ndarray:
            answer = getattr(specs[run], side[which])
            return np.array([] if answer is None else [NAMES.index(answer)], dtype=np.int64)

        return SimpleNamespace(specs=specs, candidates=candidates)


class StandInModel:
    """Answers from the specification: by the text if the picture's tier is odd; `broken` cases give non-finite logits."""

    def __init__(self, broken: tuple[str, ...] = ()) -> None:
        self.info = {
            "source": "stand-in",
            "family": "test",
            "dtype": "float32",
            "sha256": "a" * 64,
            "sizes": {"layers": LAYERS},
        }
        self.broken = broken
        self.calls: list[list[str]] = []

    def run(self, pack: Any, top_k: int = 5, max_new_tokens: int = 8) -> Any:
        """Reads with the shapes that the engine gives."""
        specs, n, rows = pack.specs, len(pack.specs), LAYERS + 1
        self.calls.append([s.case_id for s in specs])
        answers = [
            (s.answer_text if s.image is None or ("01." in str(s.image) and s.text) else None) or s.answer_vision
            for s in specs
        ]
        top = np.full((n, rows, top_k), 99, dtype=np.int64)
        top[:, rows // 2 :, 0] = np.array([NAMES.index(a) for a in answers])[:, None]
        number = np.array([sum(map(ord, s.case_id)) for s in specs], dtype=float)
        entropy = 0.1 + np.outer(number / 1000, np.linspace(2, 1, rows))
        logits = np.tile(np.linspace(0, 1, rows, dtype=np.float32), (n, 1))
        return SimpleNamespace(
            status=["ok" if s.case_id not in self.broken else "non-finite logits at layer 3" for s in specs],
            answers=[f" {a.capitalize()}." for a in answers],
            answer_ids=[[0]] * n,
            top_ids=top,
            top_logits=np.zeros((n, rows, top_k), np.float32),
            entropy=entropy,
            kl_final=np.zeros((n, rows)),
            logit_text=logits,
            logit_vision=1 - logits,
            max_prob=entropy[:, -1] / 10,
            margin=entropy[:, -1] / 8,
            varentropy=entropy[:, -1] / 6,
            stats={"prompt_tokens": 3 * n, "prefix_tokens": n, "suffix_tokens": n},
            seconds=0.01,
        )
