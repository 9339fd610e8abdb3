"""What the multimodal run did with a conflict, and how often it followed the text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.errors import InvalidArgument

__all__ = ["OutcomeCounts", "classify_outcome", "count_outcomes", "normalize_answer", "text_following_rate"]


def normalize_answer(answer: str) -> str:
    """An answer as a class: case, accents' encoding, outer space and outer punctuation do not matter.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.normalize_answer(" Red.")
    'red'
    """
    if not isinstance(answer, str):
        raise InvalidArgument(f"answer is {answer!r}: an answer is a string")
    folded = unicodedata.normalize("NFKC", answer).casefold()
    start, end = 0, len(folded)
    while start < end and not folded[start].isalnum():
        start += 1
    while end > start and not folded[end - 1].isalnum():
        end -= 1
    return " ".join(folded[start:end].split())


def _answers(name: str, values: Any, normalize: bool) -> list[str]:
    out = []
    if not isinstance(values, Iterable):
        raise InvalidArgument(f"{name} is {values!r}: give a string, or one a case")
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidArgument(f"{name}[{i}] is {value!r}: an answer is a string")
        out.append(normalize_answer(value) if normalize else value)
    return out


def classify_outcome(
    y_multimodal: str | Sequence[str],
    y_text: str | Sequence[str],
    y_vision: str | Sequence[str],
    *,
    normalize: bool = True,
) -> Any:
    """Outcome of a conflict: which unimodal answer the multimodal run repeated.

    Parameters
    ----------
    y_multimodal, y_text, y_vision : str or sequence of str, shape (n,)
        Answers of the three runs.
    normalize : bool
        Compare by `normalize_answer`; otherwise as they are.

    Returns
    -------
    str or numpy.ndarray of str, shape (n,)
        "text", "vision", "other", or "no_conflict" where the two unimodal answers agree.

    Raises
    ------
    InvalidArgument
        If lengths differ, an answer is no string, or a unimodal answer is empty.

    References
    ----------
    arXiv 2511.02243.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.classify_outcome("Blue", "blue", "red")
    'text'
    """
    single = isinstance(y_multimodal, str)
    if single != isinstance(y_text, str) or single != isinstance(y_vision, str):
        raise InvalidArgument("y_multimodal, y_text and y_vision mix strings and sequences: give all three alike")
    columns = [("y_multimodal", y_multimodal), ("y_text", y_text), ("y_vision", y_vision)]
    lists = [_answers(name, [values] if single else values, normalize) for name, values in columns]
    found = _core.classify_outcomes(*lists)
    return found[0] if single else np.array(found, dtype=np.str_)


@dataclass(frozen=True)
class OutcomeCounts:
    """How often each outcome occurred, and TFR = text / (text + vision), NaN where neither did."""

    text: int
    vision: int
    other: int
    no_conflict: int
    text_following_rate: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def count_outcomes(outcomes: Iterable[str]) -> OutcomeCounts:
    """Count the outcomes of a study.

    Parameters
    ----------
    outcomes : iterable of str
        As `classify_outcome` returns them.

    Raises
    ------
    InvalidArgument
        Naming the index of a word that is no outcome.
    """
    if isinstance(outcomes, str):
        raise InvalidArgument("outcomes is one string: give a sequence of outcomes")
    if not isinstance(outcomes, Iterable):
        raise InvalidArgument(f"outcomes is {outcomes!r}: give a sequence of outcomes")
    names = list(outcomes)
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise InvalidArgument(f"outcomes[{i}] is {name!r}: an outcome is text, vision, other or no_conflict")
    return OutcomeCounts(*_core.count_outcomes([str(name) for name in names]))


def text_following_rate(outcomes: Iterable[str] | npt.NDArray[np.str_]) -> float:
    """Text-following rate TFR = #text / (#text + #vision).

    Parameters
    ----------
    outcomes : iterable of str
        As `classify_outcome` returns them; "other" and "no_conflict" do not count.

    Returns
    -------
    float
        Within [0, 1]; NaN where no case followed either modality.

    Raises
    ------
    InvalidArgument
        Naming the index of a word that is no outcome.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.text_following_rate(["text", "vision", "other", "vision", "vision"])
    0.25
    """
    return count_outcomes(outcomes).text_following_rate
