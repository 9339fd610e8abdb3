"""The lens kernel against scipy in float64, torch and a transformers model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import entr, log_softmax, logsumexp, rel_entr
from transformers import LlamaConfig, LlamaForCausalLM

from modalconflict.errors import InvalidArgument
from modalconflict.lens_kernel import FinalNorm, LensReads, read_lens, reduce_logits

LOGITS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(2, 300)),
    elements=st.floats(-80, 80, width=32),
)


def reference(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    log_p = log_softmax(np.asarray(logits, np.float64), axis=-1)
    return log_p, np.exp(log_p)


def rows_of(seed: int, n: int, vocabulary: int, spread: float = 3.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=(n, vocabulary)) * spread).astype(np.float32)


@settings(deadline=None, max_examples=150)
@given(LOGITS, st.sampled_from([0, 1, 37, 64, 100]))
def test_entropy_and_its_kin_agree_with_scipy(logits: np.ndarray, tile: int) -> None:
    reads = reduce_logits(logits, top_k=1, tile=tile)
    log_p, p = reference(logits)
    entropy = entr(p).sum(-1)
    # scipy itself has log p = 0 to 1e-16 at best; nearly certain rows have a test of their own below
    np.testing.assert_allclose(reads.entropy, entropy, rtol=2e-5, atol=1e-15 * logits.shape[1])
    second = np.where(p > 0, p * log_p**2, 0).sum(-1)
    np.testing.assert_allclose(reads.varentropy, second - entropy**2, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(reads.log_normalizer, logsumexp(logits.astype(float), axis=-1), rtol=1e-6, atol=1e-6)
    ordered = np.sort(p, axis=-1)
    np.testing.assert_allclose(reads.max_probability, ordered[:, -1], rtol=1e-5)
    np.testing.assert_allclose(reads.one_minus_max, 1 - ordered[:, -1], atol=1e-6)
    np.testing.assert_allclose(reads.one_minus_margin, 1 - ordered[:, -1] + ordered[:, -2], atol=1e-6)
    np.testing.assert_allclose(reads.gini, 1 - (p**2).sum(-1), atol=1e-6)
    np.testing.assert_allclose(reads.energy, -reads.log_normalizer)


@settings(deadline=None, max_examples=100)
@given(LOGITS, st.sampled_from([1, 50, 64, 1000]))
def test_divergence_agrees_with_scipy(logits: np.ndarray, tile: int) -> None:
    final = len(logits) - 1
    reads = reduce_logits(logits, top_k=0, final_row=np.full(len(logits), final), tile=tile)
    log_p, p = reference(logits)
    expected = np.where(p[final] > 0, p[final] * (log_p[final] - log_p), 0).sum(-1)
    np.testing.assert_allclose(reads.kl_final, expected, rtol=1e-5, atol=3e-5)
    assert reads.kl_final[final] == 0
    assert (reads.kl_final >= 0).all()


@pytest.mark.parametrize("gap", [5.0, 20.0, 28.0, 33.0, 60.0])
def test_nearly_certain_rows_keep_their_entropy(gap: float) -> None:
    logits = rows_of(1, 2, 4000, 0.3) - np.float32(gap)
    logits[:, 77] = 0
    reads = reduce_logits(logits)
    others = np.delete(logits.astype(np.float64), 77, axis=1)
    rest = np.exp(others).sum(-1)
    expected = np.log1p(rest) - (others * np.exp(others)).sum(-1) / (1 + rest)
    np.testing.assert_allclose(reads.entropy, expected, rtol=3e-6)
    np.testing.assert_allclose(reads.one_minus_max, rest / (1 + rest), rtol=3e-6)
    np.testing.assert_allclose(
        reads.gini, (2 * rest + rest**2 - np.exp(2 * others).sum(-1)) / (1 + rest) ** 2, rtol=3e-6
    )


@pytest.mark.parametrize("shift", [-1e4, 0.0, 3e4])
def test_extreme_logits(shift: float) -> None:
    logits = np.array([[shift, shift + 50, shift + 50, shift - 200]], np.float32)
    reads = reduce_logits(logits, top_k=2)
    assert reads.entropy[0] == pytest.approx(np.log(2), rel=1e-6)
    assert reads.top_ids.tolist() == [[1, 2]]


@settings(deadline=None, max_examples=100)
@given(hnp.arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 200)), elements=st.integers(-3, 3)), st.data())
def test_top_tokens_are_the_best_with_the_lowest_id_first(values: np.ndarray, data: st.DataObject) -> None:
    logits = values.astype(np.float32)
    k = data.draw(st.integers(0, min(12, logits.shape[1])))
    reads = reduce_logits(logits, top_k=k, tile=data.draw(st.sampled_from([1, 30, 64, 500])))
    order = np.argsort(-logits, axis=-1, kind="stable")[:, :k]
    np.testing.assert_array_equal(reads.top_ids, order)
    np.testing.assert_array_equal(reads.top_logits, np.take_along_axis(logits, order, -1))
    _, p = reference(logits)
    best = np.take_along_axis(p, order, -1)
    tail = np.clip(1 - best.sum(-1), 0, None)
    np.testing.assert_allclose(reads.top_k_entropy, entr(best).sum(-1) + entr(tail), atol=5e-6)


def test_minus_infinity_adds_nothing() -> None:
    logits = rows_of(2, 3, 500)
    logits[:, ::3] = -np.inf
    reads = reduce_logits(logits, final_row=[2, 2, 2], renyi=[0.0, 0.5], tile=64)
    _, p = reference(logits)
    assert reads.finite.all()
    np.testing.assert_allclose(reads.entropy, entr(p).sum(-1), rtol=1e-6)
    kept = p[2] > 0
    np.testing.assert_allclose(reads.kl_final, rel_entr(p[2][kept], p[:, kept]).sum(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(reads.renyi[:, 0], np.log(kept.sum()), rtol=1e-9)
    np.testing.assert_allclose(reads.renyi[:, 1], 2 * np.log(np.sqrt(p).sum(-1)), rtol=1e-6)


def test_renyi_and_tsallis_meet_shannon_at_one() -> None:
    logits = rows_of(3, 4, 3000)
    orders = [0.3, 0.99, 1.0, 1.001, 1.05, 2.0, 7.5]
    reads = reduce_logits(logits, renyi=[*orders, np.inf], tsallis=orders)
    _, p = reference(logits)
    for column, order in enumerate(orders):
        power = (p**order).sum(-1)
        renyi = entr(p).sum(-1) if order == 1 else np.log(power) / (1 - order)
        tsallis = entr(p).sum(-1) if order == 1 else (1 - power) / (order - 1)
        np.testing.assert_allclose(reads.renyi[:, column], renyi, rtol=3e-5, err_msg=f"order {order}")
        np.testing.assert_allclose(reads.tsallis[:, column], tsallis, rtol=3e-5, err_msg=f"order {order}")
    np.testing.assert_allclose(reads.renyi[:, -1], -np.log(p.max(-1)), rtol=1e-6)


@pytest.mark.parametrize("kind", ["none", "rms", "layer"])
def test_norm_scale_bias_and_softcap_agree_with_torch(kind: str) -> None:
    rng = np.random.default_rng(4)
    hidden = rng.normal(size=(6, 48)).astype(np.float32) * 4 + 1
    weight, bias = rng.normal(size=(2100, 48)).astype(np.float32), rng.normal(size=2100).astype(np.float32)
    gain, shift = rng.normal(size=48).astype(np.float32), rng.normal(size=48).astype(np.float32)
    x = torch.tensor(hidden, dtype=torch.float64)
    norm = None
    if kind == "rms":
        norm = FinalNorm("rms", gain, eps=1e-3, offset=1.0)
        x = torch.nn.functional.rms_norm(x, (48,), torch.tensor(gain, dtype=torch.float64) + 1, 1e-3)
    elif kind == "layer":
        norm = FinalNorm("layer", gain, shift, eps=1e-3)
        pair = [torch.tensor(v, dtype=torch.float64) for v in (gain, shift)]
        x = torch.nn.functional.layer_norm(x, (48,), *pair, 1e-3)
    logits = 0.5 * (x.numpy() @ weight.T.astype(np.float64) + bias)
    logits = 12.0 * np.tanh(logits / 12.0)
    reads = read_lens(hidden, weight, norm=norm, bias=bias, scale=0.5, softcap=12.0, final_row=[5] * 6)
    _, p = reference(logits)
    np.testing.assert_allclose(reads.entropy, entr(p).sum(-1), rtol=2e-5)
    np.testing.assert_allclose(reads.kl_final, rel_entr(p[5], p).sum(-1), rtol=5e-5, atol=1e-5)
    np.testing.assert_allclose(reads.top_logits, -np.sort(-logits, axis=-1)[:, :5], rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("width", [40, 700])
def test_narrow_weights_accumulate_in_float32(dtype: torch.dtype, width: int) -> None:
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(7, width, generator=generator)
    weight = (torch.randn(1300, width, generator=generator) / width**0.5 * 3).to(dtype)
    weight[0, 0] = 1e-7  # a subnormal float16
    reads = read_lens(hidden, weight, groups=[[0, 4], [1299]])
    logits = hidden.double().numpy() @ weight.double().numpy().T
    _, p = reference(logits)
    np.testing.assert_allclose(reads.entropy, entr(p).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(reads.chosen[:, 0], logsumexp(logits[:, [0, 4]], axis=-1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(reads.chosen[:, 1], logits[:, 1299], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.exp(reads.chosen_log_probability[:, 1]), p[:, 1299], rtol=1e-4)


def test_chosen_groups_are_the_rows_own() -> None:
    logits = rows_of(6, 3, 700)
    groups = [[5, 600, 33], [699], []]
    reads = reduce_logits(logits, groups=groups, row_groups=[[0, 1], [1, -1], [2, 0]], tile=64)
    expected = np.full((3, 2), np.nan)
    exact = logits.astype(np.float64)
    expected[0] = logsumexp(exact[0, groups[0]]), exact[0, 699]
    expected[1, 0] = exact[1, 699]
    expected[2, 1] = logsumexp(exact[2, groups[0]])
    np.testing.assert_allclose(reads.chosen, expected, rtol=1e-6)


def test_padding_stays_in_unless_it_is_dropped() -> None:
    logits = rows_of(7, 4, 900)
    _, p = reference(logits)
    kept = reduce_logits(logits, vocabulary=850, tile=64)
    np.testing.assert_allclose(kept.padding_mass, p[:, 850:].sum(-1), rtol=1e-5)
    np.testing.assert_allclose(kept.entropy, entr(p).sum(-1), rtol=1e-6)
    dropped = reduce_logits(logits, vocabulary=850, drop_padding=True, groups=[[3, 870]], final_row=[3] * 4, tile=64)
    _, p_kept = reference(logits[:, :850])
    np.testing.assert_allclose(dropped.entropy, entr(p_kept).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(dropped.padding_mass, p[:, 850:].sum(-1), rtol=1e-5)
    np.testing.assert_allclose(dropped.kl_final, rel_entr(p_kept[3], p_kept).sum(-1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dropped.chosen[:, 0], logits[:, 3], rtol=1e-6)  # a dropped token has no logit
    assert dropped.top_ids.max() < 850


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_broken_row_touches_no_other(broken: float) -> None:
    rng = np.random.default_rng(8)
    hidden, weight = rng.normal(size=(5, 32)).astype(np.float32), rng.normal(size=(800, 32)).astype(np.float32)
    whole = read_lens(hidden, weight, final_row=[4] * 5)
    hidden[1, 3] = broken
    reads = read_lens(hidden, weight, final_row=[4] * 5)
    assert reads.finite.tolist() == [True, False, True, True, True]
    assert np.isnan(reads.entropy[1])
    assert (reads.top_ids[1] == -1).all()
    np.testing.assert_array_equal(np.delete(reads.entropy, 1), np.delete(whole.entropy, 1))
    np.testing.assert_array_equal(np.delete(reads.kl_final, 1), np.delete(whole.kl_final, 1))


def test_rows_of_nothing_but_minus_infinity_are_not_finite() -> None:
    reads = reduce_logits(np.full((1, 70), -np.inf, np.float32))
    assert not reads.finite[0]
    assert np.isnan(reads.entropy[0])


def values_of(reads: LensReads) -> list[np.ndarray]:
    return list(vars(reads).values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_results_do_not_depend_on_threads(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(9)
    hidden, weight = torch.randn(33, 256, generator=generator), torch.randn(5000, 256, generator=generator).to(dtype)
    before = torch.get_num_threads()
    results = []
    try:
        for setting, threads in [(1, None), (2, None), (4, None), (4, 3), (4, 1)]:
            torch.set_num_threads(setting)
            results.append(values_of(read_lens(hidden, weight, final_row=[32] * 33, renyi=[0.5], threads=threads)))
            assert torch.get_num_threads() == setting
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_lens_reads_a_model_as_the_model_reads_itself() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1234, hidden_size=64, intermediate_size=96, num_hidden_layers=4, num_attention_heads=4
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        out = model(torch.tensor([[5, 9, 700, 31]]), output_hidden_states=True)
        rows = torch.stack([h[0, -1] for h in out.hidden_states])
        lens = model.lm_head(torch.stack([model.model.norm(row) for row in rows[:-1]]))
    logits = torch.cat([lens, out.logits[0, -1:]]).numpy()
    final = len(rows) - 1
    normed = np.arange(len(rows)) == final  # the last hidden state has been through the norm
    norm = FinalNorm("rms", model.model.norm.weight, eps=config.rms_norm_eps)
    reads = read_lens(rows, model.lm_head.weight, norm=norm, normed=normed, final_row=[final] * len(rows), top_k=1234)
    by_token = np.take_along_axis(reads.top_logits, np.argsort(reads.top_ids, -1), -1)
    np.testing.assert_allclose(by_token, logits, atol=2e-6)
    _, p = reference(logits)
    np.testing.assert_allclose(reads.entropy, entr(p).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(reads.kl_final, rel_entr(p[final], p).sum(-1), atol=2e-6)


def test_many_rows_walk_in_blocks() -> None:
    rng = np.random.default_rng(10)
    hidden, weight = rng.normal(size=(600, 16)).astype(np.float32), rng.normal(size=(300, 16)).astype(np.float32)
    final = np.arange(600) // 30 * 30 + 29
    reads = read_lens(hidden, weight, final_row=final)
    _, p = reference(hidden.astype(np.float64) @ weight.T.astype(np.float64))
    np.testing.assert_allclose(reads.entropy, entr(p).sum(-1), rtol=1e-5)
    np.testing.assert_allclose(reads.kl_final, rel_entr(p[final], p).sum(-1), rtol=1e-4, atol=1e-5)


def test_refusals_name_the_argument() -> None:
    hidden, weight = np.zeros((2, 4), np.float32), np.zeros((6, 4), np.float32)
    with pytest.raises(InvalidArgument, match=r"weight has 5 columns"):
        read_lens(hidden, np.zeros((6, 5), np.float32))
    with pytest.raises(InvalidArgument, match=r"weight is float64"):
        read_lens(hidden, weight.astype(np.float64))
    with pytest.raises(InvalidArgument, match=r"hidden has 1 axes"):
        read_lens(hidden[0], weight)
    with pytest.raises(InvalidArgument, match=r"final_row\[1\] is 2"):
        read_lens(hidden, weight, final_row=[0, 2])
    with pytest.raises(InvalidArgument, match=r"tokens\[1\] is 6"):
        read_lens(hidden, weight, groups=[[0, 6]])
    with pytest.raises(InvalidArgument, match=r"row_groups has shape \(1, 1\)"):
        read_lens(hidden, weight, groups=[[0]], row_groups=[[0]])
    with pytest.raises(InvalidArgument, match=r"row_groups of row 1 is 3"):
        read_lens(hidden, weight, groups=[[0]], row_groups=[[0], [3]])
    with pytest.raises(InvalidArgument, match=r"top_k is 7"):
        read_lens(hidden, weight, top_k=7)
    with pytest.raises(InvalidArgument, match=r"norm kind 'batch' is unknown"):
        read_lens(hidden, weight, norm=FinalNorm("batch"))
    with pytest.raises(InvalidArgument, match=r"norm.weight has 3 values"):
        read_lens(hidden, weight, norm=FinalNorm("rms", np.ones(3, np.float32)))
