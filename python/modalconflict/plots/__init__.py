"""Figures of an analysis: each function draws on the axes it is given and returns them.

Colours are those of Okabe & Ito and of Paul Tol, which people with colour-vision deficiencies can tell apart: vermilion stands
for the text, blue for the image; where curves need telling apart, dashes or markers differ as well.
"""

from __future__ import annotations

from modalconflict.plots.intervals import balance_points, comparisons, indices
from modalconflict.plots.law import following_by_delta, law, laws, median_split
from modalconflict.plots.layers import layer_curves, layer_heatmap, lens_answers, lens_kl, oscillations
from modalconflict.plots.style import IMAGE, NEUTRAL, OTHER, TEXT, rc, save
from modalconflict.plots.tiers import accuracy_by_tier, entropy_by_tier, following_by_tier

__all__ = [
    "IMAGE",
    "NEUTRAL",
    "OTHER",
    "TEXT",
    "accuracy_by_tier",
    "balance_points",
    "comparisons",
    "entropy_by_tier",
    "following_by_delta",
    "following_by_tier",
    "indices",
    "law",
    "laws",
    "layer_curves",
    "layer_heatmap",
    "lens_answers",
    "lens_kl",
    "median_split",
    "oscillations",
    "rc",
    "save",
]
