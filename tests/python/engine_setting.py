"""What the tests of the engine share: loaded tiny models, a pack of eight runs, and transformers' own answer to each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import modalconflict as mc
from modalconflict.export import programs
from modalconflict.model import HiddenState, Model
from modalconflict.prepare import Pack, RunSpec
from tiny_bundles import tiny_bundle
from tiny_models import tiny_image

QUESTION = "What color is the circle? Answer in one word."


def specifications(order: Any = "image_first") -> list[RunSpec]:
    texts = ["The circle is green.", "The circle has the same color as a star. The star is blue."]
    specs = []
    for name, image in (("a", tiny_image(4)), ("b", tiny_image(5))):
        specs.append(RunSpec(f"{name}/v", "vision_only", image, None, QUESTION, None, "red", order))
        for i, text in enumerate(texts):
            specs.append(RunSpec(f"{name}/{i}", "multimodal", image, text, QUESTION, "green", "red", order))
    return specs + [
        RunSpec(f"t/{i}", "text_only", None, t, QUESTION, "green", None, order) for i, t in enumerate(texts)
    ]


def loaded(kind: str) -> tuple[Any, Model, Pack]:
    theirs, _, path = tiny_bundle(kind)
    model = mc.load_model(path)
    return theirs, model, model.preparer.prepare(specifications())


def reference(theirs: Any, pack: Pack, run: int, more: list[int] | None = None) -> tuple[list[np.ndarray], np.ndarray]:
    """Hidden states at the last position before the final norm (but for the last, which is normed), and the logits."""
    ids = torch.tensor([[*pack.ids(run).tolist(), *(more or [])]])
    image = int(pack.arrays["image_index"][run])
    pixels = None if image < 0 else torch.from_numpy(pack.arrays[f"pixel_values.{image}"])
    with programs.eager_attention(theirs), torch.no_grad():
        out = theirs(input_ids=ids, pixel_values=pixels, output_hidden_states=True)
    return [state[0, -1].numpy() for state in out.hidden_states], out.logits[0, -1].numpy()


class Keep:
    """A hook that keeps what it is shown, by layer and run."""

    def __init__(self) -> None:
        self.states: dict[tuple[int, int], torch.Tensor] = {}

    def __call__(self, state: HiddenState) -> None:
        for run, hidden in zip(state.runs, state.hidden, strict=True):
            self.states[state.layer, int(run)] = hidden
