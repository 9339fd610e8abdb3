"""Records that are streamed give the analysis of records in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import modalconflict as mc
from modalconflict.analysis import streamed, streaming
from modalconflict.analysis.sums import BIN_WIDTH, QUANTILE_ERROR, binned_spearman, size_bin, size_bins, size_quantile
from modalconflict.errors import InvalidArgument
from modalconflict.synthetic import SyntheticLaw, synthetic_records

LAW = SyntheticLaw(balance_point=-0.3, width=0.4, group_effect=0.3, other=0.05, wrong=0.05, image_tiers=6, layers=6)
EXACT = ("counts", "outcomes", "tfr", "vfr", "other", "piled_up", "following")


@pytest.fixture(scope="module")
def records() -> pa.Table:
    """Make 300 groups, with failed, missing and two fully certain runs among them."""
    rows = synthetic_records(LAW, groups=300, seed=5).to_pylist()
    schema = synthetic_records(LAW, groups=1).schema
    for i in (3, 40, 333, 1200):
        rows[i] |= {"status": "the image is broken", "answer": None, "entropy": None, "max_prob": None, "margin": None}
    for row in rows[81 : 81 + 9]:
        row["entropy"] = 0.0
    del rows[500]
    return pa.Table.from_pylist(rows, schema=schema)


@pytest.fixture(scope="module")
def file(records: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "records.parquet"
    pq.write_table(records, path, row_group_size=700)
    return path


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count everything above a thousand runs as large, and read it in many chunks."""
    monkeypatch.setattr(streaming, "STREAMED_ABOVE", 1000)
    monkeypatch.setattr(streaming, "CHUNK", 500)


def both(file: Path, records: pa.Table, **options: Any) -> tuple[Any, Any]:
    found, expected = (mc.analyze(r, replicates=200, **options).models[0] for r in (file, records))
    assert found.summary["computed"]["path"] == "streamed" and expected.summary["computed"] == {"path": "in_memory"}
    return found, expected


def assert_close(found: Any, expected: Any, where: str, rel: float = 1e-12) -> None:
    """Check nested numbers to the last few bits."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            assert_close(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        for i, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_close(a, b, f"{where}[{i}]")
    elif isinstance(expected, str):
        assert found == expected, where
    else:
        assert found == pytest.approx(expected, rel=rel), where


@pytest.mark.parametrize("cases", ["both_correct", "all"])
def test_what_is_exact_is_equal(file: Path, records: pa.Table, cases: str) -> None:
    found, expected = both(file, records, cases=cases)
    for name in EXACT:
        assert_close(found.summary[name], expected.summary[name], name)
    all_bins = [r for r in expected.tables["bins"].to_pylist() if r["half"] == "all"]
    for a, b in zip(found.tables["bins"].to_pylist()[: len(all_bins)], all_bins, strict=True):
        assert_close(a, b, "bins")
    for a, b in zip(found.summary["tiers"], expected.summary["tiers"], strict=True):
        for key, value in b.items():
            rough = key in ("median", "lower_quartile", "upper_quartile")
            # a quartile lies between two runs, of which the histogram takes one
            assert_close(a[key], value, key, 0.05 if rough else 1e-12)


def test_fits_are_equal_within_the_width_of_a_bin(file: Path, records: pa.Table) -> None:
    found, expected = both(file, records)
    names = [i["uncertainty"] for i in expected.summary["indices"]]
    assert [i["uncertainty"] for i in found.summary["indices"]] == names and len(names) >= 3
    for a, b in zip(found.summary["indices"], expected.summary["indices"], strict=True):
        assert (a["n"], a["both_certain"]) == (b["n"], b["both_certain"])
        assert a["balance_point"]["status"] == b["balance_point"]["status"] == "crossing"
        assert a["balance_point"]["estimate"] == pytest.approx(b["balance_point"]["estimate"], abs=BIN_WIDTH)
        assert a["spearman"] == pytest.approx(b["spearman"], abs=1e-3)
        # other draws of the same groups
        width = b["balance_point"]["high"] - b["balance_point"]["low"]
        for end in ("low", "high"):
            assert a["balance_point"][end] == pytest.approx(b["balance_point"][end], abs=0.25 * width)
    np.testing.assert_allclose(found.summary["curve"]["logistic"], expected.summary["curve"]["logistic"], atol=2e-3)
    np.testing.assert_allclose(found.summary["curve"]["low"], expected.summary["curve"]["low"], atol=2e-2)
    # a step may lie elsewhere when its neighbours are one bin, but not where the cases speak against it
    cir = expected.summary["balance_point"]["cir"]
    assert cir["low"] < found.summary["balance_point"]["cir"]["estimate"] < cir["high"]
    a, b = (m.summary["median_split"] for m in (found, expected))
    assert a["total_median"] == pytest.approx(b["total_median"], rel=2 * QUANTILE_ERROR)
    for half in ("low", "high"):
        assert a["halves"][half]["n"] == pytest.approx(b["halves"][half]["n"], rel=0.03)
        point = a["halves"][half]["balance_point"]["estimate"]
        assert point == pytest.approx(b["halves"][half]["balance_point"]["estimate"], abs=0.03)
    assert found.summary["sides"] == pytest.approx(expected.summary["sides"], abs=2e-3)


def test_a_sample_of_whole_groups_stands_for_the_cases(file: Path, records: pa.Table) -> None:
    found, expected = both(file, records)
    assert len(set(found.cases["group"].to_pylist())) == streamed.SAMPLED_GROUPS
    rows = {r["case_id"]: r for r in expected.cases.select(found.cases.column_names).to_pylist()}
    for row in found.cases.to_pylist()[:50]:
        for name in ("outcome", "included", "u_text", "y_vision"):
            assert row[name] == rows[row["case_id"]][name]


def test_more_groups_than_blocks_keep_the_interval(
    file: Path, records: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (streamed, __import__("modalconflict.analysis.sums", fromlist=["sums"])):
        monkeypatch.setattr(module, "BLOCKS", 100)
    found, expected = both(file, records)
    assert found.summary["computed"]["blocks"] == 100
    a, b = found.summary["tfr"], expected.summary["tfr"]
    assert a["estimate"] == pytest.approx(b["estimate"], rel=1e-12)
    assert a["high"] - a["low"] == pytest.approx(b["high"] - b["low"], rel=0.35)


def test_it_is_saved_read_back_and_reported(file: Path, tmp_path: Path) -> None:
    result = mc.analyze(file, replicates=100, out=tmp_path / "analysis")
    again = mc.load_analysis(tmp_path / "analysis")
    assert again.models[0].summary == result.models[0].summary
    page = mc.report(tmp_path / "analysis", tmp_path / "report.html")
    assert "synthetic" in Path(page).read_text(encoding="utf-8")


def test_a_scattered_group_and_mixed_models_are_refused(records: pa.Table, tmp_path: Path) -> None:
    turned = pa.concat_tables([records.slice(5), records.slice(0, 5)])
    pq.write_table(turned, tmp_path / "turned.parquet")
    with pytest.raises(InvalidArgument, match="the runs of group 0 of .* do not stand together; sort the table"):
        mc.analyze(tmp_path / "turned.parquet", replicates=100)
    names = pa.array(["a"] * 2000 + ["b"] * (records.num_rows - 2000))
    two = records.set_column(records.column_names.index("model"), "model", names)
    pq.write_table(two, tmp_path / "two.parquet")
    with pytest.raises(InvalidArgument, match="holds several models; write one file a model"):
        mc.analyze(tmp_path / "two.parquet", replicates=100)


def test_histogram_quantiles_keep_their_error() -> None:
    values = np.random.default_rng(0).lognormal(0, 2, 10_001)
    histogram = np.bincount(size_bin(values), minlength=size_bins())
    for share in (0.01, 0.25, 0.5, 0.9):
        exact = np.quantile(values, share, method="inverted_cdf")
        assert size_quantile(histogram, share) == pytest.approx(exact, rel=2 * QUANTILE_ERROR)
    assert size_quantile(np.bincount(size_bin(np.zeros(5)), minlength=size_bins()), 0.5) == 0.0


def test_binned_spearman_is_scipys() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    x = rng.integers(0, 20, 500)
    y = rng.random(500) < x / 25
    n, k = np.bincount(x, minlength=20), np.bincount(x, weights=y, minlength=20)
    assert binned_spearman(k, n.astype(float)) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
