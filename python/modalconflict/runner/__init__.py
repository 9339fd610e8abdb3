"""Running a study: a dataset and a bundle become records."""

from __future__ import annotations

from modalconflict.runner.answers import answer_kind, given_answer
from modalconflict.runner.study import Progress, StudyResult, run

__all__ = ["Progress", "StudyResult", "answer_kind", "given_answer", "run"]
