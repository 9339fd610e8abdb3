"""Other libraries' tables in, ours out: the Arrow stream interface, xarray and ArviZ, optional packages present and absent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import modalconflict as mc
from modalconflict.arrow_tables import as_arrow
from modalconflict.errors import InvalidArgument
from synthetic_study import make_records

RECORDS = make_records(groups=12)


class Stream:
    """A table of a library that nobody has heard of."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def frames(table: pa.Table) -> list[Any]:
    return [Stream(table), pl.from_arrow(table), pd.DataFrame({n: table[n].to_pylist() for n in table.column_names})]


def joined_cases(n: int = 300) -> pa.Table:
    rng = np.random.default_rng(0)
    h_text, h_vision = rng.gamma(2, 0.4, n), rng.gamma(2, 0.4, n)
    delta = 2 * (h_text - h_vision) / (h_text + h_vision)
    follow = rng.random(n) < 1 / (1 + np.exp(delta / 0.4))
    return pa.table({
        "case_id": [f"c{i}" for i in range(n)], "h_text": h_text, "h_vision": h_vision,
        "outcome": np.where(follow, "text", "vision"), "group": np.arange(n) // 5,
    })  # fmt: skip


@pytest.mark.parametrize("number", range(3))
def test_the_analysis_takes_any_table_and_gives_the_same(number: int) -> None:
    table = joined_cases()
    expected = mc.analyze(table, replicates=100).to_dict()
    assert mc.analyze(frames(table)[number], replicates=100).to_dict() == expected


def test_records_go_to_polars_and_back() -> None:
    frame = pl.from_arrow(RECORDS)
    back = mc.read_records(frame)
    assert back.select(RECORDS.column_names).cast(RECORDS.schema).equals(RECORDS)
    assert mc.analyze(frame, replicates=100).to_dict() == mc.analyze(RECORDS, replicates=100).to_dict()


def test_results_are_streams_themselves(tmp_path: Path) -> None:
    analysis = mc.analyze(RECORDS, replicates=100)
    model = analysis.models[0]
    assert pl.DataFrame(model).height == model.cases.num_rows
    frame = pl.DataFrame(analysis)
    assert frame.columns[0] == "model"
    assert set(frame["model"]) == {model.name}
    np.testing.assert_array_equal(frame["delta"].to_numpy(), model.cases["delta"].to_numpy())
    if hasattr(pd.DataFrame, "from_arrow"):
        assert len(pd.DataFrame.from_arrow(model)) == model.cases.num_rows
    assert len(pa.table(model).to_pandas()) == model.cases.num_rows
    for table in model.tables.values():
        assert pl.DataFrame(table).height == table.num_rows
    data = mc.datasets.color_recognition(groups=1, out=tmp_path / "data")
    assert pl.DataFrame(data)["case_id"].to_list() == data.table["case_id"].to_pylist()


def test_a_dataset_is_made_of_a_polars_frame(tmp_path: Path) -> None:
    data = mc.datasets.color_recognition(groups=1, out=tmp_path / "data")
    frame = pl.DataFrame(data).select("image", "text", "question", "answer_text", "answer_vision", "group")
    again = mc.datasets.from_table(frame, images=data.path, out=tmp_path / "again")
    assert len(again) == len(data)
    assert again.table["text"].equals(data.table["text"])


@pytest.mark.parametrize("thing", [7, object(), {"case_id": ["a"]}])
def test_what_is_no_table_is_refused(thing: Any) -> None:
    with pytest.raises(InvalidArgument, match="is no table; give"):
        as_arrow(thing)


def test_a_stream_that_is_no_table_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="cannot be read as a table"):
        as_arrow(pl.Series("x", [1, 2]))
    with pytest.raises(InvalidArgument, match="no column 'h_text'"):
        mc.analyze(pl.DataFrame({"case_id": ["a"], "outcome": ["text"]}))


def balance_point(**options: Any) -> mc.BalancePoint:
    table = joined_cases()
    h_text, h_vision = table["h_text"].to_numpy(), table["h_vision"].to_numpy()
    follow = np.array(table["outcome"].to_pylist()) == "text"
    delta = mc.relative_uncertainty(h_text, h_vision)
    return mc.balance_point(delta, follow, groups=table["group"].to_numpy(), replicates=200, **options)


def test_bootstrap_estimates_are_an_xarray_dataset() -> None:
    point = balance_point(method="logistic")
    draws = point.to_xarray()
    assert dict(draws.sizes) == {"chain": 1, "draw": 200}
    np.testing.assert_array_equal(draws["balance_point"].values[0], point.replicate_estimates)
    assert draws.attrs["estimate"] == point.estimate
    low, high = draws["balance_point"].quantile([0.025, 0.975]).values
    assert (low, high) == pytest.approx((point.low, point.high), abs=0.02)
    draws.to_dict()  # attributes that a file format can hold


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_arviz_summarises_the_draws() -> None:
    az = pytest.importorskip("arviz")
    point = balance_point(method="logistic")
    summary = az.summary(point.to_xarray(), kind="stats", round_to="none")
    assert float(summary["mean"].iloc[0]) == pytest.approx(point.replicate_estimates.mean())


def test_a_balance_point_without_replicates_says_how_to_get_them() -> None:
    with pytest.raises(InvalidArgument, match="method='logistic'"):
        balance_point().to_xarray()


def test_without_xarray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ModuleNotFoundError, match=r"modalconflict\[xarray\]"):
        balance_point(method="logistic").to_xarray()
