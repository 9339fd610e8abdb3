"""Colours, names and axes that all figures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modalconflict.errors import InvalidArgument

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT = "#d55e00"
IMAGE = "#0072b2"
OTHER = "#cc79a7"
NEUTRAL = "#6b7280"
FAINT = "#d1d5db"
TIERS = ("#332288", "#117733", "#88ccee", "#ddaa33", "#cc6677", "#aa4499")
"""Qualitative colours of text tiers (Paul Tol's muted scheme)."""

SYMBOLS = {"entropy": "H", "max_prob": "U", "margin": "U"}


def rc() -> dict[str, Any]:
    """Settings for ``matplotlib.rc_context``: small, light axes that sit well in a page of text."""
    return {
        "font.size": 10,
        "font.family": "DejaVu Sans",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#9ca3af",
        "axes.labelcolor": "#111827",
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "xtick.color": "#4b5563",
        "ytick.color": "#4b5563",
        "legend.frameon": False,
        "legend.fontsize": 9,
        "figure.dpi": 100,
        "savefig.dpi": 160,
        "svg.fonttype": "path",
        "svg.hashsalt": "modalconflict",
    }


def new_axes(ax: Axes | None, width: float = 6.4, height: float = 3.8) -> Axes:
    """The axes given, or new ones on a figure of their own (inches)."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def delta_label(uncertainty: str) -> str:
    """Axis label of the relative uncertainty, with its symbol."""
    symbol = r"$\Delta H_\mathrm{rel}$" if uncertainty == "entropy" else r"$\Delta U_\mathrm{rel}$"
    index = "entropy" if uncertainty == "entropy" else uncertainty.replace("_", " ")
    return f"{symbol}, relative {index}   (← text easier · image easier →)"


def uncertainty_label(uncertainty: str) -> str:
    """Axis label of an uncertainty index with its unit."""
    return "entropy (nats)" if uncertainty == "entropy" else uncertainty.replace("_", " ")


def need(value: Any, what: str) -> Any:
    """Refuse to draw what the records do not hold."""
    if value is None:
        raise InvalidArgument(f"the analysis holds no {what}; analyse records that have it")
    return value
