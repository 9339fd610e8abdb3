"""What pocket learns from never holds a conflict, what it is judged on was never seen, and packing changes nothing."""

import random
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import LlamaConfig, LlamaForCausalLM

from modalconflict import _dataset
from modalconflict.errors import IoError, ModelError
from modalconflict.pocket import evaluate, parts, train, training_data
from modalconflict.pocket.modeling import NUM_IMAGE_TOKENS, PocketModel, PocketProjector
from modalconflict.pocket.prompt import pixel_values


class WordTokenizer:
    """One id a word: enough for packing, and readable back."""

    def __init__(self):
        self.words = ["<pad>"]

    def __call__(self, text, add_special_tokens=True):
        ids = []
        for word in re.findall(r"<[^>]+>|\s?[^\s<]+|\s+", text):
            if word not in self.words:
                self.words.append(word)
            ids.append(self.words.index(word))
        return type("Encoded", (), {"input_ids": ids})()


@pytest.fixture(scope="module")
def scenes():
    made = [training_data.make_scene(train.TRAIN_SEED, i) for i in range(80)]
    return type("Features", (), {"scenes": made})()


def test_joint_prompts_never_hold_a_conflict(scenes):
    tokenizer = WordTokenizer()
    packer = train.Packer(tokenizer)
    joint = 0
    for number in range(40):
        indices, segments, colors = train.vision_batch(random.Random(number), packer, scenes, 8)
        answers = iter(colors)
        for index, questions in zip(indices, segments, strict=True):
            for ids in questions:
                if isinstance(ids, train.Caption):
                    continue  # names what is there
                answer = next(answers)
                text = "".join(tokenizer.words[i] for i in ids)
                told, _, asked = text.partition("What color is the")
                if not told.strip():
                    continue
                joint += 1
                shape = re.search(r"[a-z]+", asked).group()
                named = {s for s in training_data.SHAPES if re.search(rf"\b{s}\b", told)}
                # Beside what is asked about, a text may only speak of shapes that the picture lacks.
                assert not (named - {shape}) & scenes.scenes[index].shapes, text
                if shape in named:  # then it must agree with the picture
                    others = set(training_data.COLORS) - {answer}
                    assert not [c for c in others if re.search(rf"\b{c}\b", told)], text
                    things = [t for c in others for t in training_data.training_entities(c) if f" {t}" in told]
                    own = [t for t in training_data.training_entities(answer) if f" {t}" in told]
                    assert own or not things, text
    assert joint > 60


def test_answers_of_scenes_are_what_the_picture_shows(scenes):
    for scene in scenes.scenes:
        for shape, color in scene.askable:
            wanted = np.array([_dataset.COLORS.index(color)])
            cells = scene.cells[:, training_data.SHAPES.index(shape) * 6 + wanted]
            assert cells.any(), "a figure that is asked about lies in some cell of the grid"
            assert shape in scene.shapes


def test_held_out_is_held_out():
    options = _dataset.ColorRecognitionOptions(groups=200, seed=evaluate.HELD_OUT_SEED)
    frames = {
        re.sub(r"\{\w\}", "", p) for p in (*training_data._DIRECT, *training_data._INDIRECT, *training_data._KNOWLEDGE)
    }
    for index in range(200):
        group = _dataset.color_group(options, index)
        for d_t in range(3):
            text = _dataset.color_text(options, group, d_t)[0]
            bare = text.replace(group.entity, "").replace(group.target, "").replace(group.helper, "")
            assert bare.replace(group.answer_text, "") not in frames
    for color in training_data.COLORS:
        assert len(set(_dataset.entities(color)) - set(training_data.training_entities(color))) == 4
    assert train.TRAIN_SEED != evaluate.HELD_OUT_SEED


def test_packed_questions_equal_separate_ones():
    """Against transformers' own causal mask and positions, one question a sequence."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=400,
        )
    ).eval()
    packer = train.Packer(WordTokenizer())
    questions = [
        [packer.segment(training_data.question(s), "red") for s in ("circle", "star")],
        [packer.segment("Hi", "blue")],
    ]
    image = torch.randn(2, NUM_IMAGE_TOKENS, 32)
    with torch.inference_mode():
        answer_rows, stop_rows, _ = train.run_packed(model, packer, image, questions)
        expected = []
        for b, some in enumerate(questions):
            for segment in some:
                embed = model.get_input_embeddings()
                x = torch.cat([embed(torch.tensor(packer.start)), image[b], embed(torch.tensor(segment))])[None]
                expected.append(model.model(inputs_embeds=x).last_hidden_state[0, -2:])
    found = torch.stack([answer_rows, stop_rows], dim=1)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_merged_adapter_equals_the_trained_modules(tmp_path):
    torch.manual_seed(1)
    config = LlamaConfig(
        hidden_size=576,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=50,
    )
    plain = LlamaForCausalLM(config).eval()
    trained = LlamaForCausalLM(config).eval()
    trained.load_state_dict(plain.state_dict())
    lora = train.add_lora(trained)
    assert len(lora) == 2 * len(train.LORA_TARGETS)
    with torch.no_grad():
        for module in lora.values():
            module.lora_b.normal_(std=0.05)
            module.lora_a.copy_(module.lora_a.half().float())
            module.lora_b.copy_(module.lora_b.half().float())
    projector = PocketProjector()
    train.save_adapter(tmp_path / "adapter.safetensors", projector, lora)
    loaded = PocketProjector()
    parts.merge_adapter(plain, loaded, tmp_path / "adapter.safetensors")
    ids = torch.randint(0, 50, (2, 9))
    with torch.inference_mode():
        torch.testing.assert_close(plain(input_ids=ids).logits, trained(input_ids=ids).logits, rtol=1e-3, atol=1e-5)
        features = torch.randn(1, 49, 1408)
        torch.testing.assert_close(loaded(features), projector(features), rtol=2e-2, atol=2e-3)


def test_missing_or_foreign_adapter_is_named(tmp_path):
    with pytest.raises(IoError, match="is missing"):
        parts.merge_adapter(None, PocketProjector(), tmp_path / "none.safetensors")


def test_missing_parts_print_both_commands(monkeypatch):
    monkeypatch.setattr(parts, "_MODULES", ("json", "no_such_part_of_pocket"))
    assert parts.missing_parts() == ["no_such_part_of_pocket"]
    with pytest.raises(ModelError) as error:
        parts.load_pocket()
    assert all(command in str(error.value) for command in parts.INSTALL)


def test_pixel_values_are_the_normalised_picture():
    image = np.full((600, 800, 3), (255, 0, 128), np.uint8)
    values = pixel_values(image)
    assert values.shape == (3, 224, 224)
    expected = (np.array([1.0, 0.0, 128 / 255]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(values.mean(axis=(1, 2)), expected, rtol=1e-5)


def test_shipped_adapter_is_small_and_complete():
    assert parts.ADAPTER.stat().st_size <= 20_000_000
    with safe_open(str(parts.ADAPTER), framework="np") as file:
        names = list(file.keys())
        assert {file.get_tensor(name).dtype for name in names} == {np.dtype(np.float16)}
    assert sum(name.endswith(".lora_a") for name in names) == 30 * len(train.LORA_TARGETS)


def test_image_tokens_take_the_picture():
    class Tower(torch.nn.Module):
        def forward(self, pixels):
            return torch.ones(pixels.shape[0], 49, 1408)

    config = LlamaConfig(
        hidden_size=576,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=20,
    )
    torch.manual_seed(2)
    model = PocketModel(Tower(), PocketProjector(), LlamaForCausalLM(config)).eval()
    ids = torch.tensor([[1, *[PocketModel.image_token_id] * NUM_IMAGE_TOKENS, 3]])
    with torch.inference_mode():
        got = model(ids, torch.zeros(1, 3, 224, 224), output_hidden_states=True).hidden_states[0]
        expected = model.projector(torch.ones(1, 49, 1408))
    torch.testing.assert_close(got[:, 1:-1], expected)
