"""Figures look as they did: compared with pictures in baseline/ by pytest-mpl.

After a change that is meant: ``pytest tests/python/test_plots_images.py --mpl-generate-path=tests/python/baseline``, and look at them.
"""

from __future__ import annotations

import doctest
import functools
import importlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from modalconflict import plots
from modalconflict.analysis import Analysis, analyze
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.plots.style import TIERS
from modalconflict.synthetic import SyntheticLaw, synthetic_records

BASELINE = Path(__file__).parent / "baseline"


def _law(**options: Any) -> SyntheticLaw:
    return SyntheticLaw(**{"width": 0.35, "image_tiers": 6, "layers": 16, "other": 0.03, "wrong": 0.04} | options)


@functools.cache
def study() -> Analysis:
    """Three models on the same groups, one of which always follows the text."""
    points = {"alpha": (-0.4, 0), "beta": (0.3, 1), "gamma": (1.99, 2)}
    tables = [
        synthetic_records(_law(balance_point=b), groups=40, seed=seed, model=name) for name, (b, seed) in points.items()
    ]
    return analyze(tables, replicates=100)


@functools.cache
def control() -> Analysis:
    calm = _law(oscillations_ambiguous=0.3, oscillations_clear=0.3)
    return analyze(synthetic_records(calm, groups=20, seed=3), replicates=100)


FIGURES: dict[str, Callable[[Any], Any]] = {
    "law": lambda ax: plots.law(study().models[0], ax=ax),
    "laws": lambda ax: plots.laws(study(), ax=ax),
    "median_split": lambda ax: plots.median_split(study().models[0], ax=ax),
    "following_by_delta": lambda ax: plots.following_by_delta(study().models[0], ax=ax),
    "following_by_tier": lambda ax: plots.following_by_tier(study().models[0], "vision", ax=ax),
    "entropy_by_image_tier": lambda ax: plots.entropy_by_tier(study().models[0], "vision", ax=ax),
    "entropy_by_text_tier": lambda ax: plots.entropy_by_tier(study().models[0], "text", ax=ax),
    "accuracy_by_tier": lambda ax: plots.accuracy_by_tier(study().models[0], "text", ax=ax),
    "balance_points": lambda ax: plots.balance_points(study(), ax=ax),
    "comparisons": lambda ax: plots.comparisons(study(), ax=ax),
    "comparisons_following": lambda ax: plots.comparisons(study(), "following", ax=ax),
    "indices": lambda ax: plots.indices(study().models[0], ax=ax),
    "oscillations": lambda ax: plots.oscillations(study().models[0], control(), ax=ax),
    "layer_heatmap": lambda ax: plots.layer_heatmap(study().models[0], ax=ax),
    "layer_curves": lambda ax: plots.layer_curves(study().models[0].included().slice(0, 3), ax=ax),
    "lens_kl": lambda ax: plots.lens_kl(study().models[0], ax=ax),
    "lens_answers": lambda ax: plots.lens_answers(study().models[0], ax=ax),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.mpl_image_compare(
    baseline_dir=str(BASELINE), style="default", tolerance=6, savefig_kwargs={"dpi": 64, "metadata": {"Software": None}}
)
def test_figure(name: str) -> Figure:
    with plt.rc_context(plots.rc()):
        figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
        assert FIGURES[name](ax) is ax
        figure.canvas.draw()  # texts get their fonts here, inside of the settings
    return figure


def test_every_figure_is_compared_and_its_picture_is_small() -> None:
    drawn = {n for n in plots.__all__ if n not in ("rc", "save") and n.islower()}
    compared = {n.replace("_image_tier", "_tier").replace("_text_tier", "_tier") for n in FIGURES}
    assert drawn <= compared
    for name in FIGURES:
        picture = BASELINE / f"test_figure_{name}.png"
        assert picture.stat().st_size < 30_000, picture.name


@pytest.mark.parametrize("module", ["intervals", "law", "layers", "style", "tiers"])
def test_printed_examples_run(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"modalconflict.plots.{module}"))
    plt.close("all")
    assert found.failed == 0 and found.attempted > 2


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_vector_figures_keep_text_as_text_and_are_reproducible(tmp_path: Path, suffix: str) -> None:
    first, second = (plots.save(plots.law(study().models[0]), tmp_path / f"{i}{suffix}") for i in range(2))
    plt.close("all")
    content = first.read_bytes()
    assert content == second.read_bytes()
    if suffix == ".svg":
        assert b">text-following rate</text>" in content
    else:
        assert b"/FontFile2" in content and b"/Type3" not in content  # TrueType: can be searched and edited


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    figure = plt.figure()
    with pytest.raises(InvalidArgument, match=r"'a\.bmp' ends in neither \.pdf, \.svg, \.png"):
        plots.save(figure, tmp_path / "a.bmp")
    with pytest.raises(IoError, match="cannot write"):
        plots.save(figure, tmp_path / "none" / "a.pdf")
    plt.close(figure)


def test_several_models_where_one_is_drawn_are_refused() -> None:
    for draw in (plots.law, plots.indices, plots.lens_kl, plots.following_by_tier, plots.oscillations):
        with pytest.raises(InvalidArgument, match="holds 3 models"):
            draw(study())
    with pytest.raises(InvalidArgument, match="nothing to draw in a dict"):
        plots.law({})  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="no model to draw"):
        plots.balance_points([])
    with pytest.raises(InvalidArgument, match="share a group"):
        plots.comparisons(control())
    with pytest.raises(InvalidArgument, match="choose balance_point or following"):
        plots.comparisons(study(), "tfr")
    by_margin = analyze(synthetic_records(_law(), groups=10), uncertainty="margin", replicates=100)
    with pytest.raises(InvalidArgument, match="entropy and margin"):
        plots.laws([*study().models, *by_margin.models])


def test_an_unbounded_interval_ends_in_an_arrow_and_a_missing_point_in_words() -> None:
    ax = plots.balance_points(study())
    notes = [t.get_text() for t in ax.texts]
    point = study().models[2].summary["balance_point"]["headline"]
    plt.close(ax.figure)
    if point["estimate"] is None:
        assert "always text" in notes
    else:
        assert any("∞" in n for n in notes)


# Machado, Oliveira & Fernandes (2009), A Physiologically-based Model for Simulation of Color Vision Deficiency, severity 1.
_DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _lab(color: str, deficiency: list[list[float]]) -> np.ndarray:
    """CIE L*a*b* (D65) of a colour as it is seen with a deficiency."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(deficiency) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(to_xyz) @ seen / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", _DEFICIENCIES)
@pytest.mark.parametrize("palette", [(plots.TEXT, plots.IMAGE, plots.NEUTRAL), TIERS], ids=["sides", "tiers"])
def test_colours_are_told_apart_with_a_colour_vision_deficiency(palette: tuple[str, ...], deficiency: str) -> None:
    seen = [_lab(c, _DEFICIENCIES[deficiency]) for c in palette]
    closest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    assert closest > 10  # about 2.3 is the least difference that is noticed at all
