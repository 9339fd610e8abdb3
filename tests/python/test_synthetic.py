"""Synthetic records: the analysis finds the law that was put in."""

from __future__ import annotations

import dataclasses
import doctest

import numpy as np
import pytest

import modalconflict as mc
from modalconflict.records.schema import record_schema
from modalconflict.synthetic import SyntheticLaw, follow_text_probability, synthetic_records

LAW = SyntheticLaw(balance_point=-0.4, width=0.3, group_effect=0.5, other=0.04, wrong=0.05, image_tiers=8, layers=18)


@pytest.fixture(scope="module")
def analysis():
    return mc.analyze(synthetic_records(LAW, groups=150, seed=3), replicates=400)


def multimodal(table):
    return [row for row in table.to_pylist() if row["condition"] == "multimodal"]


def test_the_balance_point_is_recovered(analysis):
    for name, error in (("headline", 0.1), ("cir", 0.3)):
        point = analysis.models[0].summary["balance_point"][name]
        assert point["status"] == "crossing"
        assert point["low"] < LAW.balance_point < point["high"]
        assert point["estimate"] == pytest.approx(LAW.balance_point, abs=error)


def test_the_oscillation_rates_are_recovered(analysis):
    found = analysis.models[0].summary["oscillations"]
    rates = {r["name"]: r for r in found["regions"]}
    for name, rate in (("ambiguous", LAW.oscillations_ambiguous), ("clear", LAW.oscillations_clear)):
        # The regions are cut at the estimated balance point, the rates at the true one.
        assert rates[name]["mean"] == pytest.approx(rate, abs=0.12)
    low, high = found["difference"]["low"], found["difference"]["high"]
    assert low - 0.1 < LAW.oscillations_ambiguous - LAW.oscillations_clear < high + 0.1


def test_switches_answers_and_errors_have_the_rates_asked_for():
    law = dataclasses.replace(LAW, group_effect=0.0, lower_lapse=0.1, upper_lapse=0.02)
    table = synthetic_records(law, groups=120, seed=1)
    assert table.schema.equals(record_schema(law.layers + 1, 3), check_metadata=True)
    rows = table.to_pylist()
    unimodal = [row for row in rows if row["condition"] != "multimodal"]
    assert np.mean([not row["correct"] for row in unimodal]) == pytest.approx(law.wrong, abs=0.02)
    entropy = {(r["group"], r["d_t"], r["d_v"]): r["entropy"] for r in unimodal}
    cases = multimodal(table)
    assert np.mean([r["answer"] not in (r["answer_text"], r["answer_vision"]) for r in cases]) == pytest.approx(
        law.other, abs=0.015
    )
    h_text = np.array([entropy[r["group"], r["d_t"], None] for r in cases])
    h_vision = np.array([entropy[r["group"], None, r["d_v"]] for r in cases])
    delta = mc.relative_uncertainty(h_text, h_vision)
    followed = np.array([r["answer"] == r["answer_text"] for r in cases], dtype=float)
    decided = np.array([r["answer"] in (r["answer_text"], r["answer_vision"]) for r in cases])
    p = follow_text_probability(delta, law)
    for low, high in ((-2, -1), (-1, -0.5), (-0.5, 0), (0, 0.7), (0.7, 2)):
        inside = decided & (delta >= low) & (delta < high)
        error = np.sqrt((p[inside] * (1 - p[inside])).sum()) / inside.sum()
        assert followed[inside].mean() == pytest.approx(p[inside].mean(), abs=4 * error)
    counts = mc.count_oscillations([r["lens_label"] for r in cases])
    near = np.abs(delta - law.balance_point) <= 0.5
    assert counts[near].mean() == pytest.approx(law.oscillations_ambiguous, abs=0.12)
    assert counts[~near].mean() == pytest.approx(law.oscillations_clear, abs=0.12)


def test_groups_share_their_effect():
    spread = []
    for effect in (0.0, 2.0):
        law = SyntheticLaw(group_effect=effect, image_tiers=6)
        rows = multimodal(synthetic_records(law, groups=80, seed=2))
        shares = np.array([r["answer"] == r["answer_text"] for r in rows], dtype=float).reshape(80, -1).mean(axis=1)
        spread.append(shares.std())
    assert spread[1] > 1.4 * spread[0]


def test_noise_in_the_entropies_flattens_the_curve_but_keeps_its_centre():
    found = []
    for noise in (0.0, 0.8):
        law = SyntheticLaw(width=0.2, entropy_noise=noise, image_tiers=8)
        cases = mc.analyze(synthetic_records(law, groups=100, seed=5), replicates=100)
        curve = cases.models[0].cases
        used = np.array(curve["included"].to_pylist(), dtype=bool)
        delta = curve["delta"].to_numpy()[used]
        follow = np.array(curve["outcome"].to_pylist())[used] == "text"
        found.append(mc.logistic_fit(delta, follow.astype(float), lower_lapse=0.0, upper_lapse=0.0))
    assert found[1].width > 1.5 * found[0].width
    assert found[1].threshold(0.5) == pytest.approx(0.0, abs=0.15)


def test_a_longer_table_begins_with_the_shorter_one():
    law = SyntheticLaw(image_tiers=2, text_tiers=2)
    short, long = synthetic_records(law, groups=2, seed=7), synthetic_records(law, groups=4, seed=7)
    assert long.slice(0, short.num_rows).equals(short)
    assert not synthetic_records(law, groups=2, seed=8).equals(short)


def test_the_curve_crosses_one_half_at_the_balance_point_with_any_lapses():
    for lower, upper in ((0.0, 0.0), (0.2, 0.05), (0.0, 0.3)):
        law = SyntheticLaw(balance_point=0.7, lower_lapse=lower, upper_lapse=upper)
        assert follow_text_probability(0.7, law) == pytest.approx(0.5, abs=1e-12)


def test_the_examples_of_the_documentation_run():
    from modalconflict import synthetic

    assert doctest.testmod(synthetic).failed == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SyntheticLaw(balance_point=2.0), "balance_point is 2.0"),
        (lambda: SyntheticLaw(balance_point=float("nan")), "balance_point is nan"),
        (lambda: SyntheticLaw(width=0.0), "width is 0.0"),
        (lambda: SyntheticLaw(lower_lapse=0.5), "lower_lapse is 0.5"),
        (lambda: synthetic_records("law"), "law is 'law'"),
        (lambda: follow_text_probability(["a"], SyntheticLaw()), "delta cannot be read"),
        (lambda: SyntheticLaw(group_effect=-1.0), "group_effect is -1.0"),
        (lambda: SyntheticLaw(entropy_noise=float("inf")), "entropy_noise is inf"),
        (lambda: SyntheticLaw(oscillations_clear=5.0), "oscillations_clear is 5.0"),
        (lambda: SyntheticLaw(image_tiers=0), "image_tiers is 0"),
        (lambda: SyntheticLaw(image_tiers=2.5), "image_tiers is 2.5"),
        (lambda: SyntheticLaw(layers=3), "layers is 3"),
        (lambda: SyntheticLaw(wrong="many"), "wrong is 'many'"),
        (lambda: synthetic_records(groups=0), "groups is 0"),
        (lambda: synthetic_records(seed=-1), "seed is -1"),
        (lambda: synthetic_records(groups=1.5), "groups is 1.5"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=message):
        call()
