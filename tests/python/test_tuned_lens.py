"""The tuned lens: its files, its training, and the engine's use of it against the same computation in torch."""

from __future__ import annotations

import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import entropy as scipy_entropy

import modalconflict as mc
from engine_setting import loaded, reference, specifications
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.prepare import RunSpec
from modalconflict.tuned_lens import TunedLens, load_tuned_lens
from modalconflict.tuned_lens_training import train_tuned_lens
from synthetic_study import COLORS, make_dataset
from tiny_models import tiny_image


def random_lens(model: Any, dtype: torch.dtype = torch.float32, seed: int = 0) -> TunedLens:
    sizes = model.info["sizes"]
    layers, width = sizes["layers"], sizes["hidden"]
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(layers, width, width, generator=generator) * 0.1
    return TunedLens(weight.to(dtype), torch.randn(layers, width, generator=generator).to(dtype), "tiny")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", ["llava", "pocket"])
def test_the_engine_reads_layers_through_their_translators(kind: str, dtype: torch.dtype) -> None:
    theirs, model, pack = loaded(kind)
    lens = random_lens(model, dtype)
    reads, plain = model.run(pack, tuned=lens), model.run(pack)
    language_model = theirs.model.language_model if kind == "llava" else theirs.language_model.model
    head = theirs.lm_head if kind == "llava" else theirs.language_model.lm_head
    for run in range(len(pack)):
        states, final = reference(theirs, pack, run)
        last = log_softmax(final.astype(np.float64))
        for layer in range(model.info["sizes"]["layers"]):
            h = torch.from_numpy(states[layer])
            moved = h + lens.weight[layer].float() @ h + lens.bias[layer].float()
            assert torch.allclose(moved, lens.transform(h, layer), atol=1e-4)
            with torch.no_grad():
                logits = head(language_model.norm(moved)).double().numpy()
            log_p = log_softmax(logits)
            assert reads.entropy[run, layer] == pytest.approx(scipy_entropy(np.exp(log_p)), abs=2e-4)
            assert reads.kl_final[run, layer] == pytest.approx(scipy_entropy(np.exp(last), np.exp(log_p)), abs=2e-4)
    np.testing.assert_array_equal(reads.entropy[:, -1], plain.entropy[:, -1])  # the last layer has no translator
    assert reads.answer_ids == plain.answer_ids
    assert np.abs(reads.entropy[:, :-1] - plain.entropy[:, :-1]).max() > 1e-3


def test_a_pass_that_stops_early_translates_its_last_row_too() -> None:
    _, model, pack = loaded("llava")
    lens = random_lens(model)
    whole, short = model.run(pack, tuned=lens), model.run(pack, tuned=lens, stop_after_layer=2)
    np.testing.assert_allclose(short.entropy, whole.entropy[:, :3], atol=1e-6)


def test_the_lens_reads_one_case_through_its_translators() -> None:
    _, model, pack = loaded("llava")
    lens = random_lens(model)
    reads = mc.LogitLens(model, tuned=lens).read(specifications()[1])
    np.testing.assert_allclose(reads.entropy[0], model.run(pack, tuned=lens).entropy[1], atol=1e-5)


def test_a_lens_of_no_change_is_the_logit_lens() -> None:
    _, model, pack = loaded("llava")
    sizes = model.info["sizes"]
    lens = TunedLens(
        torch.zeros(sizes["layers"], sizes["hidden"], sizes["hidden"]), torch.zeros(sizes["layers"], sizes["hidden"])
    )
    np.testing.assert_array_equal(model.run(pack, tuned=lens).entropy, model.run(pack).entropy)


def test_further_orders_are_those_of_the_distribution() -> None:
    _, model, pack = loaded("llava")
    vocabulary = model.info["sizes"]["vocab"]
    reads = model.run(pack, top_k=vocabulary, renyi=[2.0, 0.5], tsallis=[2.0])
    assert reads.renyi.shape == (len(pack), 2)
    for run in range(len(pack)):
        logits = reads.top_logits[run, -1].astype(float)
        p = np.exp(log_softmax(logits))
        assert reads.renyi[run, 0] == pytest.approx(-np.log((p**2).sum()), abs=1e-5)
        assert reads.renyi[run, 1] == pytest.approx(2 * np.log(np.sqrt(p).sum()), abs=1e-5)
        assert reads.tsallis[run, 0] == pytest.approx(1 - (p**2).sum(), abs=1e-6)


# files


def test_the_files_are_those_of_the_tuned_lens_package(tmp_path: Path) -> None:
    _, model, _ = loaded("llava")
    lens = random_lens(model)
    lens.save(tmp_path / "lens")
    state = torch.load(tmp_path / "lens" / "params.pt", weights_only=True)
    config = json.loads((tmp_path / "lens" / "config.json").read_text())
    assert config["num_hidden_layers"] == lens.layers
    assert config["d_model"] == lens.width
    # the package holds its translators in a ModuleList of Linear
    translators = torch.nn.ModuleList([torch.nn.Linear(lens.width, lens.width) for _ in range(lens.layers)])
    translators.load_state_dict(state)
    h = torch.randn(3, lens.width)
    with torch.no_grad():
        for layer, translator in enumerate(translators):
            torch.testing.assert_close(h + translator(h), lens.transform(h, layer))
    again = load_tuned_lens(tmp_path / "lens")
    assert torch.equal(again.weight, lens.weight)
    assert again.sha256 == lens.sha256
    assert again.base_model == "tiny"


def written(folder: Path, state: Any, **changes: Any) -> Path:
    folder.mkdir()
    config = {"base_model_name_or_path": "gpt2", "d_model": 4, "num_hidden_layers": 2, "bias": True, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    torch.save(state, folder / "params.pt")
    return folder


def a_state(bias: bool = True, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    state = {f"{layer}.weight": torch.eye(4, dtype=dtype) for layer in range(2)}
    return state | ({f"{layer}.bias": torch.ones(4, dtype=dtype) for layer in range(2)} if bias else {})


def test_a_lens_without_biases_and_in_half_precision(tmp_path: Path) -> None:
    lens = load_tuned_lens(written(tmp_path / "a", a_state(False, torch.float16), bias=False))
    assert lens.weight.dtype == torch.float16
    assert not lens.bias.any()


class Malicious:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_no_code_of_a_lens_file_runs(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", a_state())
    with (folder / "params.pt").open("wb") as stream:
        pickle.dump({"0.weight": Malicious(tmp_path / "was-here")}, stream, protocol=2)
    with pytest.raises(IoError, match="unreadable"):
        load_tuned_lens(folder)
    assert not (tmp_path / "was-here").exists()


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IoError, match="holds no config.json"):
        load_tuned_lens(tmp_path)
    for number, (state, changes, words) in enumerate(
        [
            ({"0.weight": torch.eye(4)}, {}, "no bias of 4 numbers for layer 0"),
            (a_state(), {"num_hidden_layers": 3}, "no matrix of 4 x 4 for layer 2"),
            (a_state(), {"d_model": 5}, "no matrix of 5 x 5"),
            ([1, 2], {}, "no matrix"),
            (a_state(), {"lens_type": "low_rank"}, "low_rank"),
            (a_state(), {"d_model": "many"}, "tells no num_hidden_layers"),
        ]
    ):
        with pytest.raises(IoError, match=words):
            load_tuned_lens(written(tmp_path / str(number), state, **changes))
    folder = written(tmp_path / "cut", a_state())
    data = (folder / "params.pt").read_bytes()
    (folder / "params.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(IoError, match="unreadable"):
        load_tuned_lens(folder)


def test_a_lens_of_another_model_is_refused() -> None:
    _, model, pack = loaded("llava")
    other = TunedLens(torch.zeros(2, 8, 8), torch.zeros(2, 8))
    for use in (lambda: model.run(pack, tuned=other), lambda: mc.LogitLens(model, tuned=other)):
        with pytest.raises(InvalidArgument, match="2 layers of width 8, the model"):
            use()
    with pytest.raises(InvalidArgument, match="shape"):
        TunedLens(torch.zeros(2, 8, 7), torch.zeros(2, 8))
    with pytest.raises(InvalidArgument, match="float64"):
        TunedLens(torch.zeros(1, 2, 2).double(), torch.zeros(1, 2).double())


# training


@cache
def trained() -> tuple[Any, TunedLens, list[Any]]:
    _, model, _ = loaded("llava")
    packs = []
    for seed in range(3):
        specs = []
        for i in range(8):
            image = None if i % 4 == 3 else tiny_image(seed * 10 + i)
            condition = "text_only" if image is None else "multimodal"
            text = f"The {'circle' if i % 2 else 'star'} is {list(COLORS)[(seed + i) % 6]}."
            specs.append(
                RunSpec(f"{seed}/{i}", condition, image, text, "What color is it? Answer in one word.", "red", None)
            )
        packs.append(model.preparer.prepare(specs))
    return model, train_tuned_lens(model, packs, positions="all", epochs=4, learning_rate=2e-3, seed=1), packs


def test_training_brings_every_layer_closer_to_the_last_on_runs_it_has_not_seen() -> None:
    _, lens, _ = trained()
    assert lens.report is not None
    assert lens.report.held_out_rows > 50
    assert (lens.report.kl_after < lens.report.kl_before).all(), lens.report
    assert lens.report.kl_after.mean() < 0.8 * lens.report.kl_before.mean(), lens.report


def test_the_engine_sees_what_the_training_promised() -> None:
    model, lens, _ = trained()
    pack = model.preparer.prepare(
        [RunSpec("new", "multimodal", tiny_image(99), "The star is red.", "Which?", "red", None)]
    )
    tuned, plain = model.run(pack, tuned=lens), model.run(pack)
    assert tuned.kl_final[:, :-1].mean() < plain.kl_final[:, :-1].mean()


def test_training_is_the_same_for_the_same_seed() -> None:
    model, lens, packs = trained()
    again = train_tuned_lens(model, packs, positions="all", epochs=4, learning_rate=2e-3, seed=1)
    torch.testing.assert_close(again.weight, lens.weight, atol=1e-5, rtol=1e-4)


def test_options_of_the_training_are_checked() -> None:
    model, _, packs = trained()
    for options, words in (
        ({"held_out": 1.0}, "held_out"),
        ({"positions": "last"}, "positions"),
        ({"epochs": 0}, "epochs"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            train_tuned_lens(model, packs, **options)
    with pytest.raises(InvalidArgument, match="no packs"):
        train_tuned_lens(model, [])
    one = model.preparer.prepare([specifications()[-1]])
    with pytest.raises(InvalidArgument, match="fewer than two runs"):
        train_tuned_lens(model, [one])


# records


def test_records_say_which_lens_and_hold_the_indices_asked_for(tmp_path: Path) -> None:
    _, model, _ = loaded("llava")
    data = make_dataset(tmp_path / "data", groups=1)
    lens = random_lens(model)
    lens.save(tmp_path / "lens")
    indices = ["renyi:2", "tsallis:0.5", "perplexity", "energy", "normalized_entropy"]
    mc.run(model, data, tmp_path / "plain", max_new_tokens=2, indices=indices)
    mc.run(model, data, tmp_path / "tuned", max_new_tokens=2, tuned_lens=tmp_path / "lens")
    plain, tuned = (mc.read_records(tmp_path / name).to_pandas() for name in ("plain", "tuned"))
    assert set(plain["lens"]) == {"logit"}
    assert set(tuned["lens"]) == {"tuned"}
    assert json.loads((tmp_path / "tuned" / "study.json").read_text())["options"]["lens"] == f"tuned {lens.sha256}"
    np.testing.assert_array_equal(plain["entropy"], tuned["entropy"])
    assert any((a != b).any() for a, b in zip(plain["lens_entropy"], tuned["lens_entropy"], strict=True))
    np.testing.assert_allclose(plain["perplexity"], np.exp(plain["entropy"]))
    np.testing.assert_allclose(plain["normalized_entropy"], plain["entropy"] / np.log(model.info["sizes"]["vocab"]))
    assert (plain["renyi_2"] <= plain["entropy"] + 1e-9).all()
    assert {"tsallis_0.5", "energy"} <= set(plain.columns)
    with pytest.raises(IoError, match="another study .*lens"):
        mc.run(model, data, tmp_path / "tuned", max_new_tokens=2, resume=True)
    mc.run(model, data, tmp_path / "plain", max_new_tokens=2, indices=indices, resume=True)
    for names, words in ((["renyi"], "not one that records"), (["renyi:-1"], "order"), (["energy", "energy"], "twice")):
        with pytest.raises(InvalidArgument, match=words):
            mc.run(model, data, tmp_path / "none", indices=names)
