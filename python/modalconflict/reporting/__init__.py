"""The report: one self-contained HTML page about one or several models."""

from __future__ import annotations

from modalconflict.reporting.page import report
from modalconflict.reporting.words import paragraph

__all__ = ["paragraph", "report"]
