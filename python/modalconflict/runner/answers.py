"""From decoded text to an answer: normalisation, and what kind of answer it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_ARTICLES = frozenset({"a", "an", "the"})
_ONE_WORD = re.compile(r"\b(?:one|single)[ -]word\b", re.IGNORECASE)
# what a model says when it declines; matched against the start of the normalised answer
_ABSTENTIONS = (
    "unknown",
    "unclear",
    "uncertain",
    "unsure",
    "undetermined",
    "indeterminate",
    "ambiguous",
    "unanswerable",
    "none",
    "neither",
    "nothing",
    "both",
    "no",
    "sorry",
    "cannot",
    "cant",
    "i cannot",
    "i cant",
    "i dont",
    "i do not",
    "im sorry",
    "i am sorry",
    "im not",
    "i am not",
    "not sure",
    "not possible",
    "not enough",
    "not visible",
    "not specified",
    "not given",
    "na",
    "n a",
    "it is not",
    "there is no",
)


def _words(raw: str) -> list[str]:
    text = unicodedata.normalize("NFKC", raw).casefold().replace("\u2019", "'").replace("'", "")
    text = "".join(c if unicodedata.category(c)[0] in "LNM" else " " for c in text)
    words = text.split()
    return words[1:] if len(words) > 1 and words[0] in _ARTICLES else words


def asks_one_word(question: str | None) -> bool:
    """Whether the question commands a one-word answer."""
    return question is not None and _ONE_WORD.search(question) is not None


def given_answer(raw: str, question: str | None = None) -> str:
    """The comparable form of an answer.

    Case and punctuation go, white space collapses, a leading article goes; where the question commands one word,
    the first word is the answer.

    Parameters
    ----------
    raw
        The decoded answer.
    question
        The question with its command.

    Returns
    -------
    str
        Maybe empty.

    Examples
    --------
    >>> given_answer(" Blue.", "What color is the circle? Answer in one word.")
    'blue'
    >>> given_answer("The morpho butterfly!")
    'morpho butterfly'
    """
    words = _words(raw)
    return " ".join(words[:1] if asks_one_word(question) else words)


def answer_kind(raw: str, question: str | None, known: Collection[str] = ()) -> str:
    """Kind of an answer: what an outcome `other` is split by.

    Parameters
    ----------
    raw
        The decoded answer.
    question
        The question with its command.
    known
        Normalised answers that the dataset knows (its colours, say).

    Returns
    -------
    str
        "abstention" if the model declines; "answer" if it gives a known answer or, where one word is commanded, one
        word; else "format_failure" (nothing, or a sentence where one word was asked).

    Examples
    --------
    >>> answer_kind("I cannot tell.", "Which one? Answer in one word.")
    'abstention'
    >>> answer_kind("Red and round", "Which one? Answer in one word.", {"red"})
    'answer'
    >>> answer_kind("It shows a circle", "Which one? Answer in one word.")
    'format_failure'
    """
    words = _words(raw)
    joined = " ".join(words)
    answer = given_answer(raw, question)
    if answer and answer in known:
        return "answer"
    if any(joined == a or joined.startswith(a + " ") for a in _ABSTENTIONS):
        return "abstention"
    if not words or (asks_one_word(question) and len(words) > 1):
        return "format_failure"
    return "answer"
