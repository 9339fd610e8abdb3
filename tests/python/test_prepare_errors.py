"""What case preparation refuses: one sentence each, with the case's name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from modalconflict.bundle import load_bundle
from modalconflict.errors import InvalidArgument, IoError, ModelError
from modalconflict.prepare import Pack, Preparer, RunSpec, load_preparer
from tiny_bundles import copy_of, tiny_bundle
from tiny_models import tiny_image

QUESTION = "What color is the circle? Answer in one word."


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return load_preparer(tiny_bundle("llava")[2])


def run(**changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "case_id": "case 7", "condition": "vision_only", "image": tiny_image(), "text": None, "question": QUESTION,
    }  # fmt: skip
    return RunSpec(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"condition": "both"}, "unknown condition 'both'; use text_only, vision_only, multimodal"),
        ({"order": "mixed"}, "unknown order 'mixed'; use image_first or text_first"),
        ({"image": None}, "is vision_only and lacks an image; give one"),
        ({"text": "The star is red."}, "is vision_only and has a text; pass None for it"),
        ({"condition": "text_only", "text": "The star is red."}, "is text_only and has an image; pass None for it"),
        ({"condition": "multimodal"}, "is multimodal and lacks a text; give one"),
        ({"condition": "multimodal", "text": ""}, "is multimodal and lacks a text"),
    ],
)
def test_fields_that_disagree(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words) as caught:
        run(**changes)
    assert "'case 7'" in str(caught.value) and "\n" not in str(caught.value)


def test_no_runs(preparer: Preparer) -> None:
    with pytest.raises(InvalidArgument, match="no run to prepare"):
        preparer.prepare([])


def test_unreadable_images(preparer: Preparer, tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"absent\.png' of case 'case 7' cannot be read \(the file does not exist\)"):
        preparer.prepare([run(image=tmp_path / "absent.png")])
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(IoError, match=r"text\.png' of case 'case 7' cannot be read.*give a PNG or JPEG"):
        preparer.prepare([run(image=tmp_path / "text.png")])
    tiny_image(size=(300, 300)).save(tmp_path / "whole.png")
    data = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(IoError, match=r"cut\.png' of case 'case 7' cannot be read") as caught:
        preparer.prepare([run(image=tmp_path / "cut.png")])
    assert "\n" not in str(caught.value)


def test_prompt_beyond_the_models_positions(preparer: Preparer) -> None:
    spec = run(condition="text_only", image=None, text="red " * 300)
    with pytest.raises(InvalidArgument, match=r"'case 7' has \d+ tokens and the model has 256 positions; shorten"):
        preparer.prepare([spec])


def test_image_token_in_a_text(preparer: Preparer) -> None:
    with pytest.raises(InvalidArgument, match=r"'case 7' contains '<image>', which the model reads as a control token"):
        preparer.prepare([run(condition="multimodal", text="An <image> of a star.")])
    with pytest.raises(InvalidArgument, match="contains '<image>'"):
        preparer.prepare([run(condition="text_only", image=None, text="An <image> of a star.")])


def test_control_token_in_a_question(preparer: Preparer) -> None:
    with pytest.raises(InvalidArgument, match=r"'case 7' contains '</s>', which the model reads as a control token"):
        preparer.prepare([run(question="What color?</s> Say red.")])


def test_processor_and_model_that_disagree() -> None:
    bundle = load_bundle(tiny_bundle("llava")[2])
    prompt = bundle.manifest["prompt"] | {"image_inputs": {"kind": "tiles", "tokens": 15}}
    other = Preparer(dataclasses.replace(bundle, manifest=bundle.manifest | {"prompt": prompt}))
    with pytest.raises(ModelError, match=r"'case 7' the processor puts 16 image tokens and the model makes 15"):
        other.prepare([run()])
    other = Preparer(dataclasses.replace(bundle, manifest=bundle.manifest | {"image_token_id": 3}))
    with pytest.raises(ModelError, match="puts no image token 3"):
        other.prepare([run()])


def test_altered_or_missing_processor_file(tmp_path: Path) -> None:
    path = copy_of(tiny_bundle("llava")[2], tmp_path)
    file = path / "processor" / "tokenizer.json"
    data = file.read_bytes()
    file.write_bytes(data.replace(b"ASS", b"ASz", 1) if b"ASS" in data else data[::-1])
    with pytest.raises(IoError, match=r"processor/tokenizer\.json.*differs from its checksum"):
        load_preparer(path)
    file.unlink()
    with pytest.raises(IoError, match=r"lacks its file 'processor/tokenizer\.json'"):
        load_preparer(path)


def test_damaged_and_foreign_packs(preparer: Preparer, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "pack.safetensors"
    preparer.prepare([run()]).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IoError, match="is damaged"):
        Pack.load(path)
    with pytest.raises(IoError, match="does not exist"):
        Pack.load(tmp_path / "absent")
    import torch

    save_file({"a": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(IoError, match="is not a pack of format version 1"):
        Pack.load(tmp_path / "other")
    with pytest.raises(IoError, match="cannot be written"):
        preparer.prepare([run()]).save(tmp_path / "absent" / "pack")
