"""Colours, names and axes that all figures share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modalconflict.analysis.result import Analysis, ModelAnalysis
from modalconflict.errors import InvalidArgument, IoError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEXT = "#d55e00"
IMAGE = "#0072b2"
OTHER = "#cc79a7"
NEUTRAL = "#6b7280"
FAINT = "#d1d5db"
INK = "#111827"
WHISKER = "#9ca3af"
TIERS = ("#332288", "#117733", "#88ccee", "#ddaa33", "#cc6677", "#aa4499")
"""Qualitative colours of text tiers and of models (Paul Tol's muted scheme)."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
"""Line styles beside the colours, so that curves are told apart without them."""


def rc() -> dict[str, Any]:
    """Settings for ``matplotlib.rc_context``: small, light axes that sit well in a page of text; text stays text in PDF and SVG.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> import modalconflict as mc
    >>> with plt.rc_context(mc.plots.rc()):
    ...     figure, ax = plt.subplots()
    """
    return {
        "font.size": 10,
        "font.family": "DejaVu Sans",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": WHISKER,
        "axes.labelcolor": INK,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "xtick.color": "#4b5563",
        "ytick.color": "#4b5563",
        "legend.frameon": False,
        "legend.fontsize": 9,
        "figure.dpi": 100,
        "savefig.dpi": 160,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "modalconflict",
    }


def save(figure: Figure | Axes, path: str | Path) -> Path:
    """Write a figure for a paper: text as text, no date in the file, so that the same numbers give the same bytes.

    Parameters
    ----------
    figure
        A figure, or any axes on it.
    path
        .pdf or .svg for a vector figure, .png for pixels (160 an inch); replaced if it exists.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InvalidArgument
        If the suffix is of no such format.
    IoError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import modalconflict as mc
    >>> analysis = mc.analyze(mc.synthetic.synthetic_records(groups=20), replicates=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mc.plots.save(mc.plots.law(analysis), folder + "/law.pdf").name
    'law.pdf'
    """
    import matplotlib

    path = Path(path)
    dateless: dict[str, dict[str, Any]] = {
        ".pdf": {"CreationDate": None, "ModDate": None, "Creator": "modalconflict"},
        ".svg": {"Date": None, "Creator": "modalconflict"},
        ".png": {"Software": "modalconflict"},
    }
    suffix = path.suffix.lower()
    if suffix not in dateless:
        raise InvalidArgument(f"'{path.name}' ends in neither {', '.join(dateless)}; name a file that does")
    chosen = {k: v for k, v in rc().items() if k in ("pdf.fonttype", "svg.fonttype", "svg.hashsalt", "savefig.dpi")}
    whole: Any = figure if hasattr(figure, "savefig") else figure.figure
    settings: Any = chosen
    try:
        with matplotlib.rc_context(settings):
            whole.savefig(path, metadata=dateless[suffix])
    except OSError as error:
        raise IoError(f"cannot write {path}: {error.strerror or error}; choose another place") from error
    return path


def new_axes(ax: Axes | None, width: float = 6.4, height: float = 3.8) -> Axes:
    """The axes given, or new ones on a figure of their own (inches)."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def one_model(model: ModelAnalysis | Analysis) -> ModelAnalysis:
    """The model to draw; an analysis stands for its only one."""
    if isinstance(model, ModelAnalysis):
        return model
    if not isinstance(model, Analysis):
        raise InvalidArgument(f"there is nothing to draw in a {type(model).__name__}; give what mc.analyze returned")
    if len(model.models) != 1:
        raise InvalidArgument(f"the analysis holds {len(model.models)} models; give one of them, such as .models[0]")
    return model.models[0]


def index_of(model: ModelAnalysis, uncertainty: str | None) -> str:
    """The index behind ΔU_rel: the one named, or the analysis' own."""
    return uncertainty or str(model.summary.get("uncertainty", "entropy"))


def is_bound(model: ModelAnalysis) -> bool:
    """Whether the analysed uncertainty is a lower bound, as records of a server have it."""
    bounds = model.summary.get("bounds")
    return bounds is not None and bool(bounds["applies"])


def index_name(index: str) -> str:
    """An index in words: "max_prob" is max prob, "renyi_2" is renyi 2."""
    return index.replace("_", " ")


def relative_symbol(index: str) -> str:
    """ΔH_rel for entropy, ΔU_rel for any other index, as mathematics."""
    return r"$\Delta H_\mathrm{rel}$" if index == "entropy" else r"$\Delta U_\mathrm{rel}$"


def delta_label(model: ModelAnalysis, uncertainty: str | None = None) -> str:
    """Axis label of the relative uncertainty, with its symbol; says so where it is taken of bounds."""
    index = index_of(model, uncertainty)
    bound = ", of lower bounds" if is_bound(model) else ""
    return f"{relative_symbol(index)}, relative {index_name(index)}{bound}   (← text easier · image easier →)"


def uncertainty_label(model: ModelAnalysis, uncertainty: str | None = None) -> str:
    """Axis label of an uncertainty index with its unit; says so where it is a bound."""
    index = index_of(model, uncertainty)
    name = "entropy (nats)" if index == "entropy" else index_name(index)
    return f"{name}, lower bound" if is_bound(model) else name


def need(value: Any, what: str) -> Any:
    """Refuse to draw what the records do not hold."""
    if value is None:
        raise InvalidArgument(f"the analysis holds no {what}; analyse records that have it")
    return value
