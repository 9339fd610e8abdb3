"""Analysis: records become a law, a balance point, tiers and oscillations."""

from __future__ import annotations

from modalconflict.analysis.analyze import analyze
from modalconflict.analysis.cases import CASE_FILTERS
from modalconflict.analysis.compare import compare_models
from modalconflict.analysis.result import Analysis, ModelAnalysis, load_analysis

__all__ = ["CASE_FILTERS", "Analysis", "ModelAnalysis", "analyze", "compare_models", "load_analysis"]
