"""Figures as inline images: drawn without a display, returned as data URIs."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

from modalconflict.plots.style import rc


def draw(plot: Callable[[Any], Any], width: float, height: float) -> str:
    """Draw one figure and return it as an SVG data URI.

    Parameters
    ----------
    plot
        Called with the axes.
    width, height
        Of the figure, inches.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: Any = {**rc(), "svg.fonttype": "path"}  # a page that is sent must not depend on the fonts there
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        plot(figure.add_subplot())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "modalconflict"})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def picture(path: Any, largest: int = 480) -> str | None:
    """A case's image as a PNG data URI, shrunk to at most `largest` pixels a side; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
            image.thumbnail((largest, largest))
            buffer = io.BytesIO()
            image.save(buffer, format="PNG", optimize=True)
    except (OSError, ValueError):
        return None
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
