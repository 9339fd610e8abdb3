"""What is particular to Qwen2-VL, Qwen2.5-VL and Qwen3-VL; what every family must do is in test_families.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import modalconflict as mc
from engine_setting import QUESTION, Keep
from modalconflict.bundle import load_bundle
from modalconflict.errors import InvalidArgument, ModelError
from modalconflict.export import export_model, export_path, parity, programs
from modalconflict.export.registry import recipe_for
from modalconflict.export.runner import BundleRunner
from modalconflict.image_inputs import make_image_inputs
from modalconflict.model import HiddenState, Hook
from modalconflict.prepare import RunSpec
from modalconflict.processors import image_only, load_processor
from test_families import exported, original, specifications
from tiny_models import tiny_image
from tiny_qwen import MARKS, QWEN_FAMILIES, SYSTEM, qwen_processor, tiny_qwen

TEXT = "The circle is green."


def given_to(theirs: Any, processor: Any, prompt: str, spec: RunSpec) -> Any:
    images = {} if spec.image is None else {"images": [spec.image]}
    return processor(text=[prompt], return_tensors="pt", **images)


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_answers_are_those_of_generate(family: str) -> None:
    theirs, processor, path = exported(family)
    model = mc.load_model(path)
    specs = specifications("image_first") + specifications("text_first")
    reads = model.run(model.preparer.prepare(specs), max_new_tokens=6)
    stop = model.info["stop_token_ids"]
    assert stop == [processor.tokenizer.eos_token_id]
    for run, spec in enumerate(specs):
        inputs = given_to(theirs, processor, model.preparer.prompt(spec), spec)
        with programs.eager_attention(theirs), torch.no_grad():
            out = theirs.generate(**inputs, do_sample=False, max_new_tokens=6)
        expected = out[0, inputs["input_ids"].shape[1] :].tolist()
        ended = expected[-1] in stop
        assert reads.answer_ids[run] == (expected[:-1] if ended else expected)
        assert reads.answer_stopped[run] == ended


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_every_position_of_every_layer_agrees_the_images_own_included(family: str) -> None:
    theirs, processor, path = exported(family)
    model = mc.load_model(path)
    specs = specifications("image_first")
    seen: dict[tuple[int, int], torch.Tensor] = {}

    def keep(state: HiddenState) -> None:
        for run, length, hidden in zip(state.runs, state.lengths, state.hidden, strict=True):
            seen[state.layer, int(run)] = hidden[:length]

    model.run(model.preparer.prepare(specs), [Hook(keep, positions="all")], max_new_tokens=1)
    parts = recipe_for(family)(theirs, processor)
    for run, spec in enumerate(specs):
        inputs = given_to(theirs, processor, model.preparer.prompt(spec), spec)
        ids = inputs.pop("input_ids")[0]
        inputs.pop("attention_mask")
        with programs.eager_attention(theirs):
            expected, _ = parity.original_run(parts, ids, inputs)
        for layer, states in enumerate(expected):
            torch.testing.assert_close(seen[layer, run], states, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 0.03), ("bfloat16", 0.2)])
@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_half_precision_follows_the_full_one_through_the_engine(family: str, dtype: str, tolerance: float) -> None:
    theirs, processor, path = exported(family, dtype)
    model = mc.load_model(path)
    specs = specifications("image_first")
    keep = Keep()
    reads = model.run(model.preparer.prepare(specs), [keep], max_new_tokens=1)
    assert reads.status == ["ok"] * len(specs)
    assert reads.stats["runs_sharing"] > 0 and reads.stats["padding_tokens"] > 0
    for run, spec in enumerate(specs):
        states, logits, _ = original(theirs, processor, model.preparer.prompt(spec), spec)
        for layer in range(model.info["sizes"]["layers"]):
            assert keep.states[layer, run].dtype == getattr(torch, dtype)
            np.testing.assert_allclose(keep.states[layer, run].float(), states[layer], atol=tolerance, rtol=0)
        np.testing.assert_allclose(reads.top_logits[run, -1], logits[reads.top_ids[run, -1]], atol=tolerance, rtol=0)


@pytest.mark.parametrize("family", QWEN_FAMILIES)
@settings(deadline=None, max_examples=12)
@given(rows=st.integers(1, 8), columns=st.integers(1, 8))
def test_the_tower_takes_any_grid(family: str, rows: int, columns: int) -> None:
    theirs, _, path = exported(family)
    runner = BundleRunner(load_bundle(path))
    pixels = torch.randn(4 * rows * columns, runner_values(theirs), generator=torch.Generator().manual_seed(rows))
    grid = torch.tensor([[1, 2 * rows, 2 * columns]])
    made = make_image_inputs(
        {"pixel_values": pixels, "image_grid_thw": grid}, (1, 1), runner.manifest["prompt"]["image_inputs"]
    )
    with torch.no_grad(), programs.eager_attention(theirs):
        ours = runner.image_rows({name: torch.as_tensor(tensor) for name, tensor in made.tensors.items()})
        out = theirs.model.get_image_features(pixels, grid)
    torch.testing.assert_close(ours[0], torch.cat(list(out.pooler_output)), atol=2e-5, rtol=2e-5)
    deep = [torch.cat(list(feature)) for feature in getattr(out, "deepstack_features", None) or []]
    assert len(ours) == 1 + len(deep) == (3 if family == "qwen3_vl" else 1)
    for one, other in zip(ours[1:], deep, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=2e-5)


def runner_values(theirs: Any) -> int:
    sees = theirs.config.vision_config
    return int(sees.in_channels * sees.temporal_patch_size * sees.patch_size**2)


def test_pieces_are_in_the_manifest() -> None:
    manifests = {family: load_bundle(exported(family)[2]).manifest for family in QWEN_FAMILIES}
    for family, manifest in manifests.items():
        assert manifest["ropes"]["default"]["position_dims"] == 3
        assert manifest["projector"] is None
        assert manifest["vision"]["inputs"][:2] == ["pixel_values", "patch_places"]
        assert (manifest["inject"] != []) == (family == "qwen3_vl")
    assert manifests["qwen3_vl"]["inject"] == [{"layer": 1, "output": 1}, {"layer": 2, "output": 2}]
    assert manifests["qwen2_5_vl"]["prompt"]["image_inputs"] == {"kind": "patches", "merge": 2, "window": 3}
    assert manifests["qwen3_vl"]["prompt"]["image_inputs"]["position_grid"] == 5


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_the_prompt_is_the_chat_templates(family: str) -> None:
    _, processor, path = exported(family)
    preparer = mc.load_model(path).preparer
    start = "" if family == "qwen3_vl" else SYSTEM
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    joint = RunSpec("c", "multimodal", tiny_image(1), TEXT, QUESTION)
    end = "<|im_end|>\n<|im_start|>assistant\n"
    assert preparer.prompt(joint) == f"{start}<|im_start|>user\n{image}{TEXT} {QUESTION}{end}"
    later = RunSpec("c", "multimodal", tiny_image(1), TEXT, QUESTION, order="text_first")
    assert preparer.prompt(later) == f"{start}<|im_start|>user\n{TEXT}{image}{QUESTION}{end}"
    content = [
        {"type": "text", "text": TEXT},
        {"type": "image", "image": tiny_image(1)},
        {"type": "text", "text": QUESTION},
    ]
    theirs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="np",
    )  # fmt: skip
    np.testing.assert_array_equal(preparer.prepare([later]).ids(0), theirs["input_ids"][0])


@pytest.mark.parametrize("mark", MARKS)
def test_marks_in_words_are_refused(mark: str) -> None:
    preparer = mc.load_model(exported("qwen2_vl")[2]).preparer
    with pytest.raises(InvalidArgument, match=r"'odd' contains '<\|.*control token") as caught:
        preparer.prepare([RunSpec("odd", "text_only", None, f"The circle {mark} is green.", QUESTION)])
    assert mark in str(caught.value)


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_least_and_most_pixels_are_the_processors(family: str, tmp_path: Path) -> None:
    model, _ = tiny_qwen(family, layers=2)
    patch = model.config.vision_config.patch_size
    token = (2 * patch) ** 2
    processor = qwen_processor(family, patch, min_pixels=9 * token, max_pixels=12 * token)
    preparer = mc.load_model(export_model(model, processor, tmp_path / "b").path).preparer
    for size in ((1, 1), (40, 90), (500, 400)):
        pack = preparer.prepare([RunSpec("c", "vision_only", tiny_image(1, size), None, QUESTION)])
        tokens = int((pack.ids(0) == model.config.image_token_id).sum())
        assert 9 <= tokens <= 12, size
        assert len(pack.arrays["pixel_values.0"]) == 4 * tokens


def test_a_picture_far_too_long_is_named() -> None:
    preparer = mc.load_model(exported("qwen2_vl")[2]).preparer
    with pytest.raises(InvalidArgument, match=r"image of case 'long' cannot be processed \(.*aspect ratio.*crop"):
        preparer.prepare([RunSpec("long", "vision_only", tiny_image(1, (1, 300)), None, QUESTION)])


def test_runs_of_two_pictures_in_one_pack_keep_their_own_grids() -> None:
    _, _, path = exported("qwen2_5_vl")
    pack = mc.load_model(path).preparer.prepare(specifications("image_first"))
    assert pack.images == 2
    a, b = (pack.arrays[f"window_patches.{i}"] for i in range(2))
    assert a.shape[0] != b.shape[0] and a.shape[1] == b.shape[1] == 36
    assert pack.arrays["positions"].shape[0] == 3
    for run in range(len(pack)):
        positions = pack.positions(run)
        assert (positions[0] != positions[1]).any() == (pack.arrays["image_index"][run] >= 0)


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_a_processor_that_cuts_otherwise_is_refused(family: str, tmp_path: Path) -> None:
    for name, value in (("patch_size", 14), ("merge_size", 3), ("temporal_patch_size", 4)):
        model, processor = tiny_qwen(family, layers=1)
        setattr(processor.image_processor, name, value)
        with pytest.raises(ModelError, match=f"processor's {name} is {value} and the model's"):
            export_model(model, processor, tmp_path / "b")
    model, processor = tiny_qwen(family, layers=1)
    processor.chat_template = None
    with pytest.raises(ModelError, match="no chat template"):
        export_model(model, processor, tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_learned_positions_read_otherwise_are_refused(tmp_path: Path) -> None:
    model, processor = tiny_qwen("qwen3_vl", layers=1)
    model.model.visual.interpolation_mode = "bicubic"
    with pytest.raises(ModelError, match="by bicubic interpolation"):
        export_model(model, processor, tmp_path / "b")


def test_deeper_stacks_than_the_decoder_are_refused(tmp_path: Path) -> None:
    model, processor = tiny_qwen("qwen3_vl", layers=1)
    with pytest.raises(ModelError, match=r"no valid layer and output in inject\[1\]"):
        export_model(model, processor, tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_rotary_frequencies_stay_in_full_precision() -> None:
    bundle = load_bundle(exported("qwen2_vl", "bfloat16")[2])
    kinds = {name: tensor.dtype for name, tensor in BundleRunner(bundle).tensors.items()}
    assert kinds["vision.inv_freq"] == kinds["rotary.rotary.inv_freq"] == torch.float32
    assert kinds["vision.blocks.0.attn.qkv.weight"] == torch.bfloat16


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_a_half_precision_model_with_a_tied_head(family: str, tmp_path: Path) -> None:
    model, processor = tiny_qwen(family, seed=5, layers=2, tied=True)
    bundle = export_model(model.to(torch.bfloat16), processor, tmp_path / "b")
    assert bundle.manifest["dtype"] == "bfloat16"
    assert bundle.manifest["unembed"]["weight"] == "embed.weight"
    prompts = bundle.manifest["parity"]["prompts"]
    assert max(prompt["hidden_max_scaled"] for prompt in prompts) < 0.05


@pytest.mark.parametrize("family", QWEN_FAMILIES)
def test_export_from_a_folder(family: str, tmp_path: Path) -> None:
    model, processor = tiny_qwen(family, layers=2)
    source = tmp_path / f"tiny-{family}"
    model.save_pretrained(source)
    processor.save_pretrained(source)
    bundle = export_path(source, tmp_path / "b")
    assert bundle.manifest["source"] == f"tiny-{family}" and bundle.manifest["family"] == family
    assert bundle.manifest["vision"]["inputs"][0] == "pixel_values"


def test_a_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    """Older checkpoints keep the image processor apart, the template as JSON, and name no processor class."""
    model, processor = tiny_qwen("qwen2_vl", layers=1)
    source = tmp_path / "hub"
    model.save_pretrained(source)
    processor.save_pretrained(source)
    settings = json.loads((source / "processor_config.json").read_text())
    images = settings["image_processor"] | {"image_processor_type": "Qwen2VLImageProcessor"}
    for name in ("size", "processor_class"):
        images.pop(name, None)
    images |= {"min_pixels": 144, "max_pixels": 5760}
    (source / "preprocessor_config.json").write_text(json.dumps(images))
    (source / "chat_template.json").write_text(json.dumps({"chat_template": processor.chat_template}))
    (source / "processor_config.json").unlink()
    (source / "chat_template.jinja").unlink(missing_ok=True)
    words = json.loads((source / "tokenizer_config.json").read_text())
    for name in ("chat_template", "processor_class"):
        words.pop(name, None)
    (source / "tokenizer_config.json").write_text(json.dumps(words))
    bundle = export_path(source, tmp_path / "b")
    preparer = mc.load_model(bundle.path).preparer
    pack = preparer.prepare([RunSpec("c", "vision_only", tiny_image(1, (500, 400)), None, QUESTION)])
    assert int((pack.ids(0) == model.config.image_token_id).sum()) <= 40


def test_processors_are_made_without_video(tmp_path: Path) -> None:
    from transformers import LlavaProcessor, Qwen2VLProcessor

    assert image_only(LlavaProcessor) is LlavaProcessor
    lean = image_only(Qwen2VLProcessor)
    assert lean.__name__ == "Qwen2VLProcessor" and issubclass(lean, Qwen2VLProcessor)
    processor = qwen_processor("qwen2_vl", 6)
    processor.save_pretrained(tmp_path / "p")
    assert json.loads((tmp_path / "p" / "processor_config.json").read_text())["processor_class"] == "Qwen2VLProcessor"
    again = load_processor(tmp_path / "p")
    assert again.image_processor.size == processor.image_processor.size
    assert not hasattr(again, "video_processor")
