"""Figures: they draw on the axes they are given, from the numbers of the analysis."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pytest
from matplotlib.axes import Axes

from modalconflict import plots
from modalconflict.analysis import ModelAnalysis, analyze
from modalconflict.errors import InvalidArgument
from synthetic_study import LAYERS, make_records
from test_analyze import minimal


@pytest.fixture(scope="module")
def model() -> ModelAnalysis:
    return analyze(make_records(groups=40), replicates=100).models[0]


@pytest.fixture
def ax() -> Iterator[Axes]:
    figure, axes = plt.subplots(layout="constrained")
    yield axes
    figure.canvas.draw()  # labels and symbols must be drawable
    plt.close(figure)


def test_law_shows_bins_fit_and_balance_point(model: ModelAnalysis, ax: Axes) -> None:
    assert plots.law(model, ax=ax) is ax
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    point = model.summary["balance_point"]["headline"]
    assert any(label.startswith("balance point −") for label in labels) and "logistic with lapses" in labels
    vertical = [line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]]
    assert vertical[0].get_xdata()[0] == pytest.approx(point["estimate"])
    assert "H" in ax.get_xlabel() and "Delta" in ax.get_xlabel()
    bars = [p.get_height() for p in ax.patches if p.get_width() < 0.3 and p.get_y() < 0]
    counts = [r["n"] for r in model.tables["bins"].to_pylist() if r["half"] == "all" and r["n"]]
    assert np.argmax(bars) == np.argmax(counts)


def test_law_without_a_crossing_draws_no_balance_point(ax: Axes) -> None:
    always = analyze(make_records(groups=20, balance=9.0), replicates=100).models[0]
    plots.law(always, ax=ax)
    assert not any("balance point" in t.get_text() for t in ax.get_legend().get_texts())


def test_another_index_has_its_own_symbol(ax: Axes) -> None:
    other = analyze(make_records(groups=20), uncertainty="max_prob", replicates=100).models[0]
    assert "Delta U" in plots.law(other, "max_prob", ax=ax).get_xlabel()


def test_median_split_draws_both_halves(model: ModelAnalysis, ax: Axes) -> None:
    plots.median_split(model, ax=ax)
    assert len(ax.get_legend().get_texts()) == 2


@pytest.mark.parametrize(("side", "tiers"), [("vision", 6), ("text", 3)])
def test_entropy_by_tier_has_a_tick_a_tier(model: ModelAnalysis, ax: Axes, side: str, tiers: int) -> None:
    plots.entropy_by_tier(model, side, ax=ax)
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(i) for i in range(tiers)]
    means = next(line for line in ax.lines if len(line.get_ydata()) == tiers).get_ydata()
    expected = [r["mean"] for r in model.summary["tiers"] if r["side"] == side]
    np.testing.assert_allclose(means, expected)


def test_accuracy_by_tier(model: ModelAnalysis, ax: Axes) -> None:
    plots.accuracy_by_tier(model, "text", ax=ax)
    np.testing.assert_allclose(
        ax.lines[0].get_ydata(), [r["accuracy"] for r in model.summary["tiers"] if r["side"] == "text"]
    )


def test_an_unknown_side_is_named(model: ModelAnalysis, ax: Axes) -> None:
    with pytest.raises(InvalidArgument, match="side 'sound'"):
        plots.entropy_by_tier(model, "sound", ax=ax)


def test_heat_map_leaves_out_the_embeddings_row(model: ModelAnalysis, ax: Axes) -> None:
    plots.layer_heatmap(model, ax=ax)
    mesh = ax.collections[0]
    assert np.asarray(mesh.get_array()).size == 16 * LAYERS
    assert model.layers is not None
    np.testing.assert_allclose(
        np.ma.filled(mesh.get_array(), np.nan).reshape(LAYERS, 16), model.layers["difference"][:, 1:].T
    )
    assert mesh.norm.vmin == -mesh.norm.vmax  # white is no difference


def test_oscillation_bars_stack_to_the_mean(model: ModelAnalysis, ax: Axes) -> None:
    plots.oscillations(model, ax=ax)
    tops: dict[float, float] = {}
    for patch in ax.patches:
        tops[patch.get_x()] = max(tops.get(patch.get_x(), 0), patch.get_y() + patch.get_height())
    assert list(tops.values()) == pytest.approx([r["mean"] for r in model.summary["oscillations"]["regions"]])


def test_layer_curves_draw_one_line_a_case(model: ModelAnalysis, ax: Axes) -> None:
    cases = model.included().slice(0, 3)
    plots.layer_curves(cases, ax=ax)
    assert len(ax.get_legend().get_texts()) == 3
    with pytest.raises(InvalidArgument, match="no case with lens columns"):
        plots.layer_curves(cases.slice(0, 0), ax=ax)


def test_figures_make_their_own_axes(model: ModelAnalysis) -> None:
    ax = plots.oscillations(model)
    assert isinstance(ax, Axes)
    plt.close(ax.figure)


def test_what_the_records_lack_is_named(ax: Axes) -> None:
    model = analyze(minimal(), replicates=100).models[0]
    plots.law(model, ax=ax)
    for draw in (plots.layer_heatmap, plots.oscillations):
        with pytest.raises(InvalidArgument, match="holds no lens columns"):
            draw(model, ax=ax)
    with pytest.raises(InvalidArgument, match="holds no unimodal runs"):
        plots.entropy_by_tier(model, ax=ax)


def test_colours_of_text_and_image_are_told_apart_without_hue() -> None:
    """Luminance (Rec. 709) differs, so the two survive a greyscale print."""

    def luminance(color: str) -> float:
        r, g, b = matplotlib.colors.to_rgb(color)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    assert abs(luminance(plots.TEXT) - luminance(plots.IMAGE)) > 0.05


def test_single_case_table_is_enough_for_curves(model: ModelAnalysis, ax: Axes) -> None:
    row = model.included().slice(0, 1)
    assert isinstance(row, pa.Table)
    assert plots.layer_curves(row, ax=ax).get_xlabel() == "layer"
