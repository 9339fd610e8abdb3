"""Between the layers: the logit difference and the oscillations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from modalconflict.analysis.layers import THIRDS, matrix
from modalconflict.analysis.result import Analysis, ModelAnalysis
from modalconflict.errors import InvalidArgument
from modalconflict.plots.style import (
    DASHES,
    FAINT,
    IMAGE,
    INK,
    NEUTRAL,
    TEXT,
    TIERS,
    delta_label,
    need,
    new_axes,
    one_model,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _diverging() -> Any:
    """Blue (image) – light grey – vermilion (text)."""
    from matplotlib.colors import LinearSegmentedColormap

    cmap = LinearSegmentedColormap.from_list(
        "modalconflict", ["#00456b", IMAGE, "#9ecae1", "#f3f4f6", "#f5b98a", TEXT, "#8a3d00"]
    )
    return cmap.with_extremes(bad="#ffffff")


def layer_heatmap(model: ModelAnalysis | Analysis, uncertainty: str | None = None, ax: Axes | None = None) -> Axes:
    """Mean logit difference (text's answer − image's answer) by layer and bin of ΔU_rel.

    Parameters
    ----------
    model
        The analysis of one model whose records hold lens columns.
    uncertainty
        Name of the index, for the label; the analysis' own if None.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.layer_heatmap(analysis)
    """
    model = one_model(model)
    layers = need(model.layers, "lens columns")
    ax = new_axes(ax, 6.8, 4.4)
    edges, values = np.asarray(layers["edges"]), np.asarray(layers["difference"])[:, 1:].T
    known = np.abs(values[np.isfinite(values)])
    limit = float(np.quantile(known, 0.99)) if known.size else 1.0
    mesh = ax.pcolormesh(
        edges,
        np.arange(values.shape[0] + 1) + 0.5,
        np.ma.masked_invalid(values),
        cmap=_diverging(),
        vmin=-limit or -1,
        vmax=limit or 1,
    )
    mesh.set_rasterized(True)
    point = model.summary["balance_point"]["headline"]
    if point["estimate"] is not None:
        ax.axvline(point["estimate"], color=INK, lw=1.1, ls=(0, (4, 2)))
        ax.text(
            point["estimate"],
            values.shape[0] + 0.7,
            "balance point",
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, fraction=0.05, extend="both")
    bar.set_label("logit of text's answer − image's answer", fontsize=9)
    bar.outline.set_visible(False)
    ax.set(xlim=(-2, 2), ylim=(0.5, values.shape[0] + 0.5), xlabel=delta_label(model, uncertainty), ylabel="layer")
    return ax


def oscillations(
    model: ModelAnalysis | Analysis, control: ModelAnalysis | Analysis | None = None, ax: Axes | None = None
) -> Axes:
    """Mean oscillations a case, ambiguous against clear, stacked by third of the depth, with intervals over groups.

    Parameters
    ----------
    model
        The analysis of one model whose records hold lens columns.
    control
        The same model on conflicts in which text and image do not compete (such as the text-irrelevant control of Color
        Recognition, analysed with ``cases="all"``): a third bar, over all its cases.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    References
    ----------
    arXiv 2511.02243, concept oscillation.

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.oscillations(analysis)
    """
    model = one_model(model)
    summary = need(model.summary.get("oscillations"), "lens columns")
    ax = new_axes(ax, 4.6, 3.4)
    shades = ("#bcd5e6", "#5a9bc7", "#00456b")
    regions = list(summary["regions"])
    if control is not None:
        beside = need(one_model(control).summary.get("oscillations"), "lens columns in the control")
        regions.append({**beside["all"], "name": "irrelevant"})
    for i, region in enumerate(regions):
        bottom = 0.0
        for third, shade in zip(THIRDS, shades, strict=True):
            value = region["thirds"][third] or 0.0
            ax.bar(i, value, bottom=bottom, width=0.5, color=shade, lw=0, label=f"{third} layers" if i == 0 else None)
            bottom += value
        if region["mean"] is not None:
            ax.errorbar(
                i,
                region["mean"],
                yerr=[[max(region["mean"] - region["low"], 0)], [max(region["high"] - region["mean"], 0)]],
                color=INK,
                capsize=4,
                lw=1.2,
            )
            ax.text(
                i,
                region["high"],
                f"{region['mean']:.2f}",
                ha="center",
                va="bottom",
                fontsize=10,
                fontweight="bold",
                color=INK,
            )
    tops = [r["high"] for r in regions if r["high"] is not None]
    ax.set_xticks(range(len(regions)), [f"{r['name']}\n(n = {r['n']})" for r in regions])
    ax.set(xlim=(-0.6, len(regions) - 0.4), ylim=(0, 1.15 * max([*tops, 0.01])), ylabel="oscillations a case")
    if summary["basis"] != "balance_point":
        ax.set_xlabel(r"by $|\Delta|$: there is no balance point")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, handlelength=1, columnspacing=1, borderaxespad=0.2)
    return ax


def layer_curves(cases: pa.Table, ax: Axes | None = None) -> Axes:
    """Logit difference along the layers of single cases, one curve a row, coloured by text tier.

    Parameters
    ----------
    cases
        Rows of :attr:`ModelAnalysis.cases`, with lens columns; a handful.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.layer_curves(analysis.models[0].included().slice(0, 3))
    """
    if cases.num_rows == 0 or "logit_text" not in cases.column_names:
        raise InvalidArgument("there is no case with lens columns to draw; pass rows of an analysis that holds them")
    ax = new_axes(ax, 6.4, 3.4)
    difference = matrix(cases["logit_text"], np.float32) - matrix(cases["logit_vision"], np.float32)
    layers = np.arange(difference.shape[1])
    ax.axhline(0, color=FAINT, lw=1, zorder=0)
    for i, row in enumerate(cases.select(["d_t"]).to_pylist()):
        tier = row["d_t"] if row["d_t"] is not None else i
        look = {"color": TIERS[tier % len(TIERS)], "ls": DASHES[tier % len(DASHES)]}
        ax.plot(layers[1:], difference[i, 1:], lw=1.8, label=rf"$d_t$ = {tier}", **look)
    ax.set(xlabel="layer", ylabel="logit difference   (← image · text →)", xlim=(1, layers[-1]))
    ax.tick_params(color=NEUTRAL)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(cases.num_rows, 4), borderaxespad=0.2)
    return ax


def lens_kl(model: ModelAnalysis | Analysis, ax: Axes | None = None) -> Axes:
    """How far each layer's reading is from the answer: KL(final ‖ layer) in nats, median and middle half of the cases.

    Parameters
    ----------
    model
        The analysis of one model whose records hold lens columns.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes
        Row 0 reads the embeddings. Where the divergence is large, the lens does not yet speak the last layer's language, and
        oscillations there say little.

    References
    ----------
    Belrose et al. (2023), Eliciting Latent Predictions from Transformers with the Tuned Lens.

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.lens_kl(analysis)
    """
    rows = _lens_rows(model)
    ax = new_axes(ax, 5.6, 3.4)
    layers = [r["layer"] for r in rows]
    low, middle, high = (
        np.array([r[f"kl_{k}"] for r in rows], dtype=np.float64) for k in ("lower_quartile", "median", "upper_quartile")
    )
    ax.fill_between(layers, low, high, color=TIERS[0], alpha=0.2, lw=0, label="middle half")
    ax.plot(layers, middle, color=TIERS[0], lw=1.8, label="median")
    ax.set(xlabel="layer", ylabel=r"KL(final $\Vert$ layer), nats", xlim=(0, layers[-1]))
    ax.set_ylim(bottom=0)
    ax.legend(loc="upper right")
    return ax


def lens_answers(model: ModelAnalysis | Analysis, ax: Axes | None = None) -> Axes:
    """Share of the cases in which a layer's first token names the text's answer, the image's, or neither.

    Parameters
    ----------
    model
        The analysis of one model whose records hold lens columns.
    ax
        Axes to draw on; new ones if None.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> ax = mc.plots.lens_answers(analysis)
    """
    rows = _lens_rows(model)
    ax = new_axes(ax, 5.6, 3.4)
    layers = [r["layer"] for r in rows]
    shown = (("irrelevant", NEUTRAL, DASHES[2], "neither"), ("vision", IMAGE, "-", "image's answer"))
    for name, color, dashes, label in (*shown, ("text", TEXT, DASHES[1], "text's answer")):
        share = np.array([r[f"share_{name}"] for r in rows], dtype=np.float64)
        ax.plot(layers, share, color=color, ls=dashes, lw=1.8, label=label)
    ax.set(xlabel="layer", ylabel="share of first tokens", xlim=(0, layers[-1]), ylim=(-0.03, 1.03))
    ax.legend(loc="upper right")
    return ax


def _lens_rows(model: ModelAnalysis | Analysis) -> list[dict[str, Any]]:
    return list(need(one_model(model).tables.get("lens"), "lens columns").to_pylist())
