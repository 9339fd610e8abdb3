"""Read, patch and steer between the layers: python examples/hooks.py BUNDLE IMAGE

Runs one image and one text that contradicts it, then asks of every layer: if the state at the answer position were the
one of the image-only run, which answer would come out?
"""

from __future__ import annotations

import sys

import torch

import modalconflict as mc

QUESTION = "What color is the circle? Answer in one word."
TEXT = "The circle is blue."


def main(bundle: str, image: str) -> None:
    model = mc.load_model(bundle)
    pack = model.preparer.prepare(
        [
            mc.RunSpec("image alone", "vision_only", image, None, QUESTION, None, "red"),
            mc.RunSpec("both", "multimodal", image, TEXT, QUESTION, "blue", "red"),
        ]
    )

    # Reading: a cache keeps the states whose names match; the pass ends behind the layer that is told.
    layers = model.info["sizes"]["layers"]
    cache = mc.ActivationCache("layers.*.h", positions="answer")
    model.run(pack, [cache])
    for name, states in cache.items():
        cosine = torch.nn.functional.cosine_similarity(states[0], states[1], dim=0)
        print(f"{name:>12}: cosine of the two runs' states {cosine:.3f}")
    early = mc.ActivationCache("layers.1.h")
    model.run(pack, [early], stop_after_layer=1)
    torch.testing.assert_close(early["layers.1.h"], cache["layers.1.h"])

    # Replacing: what the hook returns is what the next layer reads.
    for layer in range(1, layers + 1):
        image_alone = cache[f"layers.{layer}.h"][0]

        def patch(state: mc.HiddenState, source: torch.Tensor = image_alone) -> torch.Tensor:
            both = torch.from_numpy(state.runs == 1)
            return torch.where(both[:, None], source, state.hidden)

        reads = model.run(pack, [mc.Hook(patch, f"layers.{layer}.h")])
        print(f"patched behind layer {layer:>2}: {reads.answers[1]!r}, {reads.entropy[1, -1]:.3f} nats")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])
