"""Trains pocket's adapter: ``python -m modalconflict.pocket.train --out DIR``. Resumes from DIR when it is stopped.

1. Features of the generated scenes are computed once by the frozen tower and kept on disk.
2. Alignment: the projector alone learns to give each grid cell the embeddings of the words for what it holds.
3. Instruction: projector and LoRA learn to answer, from images (three steps of four or more) and from texts.

The first half of the instruction steps see only the tiers whose figures stand apart, and there a caption that names every
figure beside the questions: to answer, the decoder must first find the cell that holds the shape.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from modalconflict.pocket import parts, training_data
from modalconflict.pocket.align import align
from modalconflict.pocket.evaluate import evaluate, held_out_scenes
from modalconflict.pocket.features import Features
from modalconflict.pocket.modeling import PocketProjector
from modalconflict.pocket.packing import Caption, Packer, run_packed
from modalconflict.pocket.training_data import COLORS, SHAPES

TRAIN_SEED = 7_000_001  # no study of a person uses it
LORA_RANK = 16
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LABEL_SMOOTHING = 0.04  # over the six colours: a floor of about 0.2 nats keeps both modalities' entropies comparable


class Lora(nn.Module):
    """A frozen linear map plus a trained low-rank product (Hu et al. 2021)."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.lora_a = nn.Parameter(torch.randn(LORA_RANK, base.in_features) / math.sqrt(base.in_features))
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, LORA_RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the sum of both maps."""
        out: torch.Tensor = self.base(x) + nn.functional.linear(nn.functional.linear(x, self.lora_a), self.lora_b)
        return out


def add_lora(language_model: nn.Module) -> dict[str, Lora]:
    """Wrap every target projection; return them by the name of the weight they adapt."""
    for parameter in language_model.parameters():
        parameter.requires_grad_(False)
    wrapped: dict[str, Lora] = {}
    for name, module in list(language_model.named_modules()):
        for child_name, child in list(module.named_children()):
            if child_name in LORA_TARGETS and isinstance(child, nn.Linear):
                wrapped[f"{name}.{child_name}"] = Lora(child)
                setattr(module, child_name, wrapped[f"{name}.{child_name}"])
    return wrapped


def answer_loss(
    model: Any, packer: Packer, rows: tuple[torch.Tensor, ...], colors: list[str], segments: list[list[list[int]]]
) -> torch.Tensor:
    """Cross-entropy of the answer, smoothed over the six colours, plus a tenth of the stop token's and half the captions'."""
    logits = model.lm_head(torch.cat(rows)).float().log_softmax(-1)
    n = len(colors)
    all_ids = torch.tensor([packer.answers[c] for c in COLORS])
    right = torch.tensor([packer.answers[c] for c in colors])
    answer = (1 - LABEL_SMOOTHING) * logits[:n].gather(1, right[:, None]).mean()
    smooth = LABEL_SMOOTHING * logits[:n][:, all_ids].mean()
    loss: torch.Tensor = -(answer + smooth) - 0.1 * logits[n : 2 * n, packer.stop].mean()
    words = [token for some in segments for one in some if isinstance(one, Caption) for token in one[one.start :]]
    if words:
        loss = loss - 0.5 * logits[2 * n :].gather(1, torch.tensor(words)[:, None]).mean()
    return loss


def vision_batch(
    rng: random.Random, packer: Packer, features: Features, count: int, apart: bool = False
) -> tuple[list[int], list[list[list[int]]], list[str]]:
    """Scenes with their questions; now and then a text that agrees, or that speaks of a shape the scene lacks.

    With ``apart``, only scenes whose figures stand apart.
    """
    indices: list[int] = []
    while len(indices) < count:
        i = rng.randrange(len(features.scenes))
        if not apart or features.scenes[i].d_v <= 4:
            indices.append(i)
    segments, colors = [], []
    for i in indices:
        scene = features.scenes[i]
        absent = [shape for shape in SHAPES if shape not in scene.shapes]
        made: list[list[int]] = []
        for shape, color in scene.askable:
            text = ""
            chance = rng.random()
            if chance < 0.10 and absent:
                text = training_data.make_text(rng, rng.choice(absent), rng.choice(COLORS), absent) + " "
            elif chance < 0.15:
                text = training_data.make_text(rng, shape, color, absent) + " "
            made.append(packer.segment(text + training_data.question(shape), color))
            colors.append(color)
        if 1 <= scene.d_v <= 4:
            made.append(packer.caption(scene.figures()))
        segments.append(made)
    return indices, segments, colors


def text_batch(rng: random.Random, packer: Packer, count: int) -> tuple[list[list[list[int]]], list[str]]:
    """Texts with their questions, four to a sequence."""
    segments: list[list[list[int]]] = []
    colors = []
    for number in range(count):
        shape, color = rng.choice(SHAPES), rng.choice(COLORS)
        if number % 4 == 0:
            segments.append([])
        text = f"{training_data.make_text(rng, shape, color)} {training_data.question(shape)}"
        segments[-1].append(packer.segment(text, color))
        colors.append(color)
    return segments, colors


def save_adapter(path: Path, projector: PocketProjector, lora: dict[str, Lora]) -> None:
    """Write projector and LoRA as float16 safetensors, whole or not at all."""
    tensors = {f"projector.{name}": value.half().contiguous() for name, value in projector.state_dict().items()}
    for name, module in lora.items():
        tensors[f"language_model.{name}.lora_a"] = module.lora_a.detach().half().contiguous()
        tensors[f"language_model.{name}.lora_b"] = module.lora_b.detach().half().contiguous()
    partial = path.with_suffix(".part")
    save_file(tensors, str(partial), metadata={"lora_scale": "1.0", "lora_rank": str(LORA_RANK)})
    partial.chmod(0o644)
    os.rename(partial, path)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a training state, whole or not at all."""
    torch.save(state, path.with_suffix(".part"))
    os.rename(path.with_suffix(".part"), path)


def train(out: Path, scenes: int, align_steps: int, steps: int, text_every: int, images: int) -> None:
    """Run or resume the whole training."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    features = Features(out, "train", TRAIN_SEED, scenes)
    held = held_out_scenes(out, per_tier=24)
    tokenizer = parts.load_tokenizer()
    packer = Packer(tokenizer)
    model = parts.load_language_model()
    model.set_attn_implementation("sdpa")
    projector = PocketProjector()
    aligned = out / "aligned.pt"
    if aligned.exists():
        projector.load_state_dict(torch.load(aligned, weights_only=True))
    else:
        align(projector, features, model.get_input_embeddings().weight.detach(), packer, align_steps)
        save_checkpoint(aligned, projector.state_dict())
    model.to(torch.bfloat16)  # frozen weights; what is trained stays in float32 under autocast
    lora = add_lora(model)
    lora_parameters = [p for module in lora.values() for p in (module.lora_a, module.lora_b)]
    print(
        f"trained: LoRA {sum(p.numel() for p in lora_parameters):,}, projector {sum(p.numel() for p in projector.parameters()):,}"
    )
    # The aligned projector moves slowly: at the decoder's rate it forgets shapes before the decoder has learned to use them.
    rates = (3e-5, 7e-4)
    optimizer = torch.optim.AdamW(
        [{"params": list(projector.parameters())}, {"params": lora_parameters}], lr=rates[0], weight_decay=0.01
    )
    trainable = [*projector.parameters(), *lora_parameters]
    first, log = 0, []
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        projector.load_state_dict(state["projector"])
        for parameter, value in zip(lora_parameters, state["lora"], strict=True):
            parameter.data.copy_(value)
        optimizer.load_state_dict(state["optimizer"])
        first, log = state["step"], state["log"]
    start = time.time()
    losses: dict[str, list[float]] = {"vision": [], "text": []}
    for step in range(first, steps):
        rng = random.Random(f"step/{step}")  # a resumed run sees what an undisturbed one would
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = (
                rate * min(1.0, (step + 1) / 40) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            )
        kind = "text" if step % text_every == text_every - 1 else "vision"
        with torch.autocast("cpu", torch.bfloat16):
            if kind == "vision":
                indices, segments, colors = vision_batch(rng, packer, features, images, apart=step < steps // 2)
                rows = run_packed(model, packer, projector(features.batch(indices)), segments)
            else:
                segments, colors = text_batch(rng, packer, 24)
                rows = run_packed(model, packer, None, segments)
            loss = answer_loss(model, packer, rows, colors, segments)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        losses[kind].append(loss.item())
        if step % 20 == 0:
            recent = {name: round(float(np.mean(values[-20:])), 3) for name, values in losses.items() if values}
            print(f"step {step}/{steps}, {time.time() - start:.0f} s, {recent}", flush=True)
        if (step + 1) % 100 == 0 or step == steps - 1:
            with torch.autocast("cpu", torch.bfloat16):
                log.append(
                    {
                        "step": step + 1,
                        "seconds": round(time.time() - start),
                        **evaluate(model, projector, packer, held),
                    }
                )
            print(json.dumps(log[-1]), flush=True)
            save_checkpoint(
                checkpoint,
                {"projector": projector.state_dict(), "lora": [p.data for p in lora_parameters],
                 "optimizer": optimizer.state_dict(), "step": step + 1, "log": log},
            )  # fmt: skip
            save_adapter(out / "adapter.safetensors", projector, lora)
            (out / "log.json").write_text(json.dumps(log, indent=1))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="working folder: features, checkpoints, adapter.safetensors"
    )
    parser.add_argument("--scenes", type=int, default=14_000, help="training scenes (default: %(default)s)")
    parser.add_argument(
        "--align-steps", type=int, default=1_500, help="steps of the projector alone (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=300, help="steps of projector and LoRA (default: %(default)s)")
    parser.add_argument("--text-every", type=int, default=4, help="every Nth step is on texts (default: %(default)s)")
    parser.add_argument("--images", type=int, default=6, help="images a vision step (default: %(default)s)")
    arguments = parser.parse_args()
    train(
        arguments.out, arguments.scenes, arguments.align_steps, arguments.steps, arguments.text_every, arguments.images
    )


if __name__ == "__main__":
    main()
