"""The study in words, generated from its numbers and no more certain than they are."""

from __future__ import annotations

from typing import Any

from modalconflict.analysis.result import describe_point, signed

FLAGS = {
    "assumes_independence": "its interval takes the cases as independent, which cases of one group are not",
    "cluster_corrected": "the interval is widened by how much the groups vary",
    "one_answer": "all decided cases went one way",
    "flat_fit": "the fitted curve is flat",
    "separated": "the two answers do not overlap, so the steepness has no finite estimate",
    "lapse_at_bound": "a lapse rate stopped at its bound",
    "not_converged": "the fit did not converge",
    "few_groups": "there are few groups to resample",
    "soft_outcomes": "the outcomes are probabilities",
    "estimate_outside_interval": "the estimate lies outside its interval",
    "no_crossing_in_replicates": "some bootstrap replicates have no crossing",
    "extrapolated": "the crossing lies outside the observed range",
}


def percent(value: float | None, digits: int = 0) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.{digits}f}\u202f%"


def symbol(uncertainty: str) -> str:
    """ΔH_rel for entropy, ΔU_rel for any other index."""
    return "ΔH_rel" if uncertainty == "entropy" else "ΔU_rel"


def flags_in_words(flags: list[str]) -> str:
    """Flags of a balance point as a phrase, empty where there is none."""
    return "; ".join(FLAGS.get(f, f.replace("_", " ")) for f in flags)


def preference(point: dict[str, Any]) -> str:
    """What the balance point says about the model's preference, in a few words."""
    if point["status"] == "always_text":
        return "follows the text over the whole range"
    if point["status"] == "always_vision":
        return "follows the image over the whole range"
    if point["status"] == "too_few_cases":
        return "too few decided cases"
    if point["estimate"] is None:
        return "no balance point"
    if point["high"] is not None and point["high"] < 0:
        return "prefers the image"
    if point["low"] is not None and point["low"] > 0:
        return "prefers the text"
    return "no clear preference"


def paragraph(summary: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Sentences about one model.

    Parameters
    ----------
    summary
        Of one model, as in summary.json.
    options
        Of the analysis.

    Returns
    -------
    list of str
        Plain text; what the numbers do not show is said to be not shown.
    """
    parts = (_rates, _bounds, _law, _balance, _layers)
    return [sentence for part in parts for sentence in part(summary, options)]


def _bounds(summary: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """What it means that a server names the likeliest tokens alone."""
    bounds = summary.get("bounds")
    if bounds is None:
        return []
    if not bounds["applies"]:
        return ["The entropies of these records are lower bounds; the index used here is not an entropy and is exact."]
    out = [
        f"The entropies are lower bounds in {bounds['lower_bounds']:,} of the {bounds['runs']:,} unimodal runs, since the server named "
        "the likeliest tokens alone; a relative uncertainty of two lower bounds is itself no bound."
    ]
    gap, delta = bounds["gap"], bounds["delta"]
    if gap is None:
        out.append("How far the entropies may lie above them is not known: the size of the vocabulary was not given.")
        return out
    out.append(
        f"The upper bounds lie {signed(gap['median'], 3)} nats above them in the median run and {signed(gap['largest'], 3)} at most."
    )
    if delta is not None:
        out.append(
            f"So ΔH_rel of a case is known within a range of {signed(delta['median'])} in the median and {signed(delta['largest'])} at most"
            + (
                f"; in {percent(delta['clear'])} of the cases that range does not hold the balance point."
                if delta["clear"] is not None
                else "."
            )
        )
    out.append("The index margin, which the two likeliest tokens determine, is exact.")
    return out


def _rates(summary: dict[str, Any], options: dict[str, Any]) -> list[str]:
    counts, tfr, other = summary["counts"], summary["tfr"], summary["other"]
    which = (
        "whose two unimodal answers are both right"
        if options["cases"] == "both_correct"
        else "whose two unimodal answers differ"
    )
    level = percent(options["level"])
    if tfr["estimate"] is None:
        return [f"On {counts['used']} conflicts {which}, no answer followed either the text or the image."]
    first = (
        f"On {counts['used']:,} conflicts {which}, {summary['name']} followed the text "
        f"in {percent(tfr['estimate'])} of the cases it decided "
        f"({level} interval {percent(tfr['low'])} to {percent(tfr['high'])}) and the image in {percent(summary['vfr']['estimate'])}."
    )
    kinds = {k: n for k, n in other["kinds"].items() if n}
    split = ", ".join(f"{n} {k.replace('_', ' ')}{'' if n == 1 else 's'}" for k, n in kinds.items())
    return [first, f"{percent(other['estimate'], 1)} of its answers were neither{f' ({split})' if split else ''}."]


def _law(summary: dict[str, Any], options: dict[str, Any]) -> list[str]:
    rho = summary["spearman"]
    name = symbol(options["uncertainty"])
    if rho is None:
        return [f"Whether {name} decides cannot be told: all decided cases went one way or share one value."]
    if rho <= -0.1:
        out = [
            f"The harder the text is against the image, the less it is followed: the rank correlation with {name} is {signed(rho)}."
        ]
    elif rho >= 0.1:
        out = [
            f"Against the law, harder texts are followed more here: the rank correlation with {name} is {signed(rho)}."
        ]
    else:
        out = [f"{name} says little about which side is followed: the rank correlation is {signed(rho)}."]
    piled = summary.get("piled_up")
    if piled is not None and max(piled.values()) >= 0.25:
        end, share = max(piled.items(), key=lambda item: item[1])
        out.append(
            f"{percent(share)} of the cases lie within 0.1 of {'−2' if end == 'low' else '2'}, where the axis saturates."
        )
    halves = summary["median_split"]["halves"]
    rhos = [halves[h]["spearman"] for h in ("low", "high")]
    if None not in rhos:
        falling = [r <= -0.1 for r in rhos]
        values = f"{signed(rhos[0])} and {signed(rhos[1])}"
        if all(falling):
            out.append(f"It holds in both halves of low and high total uncertainty ({values}).")
        elif any(falling):
            out.append(f"It holds in only one of the two halves of low and high total uncertainty ({values}).")
    return out


def _balance(summary: dict[str, Any], options: dict[str, Any]) -> list[str]:
    headline, cir = summary["balance_point"]["headline"], summary["balance_point"]["cir"]
    name, level = symbol(options["uncertainty"]), percent(options["level"])
    status = headline["status"]
    if status == "too_few_cases":
        return ["There are too few decided cases for a balance point."]
    if headline["estimate"] is None:
        side = {"always_text": "the text", "always_vision": "the image"}.get(status)
        said = f"followed {side} more often than not at every {name}" if side else "shows no crossing"
        out = [f"There is no balance point: the model {said} observed, so no number is given."]
    else:
        out = [
            f"Text and image are followed equally often at {name} = {describe_point(headline)} ({level} interval, whole groups resampled)."
        ]
        meaning = {
            "prefers the image": "It is negative: a text must be clearly easier than the image before it wins, "
            "so the model prefers the image.",
            "prefers the text": "It is positive: the text wins even where it is somewhat harder than the image, "
            "so the model prefers the text.",
            "no clear preference": "The interval holds zero, so neither side is clearly preferred.",
        }
        out.append(meaning[preference(headline)])
        if status in ("one_sided", "unbounded"):
            out.append(
                "The data bound it on one side only." if status == "one_sided" else "The data bound it on neither side."
            )
    found = (
        describe_point(cir)
        if cir["estimate"] is not None
        else "no crossing either"
        if headline["estimate"] is None
        else "no crossing"
    )
    beside = f"Centred isotonic regression gives {found}"
    notes = flags_in_words(cir["flags"])
    out.append(f"{beside}{f' ({notes})' if notes else ''}.")
    if summary["balance_point"]["disagree"]:
        out.append(
            "The two methods contradict each other, so the logistic shape does not fit these data well: read the headline with care."
        )
    notes = flags_in_words(headline["flags"])
    if notes:
        out.append(f"About the headline: {notes}.")
    return out


def _layers(summary: dict[str, Any], options: dict[str, Any]) -> list[str]:
    oscillations = summary.get("oscillations")
    if oscillations is None:
        return []
    first, second = oscillations["regions"]
    if first["mean"] is None or second["mean"] is None:
        empty = first["name"] if first["mean"] is None else second["name"]
        return [f"Oscillations cannot be compared: no case is {empty}."]
    gap, level = oscillations["difference"], percent(options["level"])
    if oscillations["basis"] == "balance_point":
        named = [
            f"{signed(first['mean'])} times a case near the balance point",
            f"{signed(second['mean'])} times elsewhere",
        ]
    else:
        named = [
            f"{signed(first['mean'])} times a case where the two uncertainties are closest",
            f"{signed(second['mean'])} where they are furthest apart",
        ]
    out = f"Between the layers the leading answer changed sides {named[0]} and {named[1]}; the difference is {signed(gap['estimate'])} "
    if gap["low"] is None:
        return [out.rstrip() + "."]
    certain = gap["low"] > 0 or gap["high"] < 0
    return [
        out
        + f"({level} interval {signed(gap['low'])} to {signed(gap['high'])}{'' if certain else ', which holds zero: not shown to differ'})."
    ]
