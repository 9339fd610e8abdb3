"""Temperatures that make probabilities honest, and uncertainty of answers of several tokens."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict import _core
from modalconflict.core._arrays import html_table, thread_count, vector, whole
from modalconflict.core.indices import _rows
from modalconflict.errors import InvalidArgument

__all__ = ["Calibration", "expected_calibration_error", "fit_temperature", "semantic_entropy", "sequence_surprisal"]


@dataclass(frozen=True)
class Calibration:
    """A temperature fitted to known answers, and what it did.

    Attributes
    ----------
    temperature : float
        softmax(logits / temperature) has the least mean surprisal of the targets; pass it to
        ``uncertainty(logits, "calibrated_entropy", temperature=...)``.
    nll_before, nll_after : float
        Mean surprisal of the targets in nats.
    ece_before, ece_after : float
        Expected calibration error of the largest probability.
    rows : int
        Answers it was fitted to.
    at_bound : bool
        The surprisal still falls at the end of the range searched, as it does when every answer is right.
    """

    temperature: float
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float
    rows: int
    at_bound: bool

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)

    def _repr_html_(self) -> str:
        rows = [("temperature", f"{self.temperature:.4g}"), ("rows", str(self.rows))]
        rows += [("surprisal", f"{self.nll_before:.4g} to {self.nll_after:.4g} nats")]
        return html_table(
            "Temperature", [*rows, ("calibration error", f"{self.ece_before:.4f} to {self.ece_after:.4f}")]
        )


def fit_temperature(
    logits: npt.ArrayLike, targets: npt.ArrayLike, *, bins: int = 15, threads: int | None = None
) -> Calibration:
    """Fit a temperature by maximum likelihood, on answers held out from the study; once a modality.

    Parameters
    ----------
    logits : array_like, shape (rows, n)
        float32 or float64.
    targets : array_like of int, shape (rows,)
        Token id of the right answer.
    bins : int
        Equal-width bins of confidence for the calibration error.
    threads : int, optional
        Every core when left out; the result does not depend on it.

    Returns
    -------
    Calibration

    Raises
    ------
    InvalidArgument
        Naming the row of a bad logit or target.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On Calibration of Modern Neural Networks.

    Examples
    --------
    >>> import modalconflict as mc
    >>> found = mc.fit_temperature([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]], [0, 0, 0, 1])
    >>> round(found.temperature, 3)  # 4 / log 3: then the probability is 3/4, as often as it is right
    3.641
    """
    matrix, shape = _rows("logits", logits, keep_float32=True)
    ids = np.asarray(targets)
    if ids.dtype.kind not in "iu" or ids.shape != shape or len(shape) != 1:
        raise InvalidArgument(
            f"targets has shape {ids.shape} and type {ids.dtype} for logits of {len(matrix)} rows: one token id a row"
        )
    bins = whole("bins", bins, 1, 1_000_000)
    fit = _core.fit_temperature_f32 if matrix.dtype == np.float32 else _core.fit_temperature_f64
    found = fit(matrix, ids.astype(np.int64), int(bins), thread_count(threads))
    return Calibration(**{name: getattr(found, name) for name in Calibration.__dataclass_fields__})


def expected_calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, *, bins: int = 15) -> float:
    """Mean absolute gap between confidence and accuracy over equal-width bins, weighted by their cases.

    Parameters
    ----------
    confidence, correct : array_like, shape (n,)
        Within [0, 1]; correct is whether the answer was right.
    bins : int

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On Calibration of Modern Neural Networks.

    Examples
    --------
    >>> import modalconflict as mc
    >>> round(mc.expected_calibration_error([0.9, 0.9], [1, 0]), 3)
    0.4
    """
    bins = whole("bins", bins, 1, 1_000_000)
    return float(
        _core.expected_calibration_error(vector("confidence", confidence), vector("correct", correct), int(bins))
    )


def sequence_surprisal(token_log_probs: npt.ArrayLike, *, normalize: bool = True) -> float:
    """Surprisal of an answer of several tokens in nats, a token (normalize) or in all.

    Parameters
    ----------
    token_log_probs : array_like, shape (tokens,)
        Log probability of each token given those before it; each at most zero.
    normalize : bool
        Divide by the number of tokens, so that answers of different lengths compare.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.sequence_surprisal([-1.0, -3.0])
    2.0
    """
    return float(_core.sequence_surprisal(vector("token_log_probs", token_log_probs), bool(normalize)))


def semantic_entropy(log_probs: npt.ArrayLike, classes: npt.ArrayLike) -> float:
    """Entropy over classes of answers that mean the same, in nats.

    Parameters
    ----------
    log_probs : array_like, shape (answers,)
        Log probability of each distinct wording; renormalised over those given.
    classes : array_like, shape (answers,)
        Labels of any kind: wordings of one class mean the same.

    References
    ----------
    Kuhn, Gal & Farquhar (2023), Semantic Uncertainty; exact where the classes are known.

    Examples
    --------
    >>> import numpy as np
    >>> import modalconflict as mc
    >>> round(mc.semantic_entropy(np.log([0.25, 0.25, 0.5]), ["red", "red", "blue"]), 4)
    0.6931
    """
    values, labels = vector("log_probs", log_probs), np.asarray(classes)
    if labels.shape != values.shape:
        raise InvalidArgument(f"classes has shape {labels.shape} for {len(values)} answers: give one label each")
    missing = [i for i, label in enumerate(labels.tolist()) if label is None or label != label]
    if missing:
        raise InvalidArgument(f"classes[{missing[0]}] is missing: every answer needs its class")
    if labels.dtype == object:
        labels = np.array([str(label) for label in labels])
    codes = np.unique(labels, return_inverse=True)[1].astype(np.uint64)
    return float(_core.semantic_entropy(values, codes))
