"""The embedded model's real parts, its projector untrained: sizes, tokenizer and graph as shipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from modalconflict.export import export_model
from modalconflict.prepare import RunSpec, load_preparer
from tiny_models import COLORS, tiny_image


@pytest.mark.slow
@pytest.mark.pocket
def test_pocket_exports_exactly(tmp_path: Path) -> None:
    from modalconflict.pocket.modeling import NUM_IMAGE_TOKENS, PocketModel, PocketProjector
    from modalconflict.pocket.parts import load_language_model, load_tokenizer, load_vision_tower

    torch.manual_seed(0)
    tokenizer = load_tokenizer()
    model = PocketModel(load_vision_tower(), PocketProjector().eval(), load_language_model()).eval()
    bundle = export_model(model, tokenizer, tmp_path / "pocket")
    assert bundle.sizes["layers"] == 30 and bundle.sizes["hidden"] == 576 and bundle.sizes["vocab"] == 49152
    weights = sum(p.stat().st_size for p in bundle.path.glob("weights-*"))
    once = 4 * sum(p.numel() for p in model.parameters())
    assert once <= weights < 1.001 * once, "the tied embedding is stored once"
    assert max(p.stat().st_size for p in bundle.path.glob("programs/*")) < 500_000
    for prompt in bundle.manifest["parity"]["prompts"]:
        assert prompt["hidden_max_scaled"] < 1e-5 and prompt["logits_max_abs"] < 1e-3 and prompt["top1_equal"]

    preparer = load_preparer(bundle.path)
    question = "What color is the circle? Answer in one word."
    pack = preparer.prepare([RunSpec("a", "vision_only", tiny_image(0, (800, 600)), None, question, None, "red")])
    image = tokenizer.convert_ids_to_tokens(model.image_token_id) * NUM_IMAGE_TOKENS
    prompt = f"<|im_start|>user\n{image}{question}<|im_end|>\n<|im_start|>assistant\n"
    np.testing.assert_array_equal(pack.ids(0), tokenizer.encode(prompt, add_special_tokens=False))
    assert pack.arrays["pixel_values.0"].shape == (1, 3, 224, 224)
    first = {color: set(preparer.answer_variants(color)) for color in COLORS}
    for color in COLORS:
        assert tokenizer.encode(color.capitalize(), add_special_tokens=False)[0] in first[color]
        assert not any(first[color] & first[other] for other in COLORS if other != color)
