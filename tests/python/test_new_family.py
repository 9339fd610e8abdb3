"""The example of a family of one's own, and families that no recipe knows."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlavaProcessor,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

import modalconflict as mc
import tiny_families
from engine_setting import QUESTION, Keep
from modalconflict.errors import ModelError
from modalconflict.export import export_model, export_path, plain_parts, registry
from modalconflict.prepare import RunSpec
from test_families import original
from tiny_models import tiny_image

EXAMPLE = Path(__file__).parents[2] / "examples" / "python" / "new_family.py"


def vipllava() -> tuple[Any, Any]:
    tokenizer = tiny_families._tokenizer_with()
    config = VipLlavaConfig(
        vision_config=CLIPVisionConfig(**tiny_families._TOWER),
        text_config=tiny_families._llama(len(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=(-1, -3, 1),
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return tiny_families._finish(VipLlavaForConditionalGeneration(config), 20), processor


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The example, imported; what it registers is forgotten afterwards."""
    registry.known_families()
    monkeypatch.setattr(registry, "_RECIPES", dict(registry._RECIPES))
    spec = importlib.util.spec_from_file_location("new_family", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_is_as_short_as_the_docs_say() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 60


def test_the_examples_bundle_runs_in_the_engine(example: Any, tmp_path: Path) -> None:
    model, processor = vipllava()
    model.save_pretrained(tmp_path / "m")
    processor.save_pretrained(tmp_path / "m")
    bundle = export_path(tmp_path / "m", tmp_path / "b")
    assert bundle.manifest["family"] == "vipllava" and bundle.manifest["source"] == "m"
    engine = mc.load_model(bundle.path)
    spec = RunSpec("c", "multimodal", tiny_image(3, (90, 200)), "The circle is green.", QUESTION, "green", "red")
    keep = Keep()
    engine.run(engine.preparer.prepare([spec]), [keep], max_new_tokens=1)
    states, _, _ = original(model, processor, engine.preparer.prompt(spec), spec)
    for layer in range(3):
        np.testing.assert_allclose(keep.states[layer, 0].numpy(), states[layer], atol=2e-5, rtol=2e-5)


def test_a_recipe_that_is_wrong_is_caught(example: Any, tmp_path: Path) -> None:
    """The class token kept: one row too many."""
    model, processor = vipllava()
    known = registry.recipe_for("vipllava")

    def wrong(model: Any, processor: Any) -> Any:
        parts = known(model, processor)
        parts.vision.drop_class_token = False
        return parts

    registry.register("vipllava")(wrong)
    with pytest.raises(ModelError, match="the processor puts 16 image tokens and the model makes 17"):
        export_model(model, processor, tmp_path / "b")

    def shifted(model: Any, processor: Any) -> Any:
        parts = known(model, processor)
        parts.vision.wanted = [layer % 3 + 1 for layer in parts.vision.wanted]
        return parts

    registry.register("vipllava")(shifted)
    with pytest.raises(ModelError, match="differs from the model by .* at layer 0 of the vision_only prompt"):
        export_model(model, processor, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_without_the_example_the_family_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # another test of this process may have run the example
    monkeypatch.delitem(registry._RECIPES, "vipllava", raising=False)
    model, processor = vipllava()
    with pytest.raises(
        ModelError, match=r"'vipllava' is not known \(known: gemma3, .*smolvlm\).*plain_parts.*docs/export"
    ) as caught:
        export_model(model, processor, tmp_path / "b")
    assert "\n" not in str(caught.value)
    assert callable(plain_parts)
