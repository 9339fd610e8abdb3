"""What the paper reports for its models, to stand beside ours."""

from __future__ import annotations

from typing import Any

from modalconflict.analysis.result import describe_point, signed

SOURCE = "arXiv 2511.02243"


def comparison(summary: dict[str, Any], uncertainty: str) -> list[dict[str, str]]:
    """Rows of the comparison: quantity, published, ours.

    Parameters
    ----------
    summary
        Of one model.
    uncertainty
        Name of the index; the published entropies are compared with entropy only.
    """
    rows = [
        {
            "what": "balance point on ΔH_rel",
            "published": "Qwen2-VL negative, Qwen2.5-VL further left; LLaVA-1.5 and LLaVA-1.6 near or above zero",
            "ours": describe_point(summary["balance_point"]["headline"]),
        }
    ]
    oscillations = summary.get("oscillations")
    if oscillations is not None and oscillations["basis"] == "balance_point":
        means = [signed(r["mean"]) for r in oscillations["regions"]]
        ours = f"{means[0]} / {means[1]}"
    else:
        ours = (
            "not defined: there is no balance point" if oscillations is not None else "no lens columns in the records"
        )
    rows.append(
        {"what": "oscillations a case, ambiguous / clear", "published": "1.43 / 0.71 (LLaVA-1.6-7B)", "ours": ours}
    )
    rows.append(
        {"what": "oscillations, irrelevant text", "published": "0.35 (LLaVA-1.5-7B)", "ours": _irrelevant_text(summary)}
    )
    tiers = [r for r in summary.get("tiers") or [] if r["side"] == "vision" and r["mean"] is not None]
    if tiers and uncertainty == "entropy":
        rows.append(
            {
                "what": "mean image-only entropy, lowest and highest tier (nats)",
                "published": "about 0.25 to above 1.5 (LLaVA-1.6-7B)",
                "ours": f"{signed(tiers[0]['mean'])} to {signed(tiers[-1]['mean'])}",
            }
        )
    return rows


def _irrelevant_text(summary: dict[str, Any]) -> str:
    found = [c for c in summary.get("controls") or [] if c["control"] == "text_irrelevant"]
    if not found:
        return "the control was not run"
    control = found[0]
    if control["oscillations"] is None:
        return "no run of the control has lens columns"
    low, high = signed(control["oscillations_low"]), signed(control["oscillations_high"])
    return f"{signed(control['oscillations'])} [{low}, {high}], n = {control['n']}"
