"""A study's runs on the engine beside the loop one writes with transformers: one JSON line a comparison.

    python benchmarks/bench_engine.py [--model pocket|long] [--groups N] [--images N] [--threads N] [--batch-size N]

pocket  the embedded model, groups of 14 images x 4 texts: 74 runs a group
long    a random model with LLaVA-1.6's prompts: 2,304 image tokens, 4 texts an image

Both sides get the same token ids and pixels (preparing them is outside the clock) and give the same: for each run the lens
at every layer of the answer position (entropy, five best tokens, KL to the last layer) and the greedy answer. The loop is
`generate(output_hidden_states=True)` with attention by sdpa and the lens by the model's own norm and lm_head; `batched` sorts
runs of one condition by length and pads on the left.

ours, theirs   seconds;  ratio = theirs / ours
predicted      the ratio of floating-point operations: tokens through the layers (padding counted on neither side),
               attention, images through the tower (counted by torch's FlopCounterMode), the lens
share          ratio / predicted: 1 means that all the work spared is time spared
gate           largest difference of an entropy in nats, and how many answers agree; the script fails where they do not
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import modalconflict as mc
from modalconflict.export import export_model
from modalconflict.prepare import Pack
from modalconflict.runner.plan import Groups, plan_group, specification

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "python"))

ENTROPY_TOLERANCE = 2e-3
TOP_K = 5
TEXTS = (  # four tiers of two templates: one sentence, then the published lengths
    ("The {target} is {answer}.", "The color of the {target} is {answer}."),
    (
        "This is a drawing of plain figures on a white sheet. The {target} that you can see in the drawing is {answer}.",
        "A note was written about this picture of flat shapes on white paper. It says that the {target} has the color {answer}.",
    ),
    (
        "There is a {helper} which is not shown here, and its color is {answer}. The {target} matches the color of that {helper}.",
        "The color of the {target} and the color of a {helper} are one and the same. The color of this {helper} is {answer}.",
    ),
    (
        "Imagine {thing} in good light and at its most typical. The {target} in the picture has precisely that color and no other.",
        "The picture was made by an artist who thought of {thing} and then gave the {target} the color that goes with it.",
    ),
)


@dataclass
class Side:
    """What one side found and how long it took."""

    seconds: float = 0.0
    entropies: list[np.ndarray] = field(default_factory=list)
    answers: list[list[int]] = field(default_factory=list)


class Peer:
    """A transformers model as the loop uses it."""

    def __init__(self, model: Any, stops: list[int], max_new_tokens: int) -> None:
        self.model = model
        self.language_model = model.language_model if hasattr(model, "language_model") else model.model.language_model
        self.decoder = getattr(self.language_model, "model", self.language_model)
        self.head = model.language_model.lm_head if hasattr(model, "language_model") else model.lm_head
        self.stops = stops
        self.max_new_tokens = max_new_tokens
        for part in (model, self.language_model):
            if hasattr(part, "set_attn_implementation"):
                part.set_attn_implementation("sdpa")

    def image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        if hasattr(self.model, "projector"):
            return self.model.projector(self.model.vision_tower(pixels))
        return self.model.get_image_features(pixel_values=pixels)

    def generate(self, ids: torch.Tensor, mask: torch.Tensor, pixels: torch.Tensor | None) -> Any:
        options = {
            "attention_mask": mask,
            "max_new_tokens": self.max_new_tokens,
            "do_sample": False,
            "output_hidden_states": True,
            "return_dict_in_generate": True,
            "eos_token_id": self.stops,
            "pad_token_id": self.stops[0],
        }
        if hasattr(self.model, "generate"):
            images = {} if pixels is None else {"pixel_values": pixels}
            return self.model.generate(input_ids=ids, **images, **options)
        embeddings = self.language_model.get_input_embeddings()(ids)
        if pixels is not None:
            places = (ids == self.model.image_token_id).unsqueeze(-1).expand_as(embeddings)
            embeddings = embeddings.masked_scatter(places, self.image_features(pixels))
        return self.language_model.generate(inputs_embeds=embeddings, **options)

    def lens(self, states: torch.Tensor) -> np.ndarray:
        """Entropies of one run's states [R, d], the last of which transformers has normed already."""
        logits = self.head(torch.cat([self.decoder.norm(states[:-1]), states[-1:]]))
        log_p = torch.log_softmax(logits, -1)
        entropy = -(log_p.exp() * log_p).sum(-1)
        logits.topk(TOP_K, -1)
        torch.nn.functional.kl_div(log_p, log_p[-1:].expand_as(log_p), log_target=True, reduction="none").sum(-1)
        return entropy.numpy()

    def run(self, packs: list[Pack], batch_size: int) -> Side:
        side = Side()
        start = time.perf_counter()
        for pack in packs:
            entropies: dict[int, np.ndarray] = {}
            answers: dict[int, list[int]] = {}
            for runs in batches(pack, batch_size):
                ids, mask, pixels = padded(pack, runs, self.stops[0])
                out = self.generate(ids, mask, pixels)
                states = torch.stack([state[:, -1] for state in out.hidden_states[0]], 1)
                new = out.sequences[:, ids.shape[1] :] if out.sequences.shape[1] > ids.shape[1] else out.sequences
                for row, run in enumerate(runs):
                    entropies[run] = self.lens(states[row])
                    tokens = new[row].tolist()
                    end = next((i for i, token in enumerate(tokens) if token in self.stops), len(tokens))
                    answers[run] = tokens[:end]
            side.entropies.append(np.stack([entropies[run] for run in range(len(pack))]))
            side.answers += [answers[run] for run in range(len(pack))]
        side.seconds = time.perf_counter() - start
        return side


def batches(pack: Pack, size: int) -> Iterator[list[int]]:
    image = pack.arrays["image_index"] >= 0
    for condition in (False, True):
        runs = sorted(np.flatnonzero(image == condition).tolist(), key=lambda run: len(pack.ids(run)))
        for first in range(0, len(runs), size):
            yield runs[first : first + size]


def padded(pack: Pack, runs: list[int], pad: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    rows = [torch.from_numpy(pack.ids(run)) for run in runs]
    width = max(len(row) for row in rows)
    ids = torch.stack([torch.nn.functional.pad(row, (width - len(row), 0), value=pad) for row in rows])
    mask = torch.stack([torch.arange(width) >= width - len(row) for row in rows]).long()
    images = [int(pack.arrays["image_index"][run]) for run in runs]
    if images[0] < 0:
        return ids, mask, None
    return ids, mask, torch.cat([torch.from_numpy(pack.arrays[f"pixel_values.{i}"]) for i in images])


def engine(model: mc.Model, packs: list[Pack], max_new_tokens: int) -> tuple[Side, dict[str, float]]:
    side = Side()
    totals: dict[str, float] = {}
    start = time.perf_counter()
    for pack in packs:
        reads = model.run(pack, top_k=TOP_K, max_new_tokens=max_new_tokens)
        side.entropies.append(reads.entropy)
        side.answers += reads.answer_ids
        for name, value in reads.stats.items():
            totals[name] = totals.get(name, 0) + value
    side.seconds = time.perf_counter() - start
    return side, totals


def predicted(peer: Peer, model: mc.Model, packs: list[Pack], stats: dict[str, float]) -> dict[str, float]:
    """Floating-point operations of both sides."""
    sizes = model.info["sizes"]
    layer_weights = sum(p.numel() for p in peer.decoder.layers.parameters() if p.ndim == 2)
    attention = 4 * sizes["heads"] * sizes["head_dim"] * sizes["layers"]  # a query and key
    runs = sum(len(pack) for pack in packs)
    lens = 2 * runs * (sizes["layers"] + 1) * sizes["vocab"] * sizes["hidden"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        peer.image_features(torch.from_numpy(packs[0].arrays["pixel_values.0"]))
    image = counter.get_total_flops()
    generated = stats["generated_tokens"]
    shown = sum(int((pack.arrays["image_index"] >= 0).sum()) for pack in packs)
    lengths = [len(pack.ids(run)) for pack in packs for run in range(len(pack))]
    keys = sum(n * n / 2 for n in lengths)
    shared = stats["prompt_tokens"] - stats["prefix_tokens"] - stats["suffix_tokens"]
    # A shared prefix of P tokens spares P tokens and P² / 2 pairs of query and key.
    prefix = stats["prefix_tokens"] / max(1, stats["images_encoded"])
    spared_keys = shared * prefix / 2
    theirs = (sum(lengths) + generated) * 2 * layer_weights + keys * attention + shown * image + lens
    ours = (sum(lengths) - shared + generated) * 2 * layer_weights + (keys - spared_keys) * attention
    ours += stats["images_encoded"] * image + lens
    return {"theirs": theirs, "ours": ours, "image": image, "images_shown": shown}


def gate(ours: Side, theirs: Side) -> dict[str, Any]:
    difference = max(float(np.abs(a - b).max()) for a, b in zip(ours.entropies, theirs.entropies, strict=True))
    same = sum(a == b for a, b in zip(ours.answers, theirs.answers, strict=True))
    return {"entropy_difference": round(difference, 6), "answers_agree": f"{same} of {len(ours.answers)}"}


def pocket() -> tuple[Any, Any, int]:
    from modalconflict.pocket.parts import load_pocket

    model, tokenizer = load_pocket()
    return model, tokenizer, 8


def long_prompts() -> tuple[Any, Any, int]:
    """LLaVA-1.6's prompt in small: 48 x 48 image tokens, a tower that takes about a twentieth of the decoder's work."""
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    threads = torch.get_num_threads()
    import tiny_models  # sets one thread, as tests want it

    torch.set_num_threads(threads)
    small, processor = tiny_models.tiny_llava()
    config = LlavaConfig.from_dict(small.config.to_dict())
    config.text_config.update({"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 8, "head_dim": 64})
    config.text_config.update({"num_attention_heads": 12, "num_key_value_heads": 12, "max_position_embeddings": 4096})
    config.vision_config = CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=6,
        image_size=672,
        patch_size=14,
    )
    model = LlavaForConditionalGeneration(config).eval()
    tiny_models.widen_(model, 0)
    processor.image_processor.size = {"shortest_edge": 672}
    processor.image_processor.crop_size = {"height": 672, "width": 672}
    return model, processor, 2


def cases(groups: int, images: int, folder: Path, bundle: Path) -> list[Pack]:
    data = mc.datasets.color_recognition(groups=groups, seed=0, out=folder / "data", texts=TEXTS)
    preparer = mc.load_preparer(bundle)
    packs = []
    manifest = Groups(data.table)
    for rows in map(manifest.cases, manifest):
        tiers = sorted({row["d_v"] for row in rows})[:images]
        runs = plan_group([row for row in rows if row["d_v"] in tiers])
        packs.append(preparer.prepare([specification(run, Path(data.path)) for run in runs]))
    return packs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=["pocket", "long"], action="append")
    parser.add_argument("--groups", type=int, default=1, help="the full comparison takes 20")
    parser.add_argument("--images", type=int, help="images a group; 14 of pocket's, 2 of the long prompts'")
    parser.add_argument("--batch-size", type=int, help="of the batched loop; 16 for pocket, 4 for long prompts")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder where the bundles are kept, and used again if they are there")
    parser.add_argument("--peer", choices=["batched", "single", "none"], action="append", help="the loops to run; both")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    peers = options.peer or ["batched", "single"]
    agreed = True
    for name in options.model or ["pocket", "long"]:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            theirs_model, processor, max_new_tokens = (pocket if name == "pocket" else long_prompts)()
            bundle = (options.keep or folder) / f"{name}.bundle"
            if not bundle.exists():
                export_model(theirs_model, processor, bundle)
            model = mc.load_model(bundle)
            images = options.images or (14 if name == "pocket" else 2)
            packs = cases(options.groups, images, folder, bundle)
            peer = Peer(theirs_model, model.info["stop_token_ids"], max_new_tokens)
            model.run(packs[0], stop_after_layer=1)  # the files are in memory
            ours, stats = engine(model, packs, max_new_tokens)
            flops = predicted(peer, model, packs, stats)
            expected = flops["theirs"] / flops["ours"]
            print(
                json.dumps(
                    {"name": f"engine {name}", "seconds": round(ours.seconds, 2), **shown(stats), **rates(flops, ours)}
                )
            )
            for kind, size in (("batched", options.batch_size or (16 if name == "pocket" else 4)), ("single", 1)):
                if kind not in peers:
                    continue
                theirs = peer.run(packs, size)
                ratio = theirs.seconds / ours.seconds
                found = gate(ours, theirs)
                agreed &= found["entropy_difference"] <= ENTROPY_TOLERANCE and ours.answers == theirs.answers
                line = {
                    "name": f"engine {name} / transformers {kind}",
                    "ours": round(ours.seconds, 2),
                    "theirs": round(theirs.seconds, 2),
                    "ratio": round(ratio, 3),
                    "predicted": round(expected, 3),
                    "share": round(ratio / expected, 3),
                    "batch_size": size,
                    "gate": found,
                }
                print(json.dumps(line), flush=True)
    if not agreed:
        raise SystemExit("the two sides disagree; see the gates above")


def shown(stats: dict[str, float]) -> dict[str, float]:
    names = ("prompt_tokens", "prefix_tokens", "suffix_tokens", "padding_tokens", "generated_tokens", "images_encoded")
    return {name: int(stats[name]) for name in names} | {
        name: round(stats[name], 2) for name in ("vision_seconds", "lens_seconds")
    }


def rates(flops: dict[str, float], ours: Side) -> dict[str, float]:
    return {"gflops": round(flops["ours"] / ours.seconds / 1e9, 1)}


if __name__ == "__main__":
    main()
