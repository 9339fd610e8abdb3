"""The analysis against scipy, against the law that the synthetic study obeys, and against bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy import stats

import modalconflict as mc
from modalconflict.analysis import Analysis, analyze, load_analysis
from modalconflict.analysis.law import bin_edges, disagree
from modalconflict.analysis.layers import count_switches, layer_bins, regions
from modalconflict.analysis.statistics import mean_difference_interval, ratio_interval, spearman, wilson_interval
from modalconflict.errors import InvalidArgument, IoError
from synthetic_study import BALANCE, LAYERS, make_records, make_study


@pytest.fixture(scope="module")
def records() -> pa.Table:
    return make_records(groups=120, seed=1)


@pytest.fixture(scope="module")
def analysis(records: pa.Table) -> Analysis:
    return analyze(records, replicates=300)


def minimal(n: int = 400, seed: int = 0, **columns: object) -> pa.Table:
    rng = np.random.default_rng(seed)
    h_t, h_v = rng.gamma(2, 0.4, n), rng.gamma(2, 0.4, n)
    delta = 2 * (h_t - h_v) / (h_t + h_v)
    follow = rng.random(n) < 1 / (1 + np.exp((delta - 0.4) / 0.3))
    table = {
        "case_id": [f"c{i}" for i in range(n)],
        "h_text": h_t,
        "h_vision": h_v,
        "outcome": np.where(follow, "text", "vision"),
    }
    return pa.table({**table, **columns})


def test_wilson_interval_is_scipys() -> None:
    low, high = wilson_interval(np.array([0.0, 3, 50]), np.array([10.0, 7, 50]), 0.9)
    for i, (k, n) in enumerate([(0, 10), (3, 7), (50, 50)]):
        reference = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
        assert (low[i], high[i]) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_spearman_is_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 8, 200).astype(float), rng.integers(0, 2, 200).astype(float)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert np.isnan(spearman(x, np.ones(200)))


def test_group_intervals_cover_and_are_wider_than_independent_ones() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(60), 20)
    y = (rng.random(60)[groups] > 0.4).astype(float)  # a group answers as one
    estimate, low, high = ratio_interval(y, np.ones(1200), groups, 0.95, 1000, 0)
    assert estimate == pytest.approx(y.mean())
    boot = stats.bootstrap(
        (y[::20],), np.mean, confidence_level=0.95, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    )
    assert (low, high) == pytest.approx((boot.confidence_interval.low, boot.confidence_interval.high), abs=0.02)
    naive = stats.binomtest(int(y.sum()), 1200).proportion_ci(0.95, method="wilson")
    assert high - low > 2 * (naive.high - naive.low)


def test_difference_interval_is_scipys_where_each_case_is_a_group() -> None:
    rng = np.random.default_rng(5)
    values, first = rng.poisson(1.0, 600).astype(float), rng.random(600) < 0.5
    values[first] += rng.poisson(0.5, first.sum())
    estimate, low, high = mean_difference_interval(values, first, np.arange(600), 0.95, 2000, 0)
    reference = stats.ttest_ind(values[first], values[~first], equal_var=False)
    interval = reference.confidence_interval(0.95)
    assert estimate == pytest.approx(values[first].mean() - values[~first].mean())
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=0.04)


def test_the_balance_point_of_the_synthetic_law_is_found(analysis: Analysis) -> None:
    points = analysis.models[0].summary["balance_point"]
    for point in (points["headline"], points["cir"]):
        assert point["status"] == "crossing"
        assert point["low"] < BALANCE < point["high"]
        assert point["high"] - point["low"] < 0.5
    assert points["headline"]["method"] == "logistic" and points["cir"]["method"] == "cir"
    assert "assumes_independence" in points["cir"]["flags"]
    assert not points["disagree"]


def test_a_shifted_law_shifts_the_balance_point() -> None:
    shifted = analyze(make_records(groups=120, seed=2, balance=0.6), replicates=200)
    point = shifted.models[0].summary["balance_point"]["headline"]
    assert point["low"] < 0.6 < point["high"]


def test_rates_are_counted_over_the_cases_both_of_whose_answers_are_right(
    records: pa.Table, analysis: Analysis
) -> None:
    rows = records.to_pylist()
    right_t = {(r["group"], r["d_t"]): r["correct"] for r in rows if r["condition"] == "text_only"}
    right_v = {(r["group"], r["d_v"]): r["correct"] for r in rows if r["condition"] == "vision_only"}
    used = [
        r
        for r in rows
        if r["condition"] == "multimodal" and right_t[r["group"], r["d_t"]] and right_v[r["group"], r["d_v"]]
    ]
    text = sum(r["answer"] == r["answer_text"] for r in used)
    vision = sum(r["answer"] == r["answer_vision"] for r in used)
    s = analysis.models[0].summary
    assert s["counts"]["used"] == len(used) == s["counts"]["both_correct"]
    assert s["outcomes"] == {"text": text, "vision": vision, "other": len(used) - text - vision}
    assert s["tfr"]["estimate"] == pytest.approx(text / (text + vision))
    assert s["tfr"]["low"] < s["tfr"]["estimate"] < s["tfr"]["high"]
    assert s["vfr"]["estimate"] == pytest.approx(1 - s["tfr"]["estimate"])


def test_other_is_split(records: pa.Table, analysis: Analysis) -> None:
    other = analysis.models[0].summary["other"]
    assert sum(other["kinds"].values()) == analysis.models[0].summary["outcomes"]["other"]
    assert all(n > 0 for n in other["kinds"].values())


def test_all_conflicts_are_more_cases(records: pa.Table, analysis: Analysis) -> None:
    every = analyze(records, cases="all", replicates=100).models[0].summary["counts"]
    assert every["used"] > analysis.models[0].summary["counts"]["used"]
    assert every["used"] == every["cases"] - every["no_conflict"]


def test_delta_and_tiers_come_from_the_unimodal_runs(records: pa.Table, analysis: Analysis) -> None:
    case = next(c for c in analysis.models[0].cases.to_pylist() if c["case_id"] == "color/00007/v03/t2")
    rows = {r["case_id"]: r for r in records.to_pylist()}
    h_t, h_v = rows["color/00007/t2"]["entropy"], rows["color/00007/v03"]["entropy"]
    assert case["delta"] == pytest.approx(2 * (h_t - h_v) / (h_t + h_v))
    tier = next(r for r in analysis.models[0].summary["tiers"] if (r["side"], r["tier"]) == ("vision", 3))
    values = [r["entropy"] for r in rows.values() if r["condition"] == "vision_only" and r["d_v"] == 3]
    assert tier["mean"] == pytest.approx(np.mean(values)) and tier["median"] == pytest.approx(np.median(values))
    assert tier["n"] == 120


def test_another_index_gives_another_axis(records: pa.Table, analysis: Analysis) -> None:
    other = analyze(records, uncertainty="max_prob", replicates=100)
    ours, theirs = (a.models[0].cases["delta"].to_numpy() for a in (analysis, other))
    assert not np.allclose(ours, theirs)
    assert stats.spearmanr(ours, theirs).statistic > 0.9


def test_median_split_halves_are_the_whole_and_both_fall(analysis: Analysis) -> None:
    split = analysis.models[0].summary["median_split"]
    outcomes = analysis.models[0].summary["outcomes"]
    assert split["halves"]["low"]["n"] + split["halves"]["high"]["n"] == outcomes["text"] + outcomes["vision"]
    assert all(h["spearman"] < -0.3 for h in split["halves"].values())


def test_bins_hold_every_decided_case(analysis: Analysis) -> None:
    bins = [r for r in analysis.models[0].tables["bins"].to_pylist() if r["half"] == "all"]
    outcomes = analysis.models[0].summary["outcomes"]
    assert len(bins) == 16 and sum(r["n"] for r in bins) == outcomes["text"] + outcomes["vision"]
    assert sum(r["text"] for r in bins) == outcomes["text"]
    assert bin_edges(0.3)[-1] == 2.0 and len(bin_edges(0.3)) == 15


def test_ambiguous_cases_oscillate_more_and_thirds_sum_up(analysis: Analysis) -> None:
    oscillations = analysis.models[0].summary["oscillations"]
    ambiguous, clear = oscillations["regions"]
    assert oscillations["basis"] == "balance_point"
    assert ambiguous["n"] + clear["n"] == analysis.models[0].summary["counts"]["used"]
    assert sum(ambiguous["thirds"].values()) == pytest.approx(ambiguous["mean"])
    assert oscillations["difference"]["low"] > 0
    cases = analysis.models[0].included().to_pylist()
    centre = analysis.models[0].summary["balance_point"]["headline"]["estimate"]
    near = [c["oscillations"] for c in cases if abs(c["delta"] - centre) <= 0.5]
    assert ambiguous["mean"] == pytest.approx(np.mean(near)) and {c["region"] for c in cases} == {"ambiguous", "clear"}


def test_switches_ignore_irrelevant_layers_and_failed_runs() -> None:
    labels = np.array([["vision", "irrelevant", "text", "text", "irrelevant", "vision"], [None] * 6], dtype=object)
    assert count_switches(labels).tolist() == [[0, 1, 1], [0, 0, 0]]


def test_without_a_crossing_tertiles_stand_in() -> None:
    always = analyze(make_records(groups=40, balance=9.0, other=0.0), replicates=100).models[0].summary
    assert always["balance_point"]["headline"]["status"] == "always_text"
    assert always["balance_point"]["headline"]["estimate"] is None
    assert always["oscillations"]["basis"] == "tertiles"
    assert [r["name"] for r in always["oscillations"]["regions"]] == ["lowest third", "highest third"]
    assert always["sides"] is None
    where = regions(np.array([-0.1, 0.2, 0.5, -0.6, 1.5, -2.0]), None)
    assert where.first.tolist() == [True, True, False, False, False, False] and where.second.tolist() == [False] * 4 + [
        True,
        True,
    ]


def test_layer_bins_are_means_of_the_difference() -> None:
    delta, edges = np.array([-1.0, -0.9, 0.5, 2.0]), np.array([-2.0, 0.0, 1.0, 2.0])
    difference = np.array([[1.0, 2], [3, 4], [np.nan, 1], [7, 8]])
    mean, counts = layer_bins(delta, difference, edges)
    assert counts.tolist() == [2, 0, 1]
    np.testing.assert_array_equal(mean, [[2, 3], [np.nan, np.nan], [7, 8]])


def test_heat_map_has_a_row_a_lens_row(analysis: Analysis) -> None:
    layers = analysis.models[0].layers
    assert layers is not None and layers["difference"].shape == (16, LAYERS + 1)
    last = layers["difference"][:, -1]
    assert last[2] > 0 > last[13]


def test_two_balance_points_contradict_each_other_only_if_they_do() -> None:
    here = {"status": "crossing", "estimate": 0.0, "low": -0.1, "high": 0.1}
    assert not disagree(here, {**here, "estimate": 0.15, "low": 0.05, "high": 0.3})
    assert disagree(here, {**here, "estimate": 0.4, "low": 0.2, "high": 0.6})
    assert not disagree(here, {**here, "status": "one_sided", "low": None, "high": -0.05})
    assert disagree(here, {"status": "always_text", "estimate": None, "low": None, "high": None})


def test_the_same_seed_gives_the_same_summary(records: pa.Table, analysis: Analysis) -> None:
    assert analyze(records, replicates=300).to_dict() == analysis.to_dict()


def test_saved_and_read_back(analysis: Analysis, tmp_path: Path) -> None:
    path = analysis.save(tmp_path / "analysis")
    back = load_analysis(tmp_path / "analysis")
    assert back.to_dict() == analysis.to_dict() == json.loads(path.read_text())
    assert back.models[0].cases.equals(analysis.models[0].cases)
    assert back.models[0].layers is not None and analysis.models[0].layers is not None
    np.testing.assert_array_equal(back.models[0].layers["difference"], analysis.models[0].layers["difference"])
    assert back.models[0].tables["bins"]["n"].to_pylist() == analysis.models[0].tables["bins"]["n"].to_pylist()
    analysis.save(tmp_path / "analysis")
    assert "balance point" in repr(back) and "<table>" in back._repr_html_()


def test_saving_overwrites_nothing_else(analysis: Analysis, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(IoError, match="is not empty and holds no analysis"):
        analysis.save(tmp_path)
    with pytest.raises(IoError, match="is a file"):
        analysis.save(tmp_path / "thesis.tex")
    assert list(tmp_path.iterdir()) == [tmp_path / "thesis.tex"]


def test_reading_a_damaged_analysis_names_it(analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(IoError, match="holds no analysis"):
        load_analysis(tmp_path)
    analysis.save(tmp_path / "a")
    (tmp_path / "a" / "model-00" / "cases.parquet").write_bytes(b"PAR1")
    with pytest.raises(IoError, match="model-00 is incomplete"):
        load_analysis(tmp_path / "a")
    (tmp_path / "a" / "summary.json").write_text("{}")
    with pytest.raises(IoError, match="no analysis of format version 1"):
        load_analysis(tmp_path / "a")


def test_a_study_folder_brings_its_own_record(tmp_path: Path) -> None:
    study = make_study(tmp_path, groups=6)
    result = mc.analyze(study, replicates=100, out=tmp_path / "out")
    assert result.models[0].summary["study"]["dataset"]["name"] == "color_recognition"
    assert (tmp_path / "out" / "summary.json").is_file() and (tmp_path / "out" / "model-00" / "tiers.csv").is_file()


def test_several_models_are_analysed_apart() -> None:
    a, b = make_records(groups=20, model="a"), make_records(groups=20, model="b", balance=0.5)
    result = analyze(pa.concat_tables([a, b]), replicates=100)
    assert [m.name for m in result.models] == ["a", "b"]
    assert analyze([a, b], replicates=100).to_dict()["models"][0]["tfr"] == result.models[0].summary["tfr"]


def test_the_balance_point_is_an_object_also_after_reading_back(analysis: Analysis, tmp_path: Path) -> None:
    point = analysis.balance_point
    assert isinstance(point, mc.BalancePoint)
    assert point.to_dict() == analysis.models[0].summary["balance_point"]["headline"]
    analysis.save(tmp_path / "a")
    assert load_analysis(tmp_path / "a").balance_point.to_dict() == point.to_dict()
    always = analyze(make_records(groups=20, balance=9.0), replicates=100)
    assert always.balance_point.status == "always_text" and np.isnan(always.balance_point.estimate)
    both = Analysis(analysis.options, analysis.versions, analysis.models + always.models)
    with pytest.raises(InvalidArgument, match="holds 2 models"):
        both.balance_point  # noqa: B018


def test_two_tables_of_one_model_are_one() -> None:
    whole = make_records(groups=20)
    cut = pa.array([g < 10 for g in whole["group"].to_pylist()])
    import pyarrow.compute as pc

    halves = [whole.filter(cut), whole.filter(pc.invert(cut))]
    assert (
        analyze(halves, replicates=100).models[0].summary["tfr"]
        == analyze(whole, replicates=100).models[0].summary["tfr"]
    )
    with pytest.raises(InvalidArgument, match="repeats the run of row 0"):
        analyze([whole, whole], replicates=100)


def test_a_minimal_table_is_enough(tmp_path: Path) -> None:
    table = minimal()
    pq.write_table(table, tmp_path / "m.parquet")
    pa.csv.write_csv(table, tmp_path / "m.csv")
    summary = analyze(tmp_path / "m.parquet", replicates=200).models[0].summary
    point = summary["balance_point"]["headline"]
    delta = mc.relative_uncertainty(table["h_text"].to_numpy(), table["h_vision"].to_numpy())
    follow = [float(o == "text") for o in table["outcome"].to_pylist()]
    direct = mc.balance_point(delta, follow, groups=np.arange(400), method="logistic", replicates=200)
    assert (point["estimate"], point["low"], point["high"]) == pytest.approx((direct.estimate, direct.low, direct.high))
    assert point["estimate"] == pytest.approx(
        0.4, abs=0.15
    )  # three standard deviations of the estimate over 300 such tables
    assert summary["oscillations"] is None and "tiers" not in summary
    from_csv = analyze(tmp_path / "m.csv", replicates=200).models[0].summary
    assert from_csv["balance_point"]["cir"]["estimate"] == pytest.approx(
        summary["balance_point"]["cir"]["estimate"], abs=1e-9
    )


def test_groups_of_a_minimal_table_are_used() -> None:
    one = analyze(minimal(group=np.repeat(np.arange(40), 10)), replicates=100).models[0].summary["balance_point"]["cir"]
    assert "assumes_independence" in one["flags"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("h_text", -1.0, "row 3, column 'h_text': -1.0 is no finite number"),
        ("h_vision", float("nan"), "row 3, column 'h_vision': nan"),
        ("outcome", "txt", "row 3, column 'outcome': 'txt' is none of text, vision, other, no_conflict"),
    ],
)
def test_a_bad_value_in_a_minimal_table_is_named(column: str, value: object, words: str) -> None:
    table = minimal(20)
    values = table[column].to_pylist()
    values[3] = value
    with pytest.raises(InvalidArgument, match=words):
        analyze(table.set_column(table.column_names.index(column), column, pa.array(values)), replicates=100)


def test_missing_columns_of_a_minimal_table_are_named() -> None:
    with pytest.raises(InvalidArgument, match="no column 'h_vision'"):
        analyze(minimal(10).drop_columns(["h_vision"]), replicates=100)


def test_cases_without_uncertainty_on_either_side_say_nothing(records: pa.Table) -> None:
    table = minimal(50)
    zero = pa.array([0.0] * 10 + table["h_text"].to_pylist()[10:])
    half = pa.array([0.0] * 10 + table["h_vision"].to_pylist()[10:])
    counts = (
        analyze(table.set_column(1, "h_text", zero).set_column(2, "h_vision", half), replicates=100)
        .models[0]
        .summary["counts"]
    )
    assert counts["both_certain"] == 10 and counts["used"] == 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"uncertainty": "mood"}, "uncertainty 'mood' is no column"),
        ({"uncertainty": "energy"}, "not defined for it"),
        ({"level": 1.0}, "level is 1.0"),
        ({"cases": "some"}, "cases 'some'"),
        ({"bin_width": 0.0}, "bin_width is 0.0"),
        ({"replicates": 5}, "replicates is 5"),
    ],
)
def test_options_out_of_range_are_named(records: pa.Table, options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        analyze(records, **options)  # type: ignore[arg-type]


def test_records_that_cannot_be_used_are_named(records: pa.Table) -> None:
    with pytest.raises(InvalidArgument, match="no records to analyse"):
        analyze([])
    only = records.filter(pa.array([c != "multimodal" for c in records["condition"].to_pylist()]))
    with pytest.raises(InvalidArgument, match="hold no multimodal run"):
        analyze(only)
    wrong = make_records(groups=3, wrong=1.0)
    with pytest.raises(InvalidArgument, match="no case has both unimodal answers correct"):
        analyze(wrong)


def test_missing_and_failed_unimodal_runs_are_counted(records: pa.Table) -> None:
    rows = records.to_pylist()
    drop = [r["case_id"] == "color/00000/t0" for r in rows]
    table = records.filter(pa.array([not d for d in drop]))
    status = ["no image" if r["case_id"] == "color/00001/v00" else "ok" for r in table.to_pylist()]
    table = table.set_column(table.column_names.index("status"), table.schema.field("status"), pa.array(status))
    counts = analyze(table, replicates=100).models[0].summary["counts"]
    assert counts["failures"] == {"its text-only run is missing": 6, "its vision-only run failed: no image": 3}


def test_first_token_mismatches_are_counted(records: pa.Table) -> None:
    counts = analyze(records, replicates=100).models[0].summary["counts"]
    cases = analyze(records, replicates=100).models[0].included().to_pylist()
    assert counts["first_token_differs"] == sum(c["first_token_class"] != c["outcome"] for c in cases)


def with_controls(records: pa.Table, controls: pa.Table, name: str | None = "text_irrelevant") -> pa.Table:
    """Both in one table, the second as a control in groups of its own; the first's rows do not say that they are none."""
    place = controls.column_names.index("group")
    controls = controls.set_column(place, controls.schema.field(place), [1000 + controls["group"].to_numpy()])
    both = pa.concat_tables([t.drop_columns(["control"]) for t in (records, controls)])
    kinds = [None] * records.num_rows + [name] * controls.num_rows
    return both.append_column("control", pa.array(kinds, pa.string()))


def test_controls_have_no_part_in_the_law(records: pa.Table, analysis: Analysis, tmp_path: Path) -> None:
    controls = make_records(groups=20, seed=5, balance=1.5)  # another law, which would move the balance point
    found = analyze(with_controls(records, controls), replicates=300, out=tmp_path / "a")
    mine, alone = dict(found.models[0].summary), dict(analysis.models[0].summary)
    assert alone.pop("controls") == []
    (row,) = mine.pop("controls")
    assert mine == alone
    assert found.models[0].cases.equals(analysis.models[0].cases)
    # The reference counts by itself.
    runs = [r for r in controls.to_pylist() if r["condition"] == "multimodal" and r["status"] == "ok"]
    text = sum(r["answer"] == r["answer_text"] for r in runs)
    vision = sum(r["answer"] == r["answer_vision"] for r in runs)
    assert (row["control"], row["groups"], row["n"]) == ("text_irrelevant", 20, len(runs))
    assert (row["text"], row["vision"], row["other"]) == (text, vision, len(runs) - text - vision)
    assert row["tfr"] == pytest.approx(text / (text + vision)) and row["tfr_low"] < row["tfr"] < row["tfr_high"]
    counted = [mc.count_oscillations(r["lens_label"][1:]) for r in runs]
    assert row["oscillations"] == pytest.approx(np.mean(counted))
    assert row["oscillations_low"] < row["oscillations"] < row["oscillations_high"]
    assert load_analysis(tmp_path / "a").models[0].tables["controls"]["n"].to_pylist() == [len(runs)]


def test_controls_count_the_answers_that_records_name(records: pa.Table) -> None:
    one = [r for r in make_records(groups=3, seed=2).to_pylist() if r["condition"] == "multimodal"][:4]
    sides = ["text", "vision", "both", "other"]
    for i, (run, side) in enumerate(zip(one, sides, strict=True)):
        run |= {"answer_class": side, "answer_kind": "abstention" if side == "other" else "answer", "group": i}
    one[3]["answer"] = one[3]["answer_text"]  # what the records say of it goes before what it looks like
    controls = pa.Table.from_pylist(one, schema=records.schema)
    failed = pa.Table.from_pylist([one[0] | {"group": 9, "status": "out of memory"}], schema=records.schema)
    (row,) = (
        analyze(with_controls(records, pa.concat_tables([controls, failed]), "blank_image"), replicates=100)
        .models[0]
        .summary["controls"]
    )
    assert [row[k] for k in (*sides, "declined", "n", "failed")] == [1, 1, 1, 1, 1, 4, 1]


def test_controls_without_a_lens_or_a_decision(records: pa.Table) -> None:
    plain = records.drop_columns([c for c in records.column_names if c.startswith(("lens", "logit", "kl"))])
    some = plain.filter(pa.compute.equal(plain["group"], 0))
    odd = some.set_column(some.column_names.index("answer"), "answer", pa.array(["mauve"] * some.num_rows))
    odd = odd.set_column(odd.column_names.index("answer_class"), "answer_class", pa.nulls(some.num_rows, pa.string()))
    (row,) = analyze(with_controls(plain, odd), replicates=100).models[0].summary["controls"]
    assert row["n"] == row["other"] > 0
    assert row["tfr"] is None and row["oscillations"] is None and row["oscillations_low"] is None


def test_controls_alone_are_no_study(records: pa.Table) -> None:
    with pytest.raises(InvalidArgument, match="controls alone; add the runs of the conflicts"):
        analyze(with_controls(records.slice(0, 0), records))
