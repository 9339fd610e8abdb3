"""Case preparation against the models' own processors, and packs on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from modalconflict.errors import IoError
from modalconflict.prepare import Pack, Preparer, RunSpec, load_preparer
from tiny_bundles import copy_of, tiny_bundle
from tiny_models import COLORS, tiny_image

TEXT = "The circle is green."
QUESTION = "What color is the circle? Answer in one word."


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return load_preparer(tiny_bundle("llava")[2])


def joint(**changes: Any) -> RunSpec:
    values: dict[str, Any] = {
        "case_id": "color/00000/v00/t0", "condition": "multimodal", "image": tiny_image(1), "text": TEXT,
        "question": QUESTION, "answer_text": "green", "answer_vision": "red",
    }  # fmt: skip
    return RunSpec(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "prompt"),
    [
        ({}, f"USER: <image>\n{TEXT} {QUESTION} ASSISTANT:"),
        ({"order": "text_first"}, f"USER: {TEXT} <image>\n{QUESTION} ASSISTANT:"),
        ({"condition": "vision_only", "text": None}, f"USER: <image>\n{QUESTION} ASSISTANT:"),
        ({"condition": "text_only", "image": None}, f"USER: {TEXT} {QUESTION} ASSISTANT:"),
    ],
)
def test_tokens_and_pixels_are_the_processors_own(preparer: Preparer, changes: dict[str, Any], prompt: str) -> None:
    _, processor, _ = tiny_bundle("llava")
    spec = joint(**changes)
    assert preparer.prompt(spec) == prompt
    pack = preparer.prepare([spec])
    images = {} if spec.image is None else {"images": [spec.image]}
    expected = processor(text=[prompt], return_tensors="np", **images)
    np.testing.assert_array_equal(pack.ids(0), expected["input_ids"][0])
    np.testing.assert_array_equal(pack.arrays["positions"], np.arange(len(pack.ids(0)))[None])
    if spec.image is None:
        assert pack.images == 0 and pack.arrays["image_index"].tolist() == [-1]
    else:
        np.testing.assert_array_equal(pack.arrays["pixel_values.0"], expected["pixel_values"])
        assert pack.arrays["pixel_values.0"].dtype == np.float32


@pytest.mark.parametrize("order", ["image_first", "text_first"])
def test_chat_template_is_the_models_own(order: str) -> None:
    _, processor, path = tiny_bundle("chat")
    image = tiny_image(1)
    words = {"type": "text", "text": TEXT}
    content = (
        [words, {"type": "image", "image": image}, {"type": "text", "text": QUESTION}]
        if order == "text_first"
        else [{"type": "image", "image": image}, {"type": "text", "text": f"{TEXT} {QUESTION}"}]
    )
    expected = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="np",
    )  # fmt: skip
    pack = load_preparer(path).prepare([joint(order=order, image=image)])
    np.testing.assert_array_equal(pack.ids(0), expected["input_ids"][0])
    np.testing.assert_array_equal(pack.arrays["pixel_values.0"], expected["pixel_values"])


IMAGES_FIRST = (
    "{% for message in messages %}USER: "
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}<image>\n{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] }} {% endfor %}"
    "{% endfor %}ASSISTANT:"
)


def test_text_first_under_a_template_that_puts_images_first() -> None:
    opened = load_preparer(tiny_bundle("chat")[2])
    opened._processor.chat_template = IMAGES_FIRST
    assert opened.prompt(joint()) == f"USER: <image>\n{TEXT} {QUESTION} ASSISTANT:"
    spec = joint(order="text_first")
    assert opened.prompt(spec) == f"USER: {TEXT} <image>\n{QUESTION} ASSISTANT:"
    ids = opened.prepare([spec]).ids(0)
    expected = load_preparer(tiny_bundle("llava")[2]).prepare([spec]).ids(0)
    np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize(
    ("changes", "prompt"),
    [
        ({}, f"<|im_start|>user\nIMAGE{TEXT} {QUESTION}<|im_end|>\n<|im_start|>assistant\n"),
        ({"order": "text_first"}, f"<|im_start|>user\n{TEXT} IMAGE{QUESTION}<|im_end|>\n<|im_start|>assistant\n"),
        (
            {"condition": "text_only", "image": None},
            f"<|im_start|>user\n{TEXT} {QUESTION}<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
)
def test_pocket_prompt(changes: dict[str, Any], prompt: str) -> None:
    model, tokenizer, path = tiny_bundle("pocket")
    pack = load_preparer(path).prepare([joint(**changes)])
    full = prompt.replace("IMAGE", "<image>" * model.num_image_tokens)
    assert pack.ids(0).tolist() == tokenizer.encode(full, add_special_tokens=False)


def test_pocket_pixels_are_those_it_was_trained_on() -> None:
    from modalconflict.pixels import pixels_by_spec
    from modalconflict.pocket.prompt import pixel_values

    spec = {
        "height": 224, "width": 224, "resample": "bilinear", "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }  # fmt: skip
    for size in ((800, 600), (224, 224), (100, 30)):
        image = tiny_image(2, size)
        np.testing.assert_array_equal(pixels_by_spec(image, spec), pixel_values(image))


def test_identical_images_are_stored_once(preparer: Preparer, tmp_path: Path) -> None:
    first, second = tiny_image(1), tiny_image(2)
    first.save(tmp_path / "a.png")
    first.save(tmp_path / "copy.png")
    second.save(tmp_path / "b.png")
    images = [tmp_path / "a.png", str(tmp_path / "a.png"), tmp_path / "copy.png", first, tmp_path / "b.png", second]
    pack = preparer.prepare([joint(image=image) for image in images])
    assert pack.arrays["image_index"].tolist() == [0, 0, 0, 0, 1, 1]
    assert pack.images == 2
    assert not np.array_equal(pack.arrays["pixel_values.0"], pack.arrays["pixel_values.1"])


def test_images_with_alpha_or_palette_are_read_as_rgb(preparer: Preparer) -> None:
    image = tiny_image(3)
    pack = preparer.prepare([joint(image=image), joint(image=image.convert("RGBA")), joint(image=image.convert("L"))])
    assert pack.arrays["image_index"].tolist() == [0, 0, 1]


def test_group_is_laid_out_as_the_format_says(preparer: Preparer) -> None:
    specs = [
        joint(),
        joint(condition="text_only", image=None, answer_vision=None),
        joint(condition="vision_only", text=None, answer_text=None),
    ]
    pack = preparer.prepare(specs)
    offsets = pack.arrays["offsets"]
    assert len(pack) == 3 and offsets[0] == 0 and offsets[-1] == len(pack.arrays["ids"])
    for index, spec in enumerate(specs):
        np.testing.assert_array_equal(pack.ids(index), preparer.prepare([spec]).ids(0))
    assert pack.arrays["candidate_offsets"].shape == (7,)
    assert pack.candidates(1, "vision").size == 0 and pack.candidates(2, "text").size == 0
    assert pack.candidates(0, "text").tolist() == pack.candidates(1, "text").tolist() != []


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_prompt_survives_tokenising_whatever_the_text(text: str) -> None:
    opened = load_once()
    spec = RunSpec("c", "text_only", None, text, QUESTION)
    assume(not any(token in text for token in opened.tokenizer.all_special_tokens))
    pack = opened.prepare([spec])
    decoded = opened.tokenizer.decode(pack.ids(0), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert decoded == "<s>" + opened.prompt(spec)


_OPENED: list[Preparer] = []


def load_once() -> Preparer:
    if not _OPENED:
        _OPENED.append(load_preparer(tiny_bundle("llava")[2]))
    return _OPENED[0]


@pytest.mark.parametrize("color", COLORS)
def test_variants_are_first_tokens_of_the_spellings(preparer: Preparer, color: str) -> None:
    tokenizer = preparer.tokenizer
    variants = preparer.answer_variants(color)
    assert len(variants) == len(set(variants))
    for spelling in (color, " " + color, color.capitalize(), " " + color.capitalize()):
        first = tokenizer.encode(spelling, add_special_tokens=False)[0]
        assert (first in variants) == bool(tokenizer.decode([first]).strip())
    for token in variants:
        assert color.startswith(tokenizer.decode([token]).strip().lower())


def test_upper_case_counts_only_as_one_token(preparer: Preparer) -> None:
    tokenizer = preparer.tokenizer
    seen = {True: 0, False: 0}
    for word in (*COLORS, "zebra"):
        for lead in ("", " "):
            ids = tokenizer.encode(lead + word.upper(), add_special_tokens=False)
            others = {tokenizer.encode(lead + s, add_special_tokens=False)[0] for s in (word, word.capitalize())}
            if ids[0] not in others:
                whole = len(ids) == 1
                assert (ids[0] in preparer.answer_variants(word)) == whole
                seen[whole] += 1
    assert min(seen.values()) > 0, "both cases must occur in the tiny vocabulary"


def test_shared_first_token_counts_for_neither_and_is_reported(preparer: Preparer) -> None:
    pack = preparer.prepare([joint(answer_text="greenish", answer_vision="green")])
    text, vision = set(pack.candidates(0, "text")), set(pack.candidates(0, "vision"))
    assert not text & vision
    assert len(pack.notes) == 1
    assert "'greenish'" in pack.notes[0] and "'green'" in pack.notes[0] and "counted for neither" in pack.notes[0]
    same = preparer.prepare([joint(answer_text="red", answer_vision="red")])
    assert same.candidates(0, "text").size == same.candidates(0, "vision").size == 0
    assert preparer.prepare([joint()]).notes == []


def test_pack_comes_back_as_it_was(preparer: Preparer, tmp_path: Path) -> None:
    pack = preparer.prepare([joint(answer_text="greenish", answer_vision="green"), joint(case_id="ü 2")])
    pack.save(tmp_path / "pack.safetensors")
    assert {p.name for p in tmp_path.iterdir()} == {"pack.safetensors"}
    again = Pack.load(tmp_path / "pack.safetensors")
    assert (again.case_ids, again.notes) == (pack.case_ids, pack.notes)
    assert again.bundle_sha256 == preparer.bundle.sha256 != ""
    assert again.arrays.keys() == pack.arrays.keys()
    for name, array in pack.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == array.dtype
    with safe_open(tmp_path / "pack.safetensors", framework="pt") as stream:
        assert stream.get_tensor("ids").dtype == torch.int64


def test_failed_save_keeps_the_old_pack(preparer: Preparer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pack.safetensors"
    preparer.prepare([joint(case_id="old")]).save(path)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(IoError, match="cannot be written.*No space left"):
        preparer.prepare([joint(case_id="new")]).save(path)
    assert Pack.load(path).case_ids == ["old"]
    assert {p.name for p in tmp_path.iterdir()} == {path.name}


def test_preparing_needs_only_the_processor_files(tmp_path: Path) -> None:
    path = copy_of(tiny_bundle("llava")[2], tmp_path)
    for file in path.glob("weights-*"):
        file.unlink()
    pack = load_preparer(path).prepare([joint()])
    expected = load_preparer(tiny_bundle("llava")[2]).prepare([joint()])
    np.testing.assert_array_equal(pack.arrays["ids"], expected.arrays["ids"])
