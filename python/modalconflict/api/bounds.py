"""What the best tokens of a distribution say of the whole: bounds of its entropy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modalconflict.errors import InvalidArgument

# probabilities of a server are rounded; a sum further above 1 than this is no rounding
_SLACK = 1e-2


@dataclass(frozen=True)
class Bounds:
    """Uncertainty of a distribution of which only the likeliest tokens are known.

    Attributes
    ----------
    lower
        Entropy of the known tokens and the rest as one outcome, nats: the entropy is at least this.
    upper
        Entropy with the rest spread evenly over the other tokens, nats: the entropy is at most this. None where the
        size of the vocabulary is not known.
    residual
        Probability of the tokens that are not known.
    exact
        Whether nothing is missing, so that both bounds are the entropy.
    max_prob, margin
        1 - p1 and 1 - (p1 - p2), which the best two tokens determine.
    """

    lower: float
    upper: float | None
    residual: float
    exact: bool
    max_prob: float
    margin: float


def entropy_bounds(logprobs: Sequence[float], vocabulary: int | None = None) -> Bounds:
    """Bound the entropy of a distribution by its likeliest tokens.

    Grouping outcomes never raises an entropy, and among all ways to spread a mass over n tokens the even one has the
    largest (Cover & Thomas 2006, sections 2.5 and 2.6); hence the two bounds.

    Parameters
    ----------
    logprobs
        Natural logarithms of the probabilities of k tokens, in any order; -inf and -9999 stand for 0.
    vocabulary
        Number of tokens the model chooses from; None if unknown.

    Returns
    -------
    Bounds

    Raises
    ------
    InvalidArgument
        If there is no token, a logprob is NaN or above 0, the probabilities sum to more than 1, or the vocabulary has
        fewer than k tokens.

    Examples
    --------
    >>> import math
    >>> bounds = entropy_bounds([math.log(0.5), math.log(0.25)], vocabulary=4)
    >>> round(bounds.lower, 4), round(bounds.upper, 4), bounds.residual
    (1.0397, 1.213, 0.25)
    """
    if not logprobs:
        raise InvalidArgument("logprobs holds no token; ask the server for at least one (top_logprobs)")
    for place, logprob in enumerate(logprobs):
        if math.isnan(logprob) or logprob > 1e-6:
            raise InvalidArgument(
                f"logprobs[{place}] is {logprob}; give natural logarithms of probabilities, at most 0"
            )
    known = sorted((math.exp(min(logprob, 0.0)) for logprob in logprobs), reverse=True)
    total = math.fsum(known)
    if total > 1.0 + _SLACK:
        raise InvalidArgument(f"the {len(known)} probabilities sum to {total:.4g}; give those of one distribution")
    if vocabulary is not None and vocabulary < len(known):
        raise InvalidArgument(
            f"vocabulary is {vocabulary}, but {len(known)} tokens are given; give the model's own size"
        )
    if total > 1.0:  # rounding on the server's side
        known = [p / total for p in known]
        total = 1.0
    exact = vocabulary == len(known)
    if exact:
        known = [p / total for p in known]
    residual = 0.0 if exact else max(0.0, 1.0 - total)
    entropy = -math.fsum(p * math.log(p) for p in known if p > 0)
    rest = 0.0 if residual == 0.0 else -residual * math.log(residual)
    others = None if vocabulary is None else vocabulary - len(known)
    upper = None if others is None else entropy + rest + (residual * math.log(others) if others else 0.0)
    second = known[1] if len(known) > 1 else min(residual, known[0])
    return Bounds(
        lower=max(0.0, entropy + rest),
        upper=None if upper is None else max(0.0, upper),
        residual=residual,
        exact=exact,
        max_prob=max(0.0, 1.0 - known[0]),
        margin=min(1.0, max(0.0, 1.0 - known[0] + second)),
    )
