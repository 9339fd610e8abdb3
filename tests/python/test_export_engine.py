"""A bundle and a pack read by the C++ engine, against the original model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import modalconflict as mc
from modalconflict.export import programs
from modalconflict.prepare import RunSpec, load_preparer
from tiny_bundles import tiny_bundle
from tiny_models import tiny_image

QUESTION = "What color is the circle? Answer in one word."


@pytest.mark.parametrize("kind", ["llava", "tied", "chat", "pocket"])
def test_engine_reads_what_python_wrote(kind: str, tmp_path: Path) -> None:
    model, _, path = tiny_bundle(kind)
    preparer = load_preparer(path)
    image = tiny_image(1)
    texts = ("The circle is green.", "The square is blue. The circle is green.")
    specs = [RunSpec("v", "vision_only", image, None, QUESTION, "green", "red")]
    specs += [
        RunSpec(f"{order}/{i}", "multimodal", image, text, QUESTION, "green", "red", order)
        for order in ("image_first", "text_first")
        for i, text in enumerate(texts)
    ]
    specs.append(RunSpec("t", "text_only", None, texts[0], QUESTION, "green", "red"))
    pack = preparer.prepare(specs)
    pack.save(tmp_path / "pack.safetensors")
    engine = mc.load_model(path, threads=1)
    reads = engine.run(pack, max_new_tokens=4)
    from_file = engine.run(tmp_path / "pack.safetensors", max_new_tokens=4)
    assert reads.status == ["ok"] * len(specs)
    assert reads.stats["images_encoded"] == 1 and reads.stats["runs_sharing"] > 0
    np.testing.assert_array_equal(reads.entropy, from_file.entropy)
    for run, spec in enumerate(specs):
        pixels = None if spec.image is None else torch.from_numpy(pack.arrays["pixel_values.0"])
        with torch.no_grad(), programs.eager_attention(model):
            logits = model(input_ids=torch.tensor(pack.ids(run))[None], pixel_values=pixels).logits[0, -1].double()
        np.testing.assert_allclose(reads.top_logits[run, -1], logits.topk(5).values, atol=1e-4)
        entropy = torch.distributions.Categorical(logits=logits).entropy()
        np.testing.assert_allclose(reads.entropy[run, -1], entropy, atol=1e-4)
        for side in ("text", "vision"):
            expected = logits[torch.tensor(pack.candidates(run, side))].logsumexp(0)
            np.testing.assert_allclose(getattr(reads, f"logit_{side}")[run, -1], expected, atol=1e-4)
