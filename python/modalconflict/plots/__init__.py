"""Figures of an analysis: each function draws on the axes it is given and returns them.

Colours are those of Okabe & Ito, which people with colour-vision deficiencies can tell apart: vermilion stands for the
text, blue for the image.
"""

from __future__ import annotations

from modalconflict.plots.law import law, median_split
from modalconflict.plots.layers import layer_curves, layer_heatmap, oscillations
from modalconflict.plots.style import IMAGE, NEUTRAL, OTHER, TEXT, rc
from modalconflict.plots.tiers import accuracy_by_tier, entropy_by_tier

__all__ = [
    "IMAGE",
    "NEUTRAL",
    "OTHER",
    "TEXT",
    "accuracy_by_tier",
    "entropy_by_tier",
    "law",
    "layer_curves",
    "layer_heatmap",
    "median_split",
    "oscillations",
    "rc",
]
