"""Records drawn from a known law: what an analysis ought to find is what was put in."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.core._arrays import numbers
from modalconflict.core.relative import relative_uncertainty
from modalconflict.errors import InvalidArgument
from modalconflict.records import record_schema

__all__ = ["SyntheticLaw", "follow_text_probability", "synthetic_records"]

_ANSWERS = ("red", "yellow", "blue", "green", "purple", "orange")
_TOKENS = {answer: i for i, answer in enumerate(_ANSWERS)}
_IRRELEVANT = 99
_MOST_SWITCHES = 4
_HALF_WIDTH = 0.5  # of the ambiguous region, as the analysis has it
_TOP_K = 3


@dataclass(frozen=True)
class SyntheticLaw:
    """What a synthetic model does.

    Attributes
    ----------
    balance_point : float
        ΔH_rel at which text and image are followed equally often, within (-2, 2).
    width : float
        Of the logistic curve, in units of ΔH_rel; smaller is steeper.
    lower_lapse, upper_lapse : float
        Share of cases that follow the text (the image) whatever ΔH_rel is, each within [0, 0.5).
    group_effect : float
        Standard deviation of a normal shift of the logit that the cases of a group share.
    entropy_noise : float
        Standard deviation of a normal error of each run's log entropy as it is recorded: the choice follows the true one.
    oscillations_ambiguous, oscillations_clear : float
        Mean switches between layers where ΔH_rel is at most ½ from the balance point, and elsewhere; at most 4.
    other : float
        Share of multimodal answers that are neither the text's nor the image's.
    wrong : float
        Share of unimodal answers that are wrong.
    image_tiers, text_tiers : int
        Images and texts of a group: its cases are their combinations.
    layers : int
        Of the model, at least 6.

    Examples
    --------
    >>> SyntheticLaw(balance_point=-0.3).width
    0.4
    """

    balance_point: float = 0.0
    width: float = 0.4
    lower_lapse: float = 0.0
    upper_lapse: float = 0.0
    group_effect: float = 0.0
    entropy_noise: float = 0.0
    oscillations_ambiguous: float = 1.4
    oscillations_clear: float = 0.7
    other: float = 0.0
    wrong: float = 0.0
    image_tiers: int = 14
    text_tiers: int = 3
    layers: int = 24

    def __post_init__(self) -> None:
        ranges = {
            "balance_point": (-2.0, 2.0),
            "width": (0.0, np.inf),
            "oscillations_ambiguous": (0.0, _MOST_SWITCHES),
            "oscillations_clear": (0.0, _MOST_SWITCHES),
            "group_effect": (0.0, np.inf),
            "entropy_noise": (0.0, np.inf),
            "image_tiers": (1, 1000),
            "text_tiers": (1, 1000),
            "layers": (6, 10_000),
        }
        closed = {"oscillations_ambiguous", "oscillations_clear", "image_tiers", "text_tiers", "layers"}
        for item in fields(self):
            value = getattr(self, item.name)
            low, high = ranges.get(item.name, (0.0, 0.5))
            whole = item.type == "int"
            if isinstance(value, bool) or not isinstance(
                value, (int, np.integer) if whole else (int, float, np.number)
            ):
                raise InvalidArgument(f"{item.name} is {value!r}: give a {'whole ' if whole else ''}number")
            above = value > low or (value == low and item.name not in ("balance_point", "width"))
            below = value < high or (value == high and item.name in closed)
            if not (above and below and np.isfinite(value)):
                raise InvalidArgument(f"{item.name} is {value!r}: give a finite number between {low:g} and {high:g}")


def follow_text_probability(
    delta: npt.ArrayLike, law: SyntheticLaw, shift: npt.ArrayLike = 0.0
) -> npt.NDArray[np.float64]:
    """P(follow text | ΔH_rel) of a law, falling through one half at its balance point.

    Parameters
    ----------
    delta : array_like
        ΔH_rel, within [-2, 2].
    law : SyntheticLaw
    shift : array_like
        Added to the logit, such as a group's effect.

    Examples
    --------
    >>> follow_text_probability([-0.3], SyntheticLaw(balance_point=-0.3)).tolist()
    [0.5]
    """
    # With unequal lapses the curve is moved so that it still crosses one half at the balance point.
    own = np.log((0.5 - law.lower_lapse) / (0.5 - law.upper_lapse)) if law.lower_lapse != law.upper_lapse else 0.0
    eta = own - (numbers("delta", delta) - law.balance_point) / law.width + numbers("shift", shift)
    span = 1.0 - law.lower_lapse - law.upper_lapse
    return np.asarray(law.lower_lapse + span / (1.0 + np.exp(-np.clip(eta, -700, 700))), dtype=np.float64)


def synthetic_records(
    law: SyntheticLaw | None = None, *, groups: int = 100, seed: int = 0, model: str = "synthetic"
) -> pa.Table:
    """Records of a study in which a model obeys a known law.

    Parameters
    ----------
    law : SyntheticLaw, optional
        The default one when left out.
    groups : int
        Groups of image_tiers x text_tiers cases; each also has its unimodal runs.
    seed : int
        Of everything: group g draws from the stream (seed, g), so a longer table begins with the shorter one.
    model : str
        Its name in the records.

    Returns
    -------
    pyarrow.Table
        In the documented record schema, ready for `analyze`: entropies in nats, a label and logits a layer.

    Raises
    ------
    InvalidArgument
        If groups or seed is out of range.

    Examples
    --------
    >>> law = SyntheticLaw(balance_point=0.2, image_tiers=2, text_tiers=2)
    >>> synthetic_records(law, groups=3).num_rows  # 2 + 2 + 4 runs a group
    24
    """
    law = SyntheticLaw() if law is None else law
    if not isinstance(law, SyntheticLaw):
        raise InvalidArgument(f"law is {law!r}: give a SyntheticLaw")
    for name, value, least in (("groups", groups, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InvalidArgument(f"{name} is {value!r}: give a whole number, {least} or more")
    rows = [row for g in range(groups) for row in _group(law, g, int(seed), str(model))]
    return pa.Table.from_pylist(rows, schema=record_schema(law.layers + 1, _TOP_K))


def _group(law: SyntheticLaw, g: int, seed: int, model: str) -> list[dict[str, Any]]:
    """Runs of one group."""
    rng = np.random.default_rng([seed, g])
    image, text, neither = (_ANSWERS[i] for i in rng.choice(len(_ANSWERS), size=3, replace=False))
    named = {"text": text, "vision": image, "other": neither}
    # Both modalities span about the same entropies, so that ΔH_rel reaches both sides of any balance point.
    h_text = np.linspace(0.3, 1.5, law.text_tiers) * rng.lognormal(0.0, 0.6, law.text_tiers)
    h_vision = np.linspace(0.3, 1.5, law.image_tiers) * rng.lognormal(0.0, 0.6, law.image_tiers)
    seen_text = h_text * rng.lognormal(0.0, law.entropy_noise, law.text_tiers)
    seen_vision = h_vision * rng.lognormal(0.0, law.entropy_noise, law.image_tiers)
    right_text, right_vision = rng.random(law.text_tiers) >= law.wrong, rng.random(law.image_tiers) >= law.wrong
    shift = rng.normal(0.0, law.group_effect)
    common = {
        "dataset": "synthetic",
        "group": g,
        "order": "image_first",
        "question": "What color is the circle? Answer in one word.",
        "answer_kind": "answer",
        "status": "ok",
        "model": model,
        "bundle_sha256": "0" * 64,
        "seed": seed,
    }

    def run(final: str, entropy: float, switches: int, **columns: Any) -> dict[str, Any]:
        answer = named[final]
        # A stand-in distribution of that entropy is not needed: these two rise with it, within their range.
        doubt = float(-np.expm1(-entropy))
        return {
            **common,
            **columns,
            "answer": answer,
            "answer_raw": answer.capitalize(),
            "entropy": float(entropy),
            "max_prob": doubt,
            "margin": doubt,
            "first_token_class": final,
            **_layers(rng, law, final, switches, entropy, named),
        }

    out = []
    for t in range(law.text_tiers):
        columns = {"case_id": f"synthetic/{g:05d}/t{t}", "condition": "text_only", "d_t": t}
        columns |= {"text": f"The circle is {text}.", "answer_text": text, "correct": bool(right_text[t])}
        out.append(run("text" if right_text[t] else "other", seen_text[t], 0, **columns))
    for v in range(law.image_tiers):
        place = f"images/{g:05d}-v{v:02d}.png"
        columns = {"case_id": f"synthetic/{g:05d}/v{v:02d}", "condition": "vision_only", "d_v": v, "image": place}
        columns |= {"answer_vision": image, "correct": bool(right_vision[v])}
        out.append(run("vision" if right_vision[v] else "other", seen_vision[v], 0, **columns))
        for t in range(law.text_tiers):
            delta = float(relative_uncertainty(h_text[t], h_vision[v]))
            follows = rng.random() < float(follow_text_probability(delta, law, shift))
            final = "other" if rng.random() < law.other else "text" if follows else "vision"
            near = abs(delta - law.balance_point) <= _HALF_WIDTH
            rate = law.oscillations_ambiguous if near else law.oscillations_clear
            switches = int(rng.binomial(_MOST_SWITCHES, rate / _MOST_SWITCHES))
            columns = {"case_id": f"synthetic/{g:05d}/v{v:02d}/t{t}", "condition": "multimodal", "d_v": v, "d_t": t}
            columns |= {"image": place, "text": f"The circle is {text}.", "answer_text": text, "answer_vision": image}
            out.append(run(final, float(rng.gamma(2.0, 0.3)), switches, **columns))
    return out


def _layers(
    rng: np.random.Generator, law: SyntheticLaw, final: str, switches: int, entropy: float, named: dict[str, str]
) -> dict[str, Any]:
    """Lens columns in which the leading answer changes sides a given number of times."""
    rows, start = law.layers + 1, law.layers // 3
    ends_as = final if final != "other" else ("text", "vision")[int(rng.integers(2))]
    # The layers at which a side begins: the first one, and one a switch.
    begins = np.sort(rng.choice(np.arange(start, rows), size=switches + 1, replace=False))
    labels = ["irrelevant"] * rows
    for number, row in enumerate(begins):
        back = switches - number
        side = ends_as if back % 2 == 0 else ("vision" if ends_as == "text" else "text")
        until = begins[number + 1] if number < switches else rows
        labels[row:until] = [side] * (until - row)
    # Irrelevant tokens in between are no switch; every side keeps the layer it begins with.
    for row in range(start, rows - 1):
        if row not in begins and rng.random() < 0.15:
            labels[row] = "irrelevant"
    if final == "other":
        labels[-1] = "irrelevant"
    sign = np.array([{"text": 1.0, "vision": -1.0, "irrelevant": 0.0}[label] for label in labels])
    lead = 2.0 * sign * np.linspace(0.2, 1.0, rows) + rng.normal(0.0, 0.05, rows)
    words = [named[label] if label in named else "the" for label in labels]
    fade = np.linspace(1.0, 0.0, rows)
    return {
        "lens_top1": [_TOKENS.get(word, _IRRELEVANT) for word in words],
        "lens_top1_token": [f" {word}" for word in words],
        "lens_label": labels,
        "lens_top_tokens": [[f" {word}", " is", " a"] for word in words],
        "logit_text": (8.0 + lead / 2).astype(np.float32).tolist(),
        "logit_vision": (8.0 - lead / 2).astype(np.float32).tolist(),
        "lens_entropy": (entropy + 6.0 * fade).tolist(),
        "kl_final": (8.0 * fade).tolist(),
    }
