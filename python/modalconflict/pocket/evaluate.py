"""What pocket reaches on scenes, phrasings and things that it never saw: ``python -m modalconflict.pocket.evaluate``."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from modalconflict import _dataset
from modalconflict.pocket import parts, training_data
from modalconflict.pocket.features import Features
from modalconflict.pocket.packing import Packer, run_packed

HELD_OUT_SEED = 7_000_002  # no study of a person uses it


@torch.inference_mode()
def evaluate(model: Any, projector: nn.Module, packer: Packer, held: Features, texts: int = 120) -> dict[str, Any]:
    """Accuracy and entropy by tier on held-out scenes, and on the dataset's own texts (phrasings never trained on)."""
    projector.eval()

    def read(rows: torch.Tensor, colors: list[str]) -> tuple[np.ndarray, np.ndarray]:
        log_p = model.lm_head(rows).float().log_softmax(-1)
        right = torch.tensor([packer.answers[c] for c in colors])
        return (log_p.argmax(-1) == right).numpy(), (-(log_p.exp() * log_p).sum(-1)).numpy()

    correct, entropy = [], []
    for at in range(0, len(held.scenes), 16):
        scenes = held.scenes[at : at + 16]
        colors = [scene.askable[0][1] for scene in scenes]
        segments = [[packer.segment(training_data.question(s.askable[0][0]), s.askable[0][1])] for s in scenes]
        image = projector(held.batch(list(range(at, at + len(scenes)))))
        hit, h = read(run_packed(model, packer, image, segments)[0], colors)
        correct.append(hit)
        entropy.append(h)
    hits, hs = np.concatenate(correct), np.concatenate(entropy)
    tiers = np.array([scene.d_v for scene in held.scenes])
    result: dict[str, Any] = {
        "vision_accuracy": [round(float(hits[tiers == t].mean()), 3) for t in range(14)],
        "vision_entropy": [round(float(hs[tiers == t].mean()), 3) for t in range(14)],
    }
    options = _dataset.ColorRecognitionOptions(groups=texts, seed=HELD_OUT_SEED)
    kinds: dict[str, list[tuple[bool, float]]] = {}
    for d_t in range(3):
        groups = [_dataset.color_group(options, i) for i in range(texts)]
        for at in range(0, texts, 24):
            some = groups[at : at + 24]
            segments = [
                [
                    packer.segment(
                        f"{_dataset.color_text(options, g, d_t)[0]} {_dataset.color_question(options, g)}",
                        g.answer_text,
                    )
                ]
                for g in some
            ]
            hit, h = read(run_packed(model, packer, None, segments)[0], [g.answer_text for g in some])
            for g, one, value in zip(some, hit, h, strict=True):
                seen = g.entity in training_data.training_entities(g.answer_text)
                kind = f"d_t {d_t}" if d_t < 2 else ("d_t 2 seen" if seen else "d_t 2 unseen")
                kinds.setdefault(kind, []).append((bool(one), float(value)))
    result["text"] = {
        kind: {
            "accuracy": round(float(np.mean([a for a, _ in v])), 3),
            "entropy": round(float(np.mean([h for _, h in v])), 3),
        }
        for kind, v in sorted(kinds.items())
    }
    projector.train()
    return result


def held_out_scenes(folder: Path, per_tier: int) -> Features:
    """The held-out scenes' features, so many of each visual tier."""
    tiers = [tier for tier in range(_dataset.COLOR_VISION_TIERS) for _ in range(per_tier)]
    return Features(folder, "held-out", HELD_OUT_SEED, len(tiers), tiers=tiers)


def main() -> None:
    """Evaluate the shipped adapter in float32 and print JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--per-tier", type=int, default=60, help="scenes a visual tier (default: %(default)s)")
    parser.add_argument("--texts", type=int, default=240, help="texts a textual tier (default: %(default)s)")
    arguments = parser.parse_args()
    model, tokenizer = parts.load_pocket()
    with tempfile.TemporaryDirectory() as folder:
        held = held_out_scenes(Path(folder), arguments.per_tier)
        result = evaluate(model.language_model, model.projector, Packer(tokenizer), held, arguments.texts)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
