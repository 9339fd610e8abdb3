"""The C++ engine against transformers' own eager run: hidden states, logits, answers, with and without sharing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp
from scipy.stats import entropy as scipy_entropy

import modalconflict as mc
from engine_setting import QUESTION, Keep, loaded, reference, specifications
from modalconflict.model import PackReads
from modalconflict.prepare import RunSpec
from tiny_bundles import tiny_bundle
from tiny_models import tiny_image

KINDS = ["llava", "tied", "chat", "pocket"]


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_layers_state_at_the_answer_position(kind: str, share: bool) -> None:
    theirs, model, pack = loaded(kind)
    keep = Keep()
    reads = model.run(pack, [keep], share=share)
    layers = model.info["sizes"]["layers"]
    assert (reads.stats["runs_sharing"] > 0) == share
    for run in range(len(pack)):
        states, _ = reference(theirs, pack, run)
        for layer in range(layers):
            np.testing.assert_allclose(keep.states[layer, run].numpy(), states[layer], atol=1e-4, rtol=0)
        # transformers hands out the last state normed; ours is not normed yet
        assert np.abs(keep.states[layers, run].numpy() - states[layers]).max() > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_lens_row_is_the_models_own_output(kind: str) -> None:
    theirs, model, pack = loaded(kind)
    reads = model.run(pack, top_k=model.info["sizes"]["vocab"])
    for run in range(len(pack)):
        _, logits = reference(theirs, pack, run)
        np.testing.assert_allclose(reads.top_logits[run, -1], np.sort(logits)[::-1], atol=1e-4, rtol=0)
        np.testing.assert_allclose(logits[reads.top_ids[run, -1]], reads.top_logits[run, -1], atol=1e-4, rtol=0)
        probs = np.exp(log_softmax(logits.astype(np.float64)))
        best = np.sort(probs)[::-1]
        assert reads.entropy[run, -1] == pytest.approx(scipy_entropy(probs), abs=1e-5)
        assert reads.max_prob[run] == pytest.approx(1 - best[0], abs=1e-5)
        assert reads.margin[run] == pytest.approx(1 - (best[0] - best[1]), abs=1e-5)
        assert reads.log_normalizer[run] == pytest.approx(logsumexp(logits), abs=1e-4)
        assert reads.kl_final[run, -1] == pytest.approx(0, abs=1e-9)
        for side, values in (("text", reads.logit_text), ("vision", reads.logit_vision)):
            variants = pack.candidates(run, side)
            if len(variants):
                assert values[run, -1] == pytest.approx(logsumexp(logits[variants]), abs=1e-4)
            else:
                assert np.isnan(values[run]).all()


def test_inner_lens_rows_use_the_final_norm_and_the_unembedding() -> None:
    theirs, model, pack = loaded("llava")
    reads = model.run(pack)
    for run in range(len(pack)):
        states, final = reference(theirs, pack, run)
        last = log_softmax(final.astype(np.float64))
        for layer in range(model.info["sizes"]["layers"]):
            with torch.no_grad():
                logits = (
                    theirs.lm_head(theirs.model.language_model.norm(torch.from_numpy(states[layer]))).double().numpy()
                )
            log_probs = log_softmax(logits)
            assert reads.entropy[run, layer] == pytest.approx(scipy_entropy(np.exp(log_probs)), abs=1e-4)
            assert reads.kl_final[run, layer] == pytest.approx(scipy_entropy(np.exp(last), np.exp(log_probs)), abs=1e-4)
            assert reads.top_ids[run, layer].tolist() == np.argsort(-logits)[:5].tolist()


@pytest.mark.parametrize("kind", ["llava", "pocket"])
def test_greedy_answers_are_those_of_the_whole_prompt_run_again(kind: str) -> None:
    theirs, model, pack = loaded(kind)
    reads = model.run(pack, max_new_tokens=4)
    stops = set(model.info["stop_token_ids"])
    for run in range(len(pack)):
        expected: list[int] = []
        stopped = False
        while len(expected) < 4 and not stopped:
            best = int(reference(theirs, pack, run, expected)[1].argmax())
            if best == model.info["image_token_id"]:
                break  # transformers would look for an image behind it
            stopped = best in stops
            expected += [] if stopped else [best]
        assert reads.answer_ids[run][: len(expected)] == expected
        assert reads.answers[run] == model.preparer.decode(reads.answer_ids[run])


@pytest.mark.parametrize("order", ["image_first", "text_first"])
def test_sharing_and_batch_size_change_nothing_but_the_work(order: str) -> None:
    _, model, _ = loaded("llava")
    pack = model.preparer.prepare(specifications(order))
    shared, alone = model.run(pack), model.run(pack, share=False, batch_size=1)
    np.testing.assert_allclose(shared.entropy, alone.entropy, atol=1e-5)
    np.testing.assert_array_equal(shared.top_ids[..., 0], alone.top_ids[..., 0])
    assert shared.answer_ids == alone.answer_ids
    assert shared.stats["images_encoded"] == alone.stats["images_encoded"] == 2
    assert shared.stats["shared_tokens"] > 0
    assert alone.stats["shared_tokens"] == 0
    assert shared.stats["prefilled_tokens"] + shared.stats["shared_tokens"] == shared.stats["prompt_tokens"]


@pytest.mark.parametrize("limit", [None, 0.25])
def test_a_prefix_of_several_chunks_is_one_prefix(limit: float | None) -> None:
    theirs, _, path = tiny_bundle("long")
    model = mc.load_model(path, memory_limit=limit)
    text = "The circle is green. The star is blue. " * 90
    specs = [
        RunSpec(name, "multimodal", tiny_image(seed), text, QUESTION, "green", "red", "text_first")
        for name, seed in (("a", 4), ("b", 5))
    ]
    pack = model.preparer.prepare(specs)
    reads = model.run(pack, max_new_tokens=2)
    assert reads.stats["prefix_tokens"] > 2 * 512
    assert reads.stats["runs_sharing"] == 2
    for run in range(2):
        _, logits = reference(theirs, pack, run)
        np.testing.assert_allclose(reads.top_logits[run, -1], np.sort(logits)[::-1][:5], atol=1e-4, rtol=0)


def test_the_same_pack_gives_the_same_bits_from_memory_and_from_a_file(tmp_path: Any) -> None:
    _, model, pack = loaded("pocket")
    pack.save(tmp_path / "pack.safetensors")
    first: PackReads = model.run(pack)
    for again in (
        model.run(pack.arrays),
        model.run(tmp_path / "pack.safetensors"),
        mc.load_model(model.path).run(pack),
    ):
        np.testing.assert_array_equal(first.entropy, again.entropy)
        np.testing.assert_array_equal(first.top_logits, again.top_logits)


def test_the_lens_reads_one_case() -> None:
    theirs, model, pack = loaded("llava")
    lens = mc.LogitLens(model, top_k=3)
    reads = lens.read(specifications()[1])
    _, logits = reference(theirs, pack, 1)
    assert reads.top_ids.shape == (1, model.info["sizes"]["layers"] + 1, 3)
    assert reads.top_ids[0, -1].tolist() == np.argsort(-logits)[:3].tolist()
    assert lens.tokens(reads)[0][-1][0] == model.preparer.tokenizer.decode([int(logits.argmax())])
    with pytest.raises(mc.InvalidArgument, match="positions"):
        lens.read(specifications()[1], positions="all")


def test_reads_describe_themselves() -> None:
    _, model, pack = loaded("llava")
    reads = model.run(pack)
    assert len(reads) == len(pack)
    assert "runs=8" in repr(reads)
    assert "llava" in repr(model)
    as_dict = reads.to_dict()
    assert as_dict["entropy"] == reads.entropy.tolist()
    assert as_dict["status"] == ["ok"] * 8


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 0.02), ("bfloat16", 0.15)])
def test_half_precision_follows_the_full_one_within_its_rounding(dtype: str, tolerance: float) -> None:
    theirs, _, path = tiny_bundle("llava", dtype)
    model = mc.load_model(path)
    pack = model.preparer.prepare(specifications())
    keep = Keep()
    reads = model.run(pack, [keep])
    assert reads.status == ["ok"] * len(pack)
    for run in range(len(pack)):
        states, _ = reference(theirs, pack, run)
        for layer in range(model.info["sizes"]["layers"]):
            assert keep.states[layer, run].dtype == getattr(torch, dtype)
            np.testing.assert_allclose(keep.states[layer, run].float().numpy(), states[layer], atol=tolerance, rtol=0)
