"""Building the page."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from modalconflict import plots
from modalconflict.analysis import Analysis, ModelAnalysis, analyze, load_analysis
from modalconflict.analysis.result import describe_point, signed
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.reading import is_study
from modalconflict.reporting import library
from modalconflict.reporting.examples import choose, curve_cases, describe
from modalconflict.reporting.explorer import as_script_data, explorer_data
from modalconflict.reporting.figures import draw
from modalconflict.reporting.pairs import index_rows, pair_figures, pair_rows
from modalconflict.reporting.published import SOURCE, comparison
from modalconflict.reporting.words import flags_in_words, paragraph, percent, preference, symbol

Source = str | Path | Analysis


def report(sources: Source | Sequence[Source], out: str | Path = "report.html", *, title: str | None = None) -> Path:
    """Write one self-contained HTML page about one or several models.

    Parameters
    ----------
    sources
        One or several of: an analysis, a folder that one was saved to, a study's folder or a table of records (analysed with the
        default options).
    out
        The page's path; it is replaced.
    title
        Of the page; made from the models' names if None.

    Returns
    -------
    pathlib.Path
        The page's path.

    Raises
    ------
    InvalidArgument
        If the analyses used different uncertainty indices, which cannot stand side by side.
    IoError
        If a source is missing or unreadable, or the page cannot be written.

    Notes
    -----
    Figures and images are inlined and every string from the data is escaped: the page needs no other file and asks for none, which
    its content security policy enforces. Its size does not grow with the records: the explorer draws from counts (docs/report.md).
    """
    items: list[Source] = [sources] if isinstance(sources, (str, Path, Analysis)) else list(sources)
    if not items:
        raise InvalidArgument("there is nothing to report; name at least one analysis or study")
    analyses = [_load(item) for item in items]
    indices = sorted({a.options["uncertainty"] for a in analyses})
    if len(indices) > 1:
        raise InvalidArgument(
            f"the analyses use different uncertainties ({', '.join(indices)}); analyse all with the same one"
        )
    options = analyses[0].options
    models = [(m, a) for a in analyses for m in a.models]
    data = explorer_data([m for m, _ in models], options)
    out = Path(out)
    if out.suffix.lower() not in (".html", ".htm"):
        raise InvalidArgument(f"the report '{out}' is no .html file; name one, such as report.html")
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title or _title([m for m, _ in models]),
            models=[_view(m, a.options, a.versions) for m, a in models],
            pairs=pair_rows(analyses),
            pair_figures=pair_figures(analyses),
            options=options,
            symbol=symbol(options["uncertainty"]),
            source=SOURCE,
            version=analyses[0].versions["modalconflict"],
            many=len(models) > 1,
            fine=options["bin_width"] / data["parts"],
            policy=library.policy(library.vega(), library.explorer()),
            data=Markup(as_script_data(data)),
            vega=Markup(library.vega()),
            explorer=Markup(library.explorer()),
            licence=library.licence(),
            vega_versions=library.vega_versions(),
            made=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        )
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = out.with_name(out.name + ".part")
        partial.write_text(page, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise IoError(f"cannot write {out}: {error.strerror or error}; choose another place") from error
    return out


def _load(item: Source) -> Analysis:
    if isinstance(item, Analysis):
        return item
    path = Path(item)
    if not path.exists():
        raise IoError(f"{path} does not exist; name an analysis folder, a study folder or a table of records")
    return load_analysis(path) if path.is_dir() and not is_study(path) else analyze(path)


def _title(models: list[ModelAnalysis]) -> str:
    names = list(dict.fromkeys(m.name for m in models))
    who = (
        names[0]
        if len(names) == 1
        else ", ".join(names[:-1]) + " and " + names[-1]
        if len(names) <= 4
        else f"{len(names)} models"
    )
    return (
        f"When text and image disagree, which does {who} follow?"
        if len(names) == 1
        else f"When text and image disagree: {who}"
    )


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("modalconflict.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "rel": _with_subscript,
        "signed": signed,
        "percent": percent,
        "point": describe_point,
        "flags": flags_in_words,
    }
    return environment


def _with_subscript(text: str) -> Any:
    """Escaped text in which ΔH_rel and ΔU_rel have their subscript."""
    from markupsafe import escape

    return Markup(
        escape(text)
        .replace("ΔH_rel", Markup("Δ<i>H</i><sub>rel</sub>"))
        .replace("ΔU_rel", Markup("Δ<i>U</i><sub>rel</sub>"))
    )


def _view(model: ModelAnalysis, options: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    """What the template needs of one model."""
    s, index = model.summary, options["uncertainty"]
    point = s["balance_point"]["headline"]
    study = s.get("study") or {}
    tiers = s.get("tiers") or []
    judged = {
        side: [r for r in tiers if r["side"] == side and r["accuracy"] is not None] for side in ("vision", "text")
    }
    accuracy = {
        k: sum(r["accuracy"] * r["n"] for r in v) / sum(r["n"] for r in v) if v else None for k, v in judged.items()
    }
    return {
        "s": s,
        "name": model.name,
        "point": point,
        "preference": preference(point),
        "scale": _scale(point),
        "sentences": paragraph(s, options),
        "accuracy": accuracy,
        "figures": _figures(model, index),
        "examples": [describe(model, row, title) for title, row in choose(model)] if study else [],
        "comparison": comparison(s, index),
        "indices": index_rows(model),
        "tiers": {side: [r for r in tiers if r["side"] == side] for side in ("vision", "text")},
        "study": study,
        "timing": _timing(study),
        "versions": {**study.get("versions", {}), **versions},
    }


def _scale(point: dict[str, Any]) -> dict[str, float] | None:
    """Where the marker and the interval stand on a bar from −2 to 2, in percent of its length."""
    if point["estimate"] is None:
        return None

    def place(value: float | None, missing: float) -> float:
        return 25 * (min(max(missing if value is None else value, -2.0), 2.0) + 2)

    low, high = place(point["low"], -2.0), place(point["high"], 2.0)
    return {"at": place(point["estimate"], 0.0), "low": low, "width": max(high - low, 0.4)}


def _timing(study: dict[str, Any]) -> dict[str, Any] | None:
    calls = study.get("calls") or []
    runs, seconds = sum(c["runs"] for c in calls), sum(c["seconds"] for c in calls)
    prompt, prefix, suffix = (
        sum(c.get(k, 0) for c in calls) for k in ("prompt_tokens", "prefix_tokens", "suffix_tokens")
    )
    if not runs:
        return None
    return {
        "runs": runs,
        "seconds": seconds,
        "per_run_ms": 1000 * seconds / runs,
        "saved": 1 - (prefix + suffix) / prompt if prompt else None,
    }


def _tier_figure(model: ModelAnalysis, side: str, index: str, ax: Any) -> Any:
    return plots.entropy_by_tier(model, side, index, ax=ax)


def _figures(model: ModelAnalysis, index: str) -> dict[str, str]:
    figures = {
        "law": draw(lambda ax: plots.law(model, index, ax=ax), 7.2, 4.3),
        "split": draw(lambda ax: plots.median_split(model, index, ax=ax), 7.2, 3.4),
    }
    for side in ("vision", "text"):
        if any(r["side"] == side and r["n"] for r in model.summary.get("tiers") or []):
            figures[f"entropy_{side}"] = draw(partial(_tier_figure, model, side, index), 4.6, 3.3)
    if len(model.summary.get("indices") or []) > 1:
        height = 1.2 + 0.36 * len(model.summary["indices"])
        figures["indices"] = draw(lambda ax: plots.indices(model, ax=ax), 7.2, height)
    if model.layers is not None:
        figures["heatmap"] = draw(lambda ax: plots.layer_heatmap(model, index, ax=ax), 7.2, 4.5)
        figures["oscillations"] = draw(lambda ax: plots.oscillations(model, ax=ax), 4.6, 3.6)
        curves = curve_cases(model)
        if curves is not None:
            figures["curves"] = draw(lambda ax: plots.layer_curves(curves, ax=ax), 4.6, 3.6)
    return figures
