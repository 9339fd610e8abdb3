"""The exported programs against transformers' own run: layers, logits, other shapes, other dtypes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from modalconflict.bundle import load_bundle
from modalconflict.errors import ModelError
from modalconflict.export import export_model, programs, registry
from modalconflict.export.runner import BundleRunner
from modalconflict.prepare import RunSpec, load_preparer
from tiny_bundles import tiny_bundle
from tiny_models import tiny_image, tiny_llava, widen_

QUESTION = "What color is the circle? Answer in one word."


def prompt(kind: str, condition: str) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
    image = None if condition == "text_only" else tiny_image(4)
    text = None if condition == "vision_only" else "The circle is green."
    pack = load_preparer(tiny_bundle(kind)[2]).prepare([RunSpec("c", condition, image, text, QUESTION)])
    return torch.tensor(pack.ids(0)), pack.image_inputs(0)


def reference(
    model: Any, ids: torch.Tensor, image: dict[str, torch.Tensor] | None
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Transformers' hidden states (the last one normed, as transformers returns it) and logits."""
    with programs.eager_attention(model), torch.no_grad():
        out = model(input_ids=ids[None], output_hidden_states=True, **(image or {}))
    return [state[0] for state in out.hidden_states], out.logits[0]


@pytest.mark.parametrize("condition", ["text_only", "vision_only", "multimodal"])
@pytest.mark.parametrize("kind", ["llava", "tied", "pocket"])
def test_every_layer_and_the_logits_agree_wherever_the_prefix_ends(kind: str, condition: str) -> None:
    model, _, path = tiny_bundle(kind)
    ids, image = prompt(kind, condition)
    states, logits = reference(model, ids, image)
    runner = BundleRunner(load_bundle(path))
    for cut in (0, 1, len(ids) // 2, len(ids) - 1):
        walk = runner.run(ids, image, cut)
        assert walk.hidden.shape[0] == len(states)
        for ours, theirs in zip(walk.hidden[:-1], states[:-1], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
        torch.testing.assert_close(walk.logits, logits, atol=1e-4, rtol=0)


def test_the_last_state_is_not_normed_yet() -> None:
    model, _, path = tiny_bundle("llava")
    ids, image = prompt("llava", "multimodal")
    states, _ = reference(model, ids, image)
    last = BundleRunner(load_bundle(path)).run(ids, image).hidden[-1]
    torch.testing.assert_close(model.model.language_model.norm(last), states[-1], atol=1e-4, rtol=0)
    assert (last - states[-1]).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["llava", "pocket"])
@pytest.mark.parametrize("images", [1, 3])
def test_vision_programs_take_any_number_of_images(kind: str, images: int) -> None:
    model, _, path = tiny_bundle(kind)
    runner = BundleRunner(load_bundle(path))
    side = 56 if kind == "llava" else 32
    pixels = torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(images))
    with torch.no_grad():
        ours = runner.image_rows({"pixel_values": pixels})[0]
        if kind == "llava":
            theirs = torch.stack(list(model.get_image_features(pixels).pooler_output))
        else:
            theirs = model.projector(model.vision_tower(pixels))
    torch.testing.assert_close(ours, theirs.flatten(0, 1), atol=1e-5, rtol=0)


def test_report_in_the_manifest_is_what_was_measured() -> None:
    _, _, path = tiny_bundle("llava")
    parity = json.loads((path / "bundle.json").read_text())["parity"]
    assert [entry["condition"] for entry in parity["prompts"]] == ["text_only", "vision_only", "multimodal"]
    for entry in parity["prompts"]:
        assert len(entry["hidden_max_abs"]) == 5
        assert 0 < entry["hidden_max_scaled"] < 1e-5 < parity["tolerance"]
        assert 0 < entry["logits_max_abs"] < 1e-4 and entry["top1_equal"]
        assert 0 < entry["prefix"] < entry["tokens"]
    assert {(s["batch"], s["length"], s["past"]) for s in parity["other_shapes"]} >= {(1, 1, 0), (4, 7, 2)}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_bundle_stores_half_the_bytes_and_runs(dtype: str) -> None:
    model, _, path = tiny_bundle("llava", dtype)
    bundle = load_bundle(path)
    runner = BundleRunner(bundle)
    kinds = {name: tensor.dtype for name, tensor in runner.tensors.items()}
    assert kinds["layers.0.block.self_attn.q_proj.weight"] == getattr(torch, dtype)
    assert kinds["rotary.rotary.inv_freq"] == torch.float32
    assert bundle.manifest["programs"]["layer"]["file"] == f"programs/layer.{dtype}.pt"
    ids, image = prompt("llava", "multimodal")
    _, logits = reference(model, ids, image)
    difference = (runner.run(ids, image).logits - logits).abs().max()
    assert 1e-4 < difference < 0.3, "rounded to the half type, and no more than that"


def test_a_bfloat16_model_keeps_its_dtype(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    bundle = export_model(model.to(torch.bfloat16), processor, tmp_path / "b")
    assert bundle.manifest["dtype"] == "bfloat16"
    assert bundle.manifest["parity"]["reference"].endswith("bfloat16")


def test_binding_names_a_missing_and_a_foreign_tensor() -> None:
    _, _, path = tiny_bundle("llava")
    runner = BundleRunner(load_bundle(path))
    program = programs.load(path / "programs" / "layer.float32.pt")
    with pytest.raises(ModelError, match=r"lack the tensor 'layers\.9\."):
        programs.bind(program, runner.tensors, "layers.9.")
    foreign = dict(runner.tensors)
    name = "layers.0.block.mlp.up_proj.weight"
    foreign[name] = foreign[name].T
    with pytest.raises(ModelError, match=r"up_proj.*\(64, 128\).*asks for.*\(128, 64\)"):
        programs.bind(program, foreign, "layers.0.")


def test_layers_of_two_kinds_get_two_programs(tmp_path: Path) -> None:
    model, processor = tiny_llava(seed=5)
    layers = model.model.language_model.layers
    layers[2].self_attn.scaling = 0.5
    layers[3].input_layernorm.variance_epsilon = 1e-2
    bundle = export_model(model, processor, tmp_path / "b")
    assert [layer["program"] for layer in bundle.manifest["layers"]] == ["layer", "layer", "layer_2", "layer_3"]


def test_sliding_window_is_in_the_manifest_and_in_the_mask(tmp_path: Path) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, MistralConfig

    model, processor = tiny_llava(seed=6, layers=2)
    old = model.config
    text = MistralConfig(
        hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=old.text_config.vocab_size, max_position_embeddings=256, sliding_window=6,
    )  # fmt: skip
    config = LlavaConfig(
        vision_config=old.vision_config, text_config=text, image_token_index=old.image_token_id,
        vision_feature_select_strategy="default", tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    bundle = export_model(LlavaForConditionalGeneration(config).eval(), processor, tmp_path / "b")
    assert [(layer["mask"], layer["window"]) for layer in bundle.manifest["layers"]] == [("sliding", 6)] * 2


@pytest.mark.parametrize("layers", [-1, -2, [-3, -1]])
def test_siglip_tower_read_at_one_layer_or_several(layers: int | list[int], tmp_path: Path) -> None:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, SiglipVisionConfig

    old, processor = tiny_llava(layers=1)
    processor.num_additional_image_tokens = 0
    processor.vision_feature_select_strategy = "full"
    config = LlavaConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, image_size=56,
            patch_size=14, vision_use_head=False,
        ),
        text_config=old.config.text_config, image_token_index=old.config.image_token_id,
        vision_feature_layer=layers, vision_feature_select_strategy="full", tie_word_embeddings=False,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config).eval()
    widen_(model, seed=8)
    bundle = export_model(model, processor, tmp_path / "b")
    runner = BundleRunner(bundle)
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = torch.stack(list(model.get_image_features(pixels).pooler_output))
        torch.testing.assert_close(
            runner.image_rows({"pixel_values": pixels})[0], theirs.flatten(0, 1), atol=1e-5, rtol=0
        )
    blocks = {name.split(".")[2] for name in runner.tensors if name.startswith("vision.blocks.")}
    assert len(blocks) == (2 if layers == -2 else 3)


def test_feature_layer_outside_the_tower(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    model.config.vision_feature_layer = -9
    with pytest.raises(ModelError, match=r"vision_feature_layer -9 lies outside the tower's 4 hidden states"):
        export_model(model, processor, tmp_path / "b")


def test_export_that_is_not_exact_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = tiny_llava(layers=1)
    known = registry.recipe_for("llava")

    def wrong_tower(model: Any, processor: Any) -> Any:
        from modalconflict.export.llava import TowerProgram

        parts = known(model, processor)
        parts.vision = TowerProgram(model.model.vision_tower, -1, True)
        return parts

    monkeypatch.setitem(registry._RECIPES, "llava", wrong_tower)
    with pytest.raises(ModelError, match=r"differs from the model by .* at layer 0 of the vision_only prompt"):
        export_model(model, processor, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []
