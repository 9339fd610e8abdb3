"""Every family through the whole way: real processor, export, C++ engine, against transformers' own eager run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import log_softmax
from scipy.stats import entropy as scipy_entropy

import modalconflict as mc
from engine_setting import QUESTION, Keep
from modalconflict.bundle import load_bundle
from modalconflict.errors import ModelError
from modalconflict.export import export_model, known_families, programs
from modalconflict.prepare import RunSpec
from tiny_bundles import _folder
from tiny_families import FAMILIES
from tiny_models import tiny_image

TEXTS = ("The circle is green.", "The circle has the same color as a star. The star is blue.")


@cache
def exported(family: str, dtype: str | None = None) -> tuple[Any, Any, Path]:
    """Return a family's tiny model, its processor and its bundle, made once."""
    model, processor = FAMILIES[family]()
    path = _folder() / f"family-{family}-{dtype}"
    export_model(model, processor, path, dtype)
    return model, processor, path


def images() -> list[Image.Image]:
    """Two sizes and two ratios: wide and small, tall and larger."""
    return [tiny_image(4, (130, 70)), tiny_image(5, (120, 330))]


def specifications(order: Any) -> list[RunSpec]:
    specs = [RunSpec(f"t/{i}", "text_only", None, text, QUESTION, "green", None, order) for i, text in enumerate(TEXTS)]
    for name, image in zip("ab", images(), strict=True):
        specs.append(RunSpec(f"{name}/v", "vision_only", image, None, QUESTION, None, "red", order))
        specs += [
            RunSpec(f"{name}/{i}", "multimodal", image, text, QUESTION, "green", "red", order)
            for i, text in enumerate(TEXTS)
        ]
    return specs


def original(theirs: Any, processor: Any, prompt: str, spec: RunSpec) -> tuple[list[np.ndarray], np.ndarray, list[int]]:
    """Transformers' states at the answer position, logits and tokens, from its own processor's output."""
    pictures = {} if spec.image is None else {"images": [spec.image]}
    inputs = processor(text=[prompt], return_tensors="pt", **pictures)
    with programs.eager_attention(theirs), torch.no_grad():
        out = theirs(**inputs, output_hidden_states=True)
    return [s[0, -1].numpy() for s in out.hidden_states], out.logits[0, -1].numpy(), inputs["input_ids"][0].tolist()


@pytest.mark.parametrize("order", ["image_first", "text_first"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_engine_gives_the_originals_states_logits_and_entropy(family: str, order: str) -> None:
    theirs, processor, path = exported(family)
    model = mc.load_model(path)
    specs = specifications(order)
    pack = model.preparer.prepare(specs)
    shared, alone = Keep(), Keep()
    reads = model.run(pack, [shared], max_new_tokens=2)
    apart = model.run(pack, [alone], share=False, batch_size=1, max_new_tokens=2)
    assert reads.status == ["ok"] * len(specs)
    assert reads.stats["runs_sharing"] > 0 == apart.stats["runs_sharing"]
    assert reads.stats["images_encoded"] == 2
    layers = model.info["sizes"]["layers"]
    for run, spec in enumerate(specs):
        states, logits, ids = original(theirs, processor, model.preparer.prompt(spec), spec)
        assert pack.ids(run).tolist() == ids
        for layer in range(layers):
            for keep in (shared, alone):
                np.testing.assert_allclose(keep.states[layer, run].numpy(), states[layer], atol=2e-5, rtol=2e-5)
        best = reads.top_ids[run, -1]
        np.testing.assert_allclose(reads.top_logits[run, -1], logits[best], atol=2e-5, rtol=0)
        assert best[0] == logits.argmax()
        assert reads.entropy[run, -1] == pytest.approx(
            scipy_entropy(np.exp(log_softmax(logits.astype(float)))), abs=1e-5
        )
    np.testing.assert_allclose(reads.entropy, apart.entropy, atol=1e-5)
    assert reads.answer_ids == apart.answer_ids


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_keeps_its_tolerance(family: str, dtype: str) -> None:
    _, _, path = exported(family, dtype)
    bundle = load_bundle(path)
    parity = bundle.manifest["parity"]
    assert bundle.manifest["dtype"] == dtype
    for prompt in parity["prompts"]:
        assert 1e-5 < max(prompt["hidden_max_scaled"], prompt["logits_max_scaled"]) < parity["tolerance"]
    reads = mc.load_model(path).run(
        mc.load_model(path).preparer.prepare(specifications("image_first")), max_new_tokens=1
    )
    assert reads.status == ["ok"] * 8


@pytest.mark.parametrize("family", FAMILIES)
def test_the_report_covers_three_prompts_and_two_pictures(family: str) -> None:
    manifest = load_bundle(exported(family)[2]).manifest
    assert manifest["family"] == family
    tokens = {p["condition"]: p["tokens"] for p in manifest["parity"]["prompts"]}
    assert set(tokens) == {"text_only", "vision_only", "multimodal"}
    assert max(p["hidden_max_scaled"] for p in manifest["parity"]["prompts"]) < 1e-5
    assert family in known_families()


def test_prompts_grow_with_the_pictures_shape() -> None:
    """Tiles depend on the picture's size; a frozen count would show here."""
    for family, varies in (("llava_next", True), ("internvl", True), ("idefics3", True), ("gemma3", False)):
        preparer = mc.load_model(exported(family)[2]).preparer
        specs = [
            RunSpec("c", "vision_only", tiny_image(1, size), None, QUESTION)
            for size in ((60, 60), (60, 170), (300, 300))
        ]
        lengths = {len(preparer.prepare([spec]).ids(0)) for spec in specs}
        assert (len(lengths) > 1) == varies, family


def test_a_small_picture_is_one_tile() -> None:
    theirs, processor, path = exported("internvl")
    model = mc.load_model(path)
    spec = RunSpec("c", "vision_only", tiny_image(2, (40, 40)), None, QUESTION)
    pack = model.preparer.prepare([spec])
    assert len(pack.arrays["pixel_values.0"]) == 1
    keep = Keep()
    model.run(pack, [keep], max_new_tokens=1)
    states, _, _ = original(theirs, processor, model.preparer.prompt(spec), spec)
    np.testing.assert_allclose(keep.states[2, 0].numpy(), states[2], atol=2e-5, rtol=2e-5)


def test_gemmas_pieces_are_in_the_manifest() -> None:
    model, _, path = exported("gemma3")
    manifest = load_bundle(path).manifest
    assert [layer["mask"] for layer in manifest["layers"]] == [
        "sliding_bidirectional_image", "sliding_bidirectional_image", "causal_bidirectional_image",
        "sliding_bidirectional_image",
    ]  # fmt: skip
    assert [layer.get("window") for layer in manifest["layers"]] == [9, 9, None, 9]
    assert [layer["rope"] for layer in manifest["layers"]] == model.config.text_config.layer_types
    assert manifest["embed"]["scale"] == pytest.approx(48**0.5, abs=1e-6)
    assert manifest["unembed"]["norm"]["offset"] == 1.0 and manifest["unembed"]["softcap"] is None


def test_a_processor_with_other_tiles_is_refused(tmp_path: Path) -> None:
    for family in ("llava_next", "llava_onevision"):
        model, processor = FAMILIES[family]()
        processor.image_processor.image_grid_pinpoints = [[56, 112]]
        with pytest.raises(ModelError, match=r"image_grid_pinpoints \[\[56, 112\]\] are not the model's"):
            export_model(model, processor, tmp_path / "b")


def test_a_processor_of_another_model_is_refused(tmp_path: Path) -> None:
    for family in FAMILIES:
        model, processor = FAMILIES[family]()
        model.config.image_token_id = 7
        with pytest.raises(ModelError, match=r"the model expects 7; use the processor that belongs"):
            export_model(model, processor, tmp_path / "b")
    model, processor = FAMILIES["gemma3"]()
    processor.image_processor.do_pan_and_scan = True
    with pytest.raises(ModelError, match="do_pan_and_scan"):
        export_model(model, processor, tmp_path / "b")
    model, processor = FAMILIES["idefics3"]()
    processor.image_processor.max_image_size = {"longest_edge": 70}
    with pytest.raises(ModelError, match="tiles of 70 pixels do not fit"):
        export_model(model, processor, tmp_path / "b")
    model, processor = FAMILIES["llava_onevision"]()
    processor.vision_aspect_ratio = "anyres_max_9"
    with pytest.raises(ModelError, match="'anyres_max_2' and the processor's 'anyres_max_9'"):
        export_model(model, processor, tmp_path / "b")
    assert not list(tmp_path.iterdir())
