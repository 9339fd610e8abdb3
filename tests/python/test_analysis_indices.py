"""The law under every index, following by tier, the lens by layer, and models compared, against references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

import modalconflict as mc
from modalconflict.analysis import Analysis, analyze, load_analysis
from modalconflict.analysis.compare import compare_models
from modalconflict.analysis.indices import index_names, relative_column
from synthetic_study import LAYERS, make_records
from test_analyze import minimal


@pytest.fixture(scope="module")
def records() -> pa.Table:
    """With a blunt index, whose order is the entropy's broken by noise, and with energy, of which no ΔU_rel can be taken."""
    table = make_records(groups=60, seed=4)
    rng = np.random.default_rng(0)
    entropy = table["entropy"].to_numpy()
    table = table.append_column("blunt", pa.array(entropy * np.exp(rng.normal(0, 2.0, len(entropy)))))
    return table.append_column("energy", pa.array(-entropy))


@pytest.fixture(scope="module")
def analysis(records: pa.Table) -> Analysis:
    return analyze(records, replicates=200)


def test_every_index_but_energy_has_its_law(analysis: Analysis) -> None:
    rows = analysis.models[0].tables["indices"].to_pylist()
    assert [r["uncertainty"] for r in rows] == ["entropy", "max_prob", "margin", "blunt"]
    assert [r["uncertainty"] for r in analysis.models[0].summary["indices"]] == [r["uncertainty"] for r in rows]


def test_the_chosen_index_has_the_headlines_numbers(analysis: Analysis) -> None:
    summary = analysis.models[0].summary
    entropy = summary["indices"][0]
    assert entropy["balance_point"] == summary["balance_point"]["headline"]
    assert entropy["spearman"] == summary["spearman"] and entropy["violation"] == summary["violation"]
    assert entropy["curve"]["y"] == summary["curve"]["logistic"]


def test_an_index_in_the_table_is_the_one_analysed_by_name(records: pa.Table, analysis: Analysis) -> None:
    alone = analyze(records, uncertainty="blunt", replicates=200).models[0].summary
    row = next(r for r in analysis.models[0].summary["indices"] if r["uncertainty"] == "blunt")
    assert row["balance_point"] == alone["balance_point"]["headline"] and row["spearman"] == alone["spearman"]


def test_numbers_of_an_index_are_scipys_and_the_cores(analysis: Analysis) -> None:
    cases = analysis.models[0].included()
    decided = np.isin(cases["outcome"].to_pylist(), ("text", "vision"))
    y = (np.array(cases["outcome"].to_pylist()) == "text")[decided].astype(float)
    assert index_names(cases) == ["entropy", "max_prob", "margin", "blunt"]
    for name, row in zip(index_names(cases), analysis.models[0].summary["indices"], strict=True):
        u_t, u_v = (cases[f"{name}.{s}"].to_numpy() for s in ("text", "vision"))
        x = relative_column(cases, name)
        np.testing.assert_allclose(x, 2 * (u_t - u_v) / (u_t + u_v), atol=1e-12)
        assert row["spearman"] == pytest.approx(stats.spearmanr(x[decided], y).statistic)
        groups = cases["group"].to_numpy()[decided]
        test = mc.violation_test(x[decided], y, groups, replicates=200)
        assert row["violation"]["p_value"] == test.p_value and row["n"] == len(y)
    blunt, entropy = (r["spearman"] for r in (analysis.models[0].summary["indices"][i] for i in (3, 0)))
    assert entropy < blunt - 0.2  # noise in the index blurs the law


def test_a_rising_law_is_a_violation() -> None:
    table = make_records(groups=40, seed=2)
    turned = {"text": "answer_vision", "vision": "answer_text"}
    answers = [
        r[turned["text"]] if r["condition"] == "multimodal" and r["answer"] == r["answer_text"] else
        r[turned["vision"]] if r["condition"] == "multimodal" and r["answer"] == r["answer_vision"] else r["answer"]
        for r in table.select(["condition", "answer", "answer_text", "answer_vision"]).to_pylist()
    ]  # fmt: skip
    turned_table = table.set_column(table.column_names.index("answer"), "answer", pa.array(answers))
    straight, rising = (analyze(t, replicates=200).models[0].summary for t in (table, turned_table))
    assert straight["violation"]["p_value"] > 0.05 and rising["violation"]["p_value"] < 0.02
    assert rising["spearman"] > 0.4


def test_cases_that_one_index_cannot_place_stay_in_the_others(records: pa.Table) -> None:
    margin = np.where(np.array(records["d_v"].to_pylist(), dtype=float) == 0, 0.0, records["margin"].to_numpy())
    margin = np.where(np.array(records["d_t"].to_pylist(), dtype=float) == 0, 0.0, margin)
    table = records.set_column(records.column_names.index("margin"), "margin", pa.array(margin))
    rows = {r["uncertainty"]: r for r in analyze(table, replicates=100).models[0].summary["indices"]}
    assert rows["margin"]["both_certain"] > 0 and rows["entropy"]["both_certain"] == 0
    assert rows["margin"]["n"] < rows["entropy"]["n"]


def test_a_minimal_table_has_one_index() -> None:
    rows = analyze(minimal(), replicates=100).models[0].tables["indices"].to_pylist()
    assert len(rows) == 1 and rows[0]["uncertainty"] == "entropy" and rows[0]["n"] == 400


def test_following_by_tier_counts_the_cases_of_the_tier(analysis: Analysis) -> None:
    model = analysis.models[0]
    cases = model.included().to_pylist()
    rows = model.summary["following"]
    assert [(r["side"], r["tier"]) for r in rows] == [("vision", v) for v in range(6)] + [("text", t) for t in range(3)]
    for row in rows:
        column = {"vision": "d_v", "text": "d_t"}[row["side"]]
        here = [c["outcome"] for c in cases if c[column] == row["tier"]]
        assert (row["n"], row["text"]) == (len(here), here.count("text"))
        assert row["decided"] == here.count("text") + here.count("vision")
        assert row["tfr"] == pytest.approx(row["text"] / row["decided"])
        assert row["tfr_low"] <= row["tfr"] <= row["tfr_high"]
    images = [r["tfr"] for r in rows if r["side"] == "vision"]
    assert images[0] < images[-1]  # the harder the picture, the more the text is followed
    assert analyze(minimal(), replicates=100).models[0].summary["following"] == []


def test_the_lens_by_layer_is_numpys(analysis: Analysis) -> None:
    model = analysis.models[0]
    table = model.tables["lens"].to_pydict()
    cases = model.included()
    kl = np.array(cases["kl_final"].to_pylist())
    np.testing.assert_allclose(table["kl_mean"], kl.mean(axis=0))
    np.testing.assert_allclose(table["kl_upper_quartile"], np.quantile(kl, 0.75, axis=0))
    labels = np.array(cases["lens_label"].to_pylist())
    np.testing.assert_allclose(table["share_text"], (labels == "text").mean(axis=0))
    assert table["layer"] == list(range(LAYERS + 1)) and set(table["n"]) == {cases.num_rows}
    total = np.sum([table[f"share_{k}"] for k in ("text", "vision", "irrelevant")], axis=0)
    np.testing.assert_allclose(total, 1)


def test_a_layer_without_numbers_has_none(records: pa.Table) -> None:
    empty = pa.array([[float("nan")] * (LAYERS + 1)] * records.num_rows, records.schema.field("kl_final").type)
    table = records.set_column(records.column_names.index("kl_final"), "kl_final", empty)
    lens = analyze(table, replicates=100).models[0].tables["lens"]
    assert np.isnan(lens["kl_mean"].to_numpy()).all() and np.isfinite(lens["entropy_mean"].to_numpy()).all()


def test_oscillations_over_all_cases(analysis: Analysis) -> None:
    model = analysis.models[0]
    overall = model.summary["oscillations"]["all"]
    assert overall["mean"] == pytest.approx(np.mean(model.included()["oscillations"].to_numpy()))
    assert overall["n"] == model.included().num_rows


def test_new_tables_are_saved_and_read_back(analysis: Analysis, tmp_path: Path) -> None:
    analysis.save(tmp_path / "a")
    tables = load_analysis(tmp_path / "a").models[0].tables
    for name in ("indices", "following", "lens"):
        assert tables[name].column_names == analysis.models[0].tables[name].column_names
        assert tables[name].num_rows == analysis.models[0].tables[name].num_rows


def test_models_on_the_same_cases_are_compared_together() -> None:
    first = analyze(make_records(groups=60, seed=4), replicates=200)
    second = analyze(make_records(groups=60, seed=4, model="second", balance=0.3), replicates=200)
    (pair,) = compare_models([first.models[0], second.models[0]], first.options)
    assert pair["shared_groups"] == 60
    point = pair["balance_point"]
    truth = -0.5 - 0.3
    assert point["low"] < truth < point["high"] < 0 and point["p_value"] < 0.05
    following = pair["following"]
    rates = [a.models[0].summary["tfr"]["estimate"] for a in (first, second)]
    assert following["total"]["estimate"] == pytest.approx(rates[0] - rates[1])
    parts = following["distribution"]["estimate"] + following["curve"]["estimate"]
    assert parts == pytest.approx(following["total"]["estimate"])
    # the same pictures and texts: the curves make the difference, not where the cases lie
    assert abs(following["distribution"]["estimate"]) < 0.05 < abs(following["curve"]["estimate"])


def test_comparisons_stand_in_the_summary(tmp_path: Path) -> None:
    tables = [make_records(groups=15, model=name, balance=b) for name, b in (("a", -0.5), ("b", 0.3), ("c", 0.0))]
    both = analyze(tables, replicates=100, out=tmp_path / "out")
    assert [(c["first"], c["second"]) for c in both.comparisons] == [(0, 1), (0, 2), (1, 2)]
    assert load_analysis(tmp_path / "out").comparisons == both.comparisons


def test_models_without_a_common_case_are_not_compared() -> None:
    first = analyze(make_records(groups=15), replicates=100)
    table = make_records(groups=15, model="second")
    elsewhere = table.set_column(table.column_names.index("dataset"), "dataset", pa.array(["other"] * table.num_rows))
    second = analyze(elsewhere, replicates=100)
    assert compare_models([first.models[0], second.models[0]], first.options) == []


def test_a_model_without_a_crossing_has_no_difference_of_balance_points() -> None:
    first = analyze(make_records(groups=20), replicates=100)
    second = analyze(make_records(groups=20, model="second", balance=9.0), replicates=100)
    (pair,) = compare_models([first.models[0], second.models[0]], first.options)
    assert pair["balance_point"]["estimate"] is None and pair["following"]["total"]["estimate"] < 0
