"""From joined cases to the numbers of a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.analysis.bounds import bounds_summary
from modalconflict.analysis.cases import CASE_FILTERS, cases_of_minimal, included_cases, is_minimal, join_runs
from modalconflict.analysis.compare import compare_models
from modalconflict.analysis.controls import control_rows, control_table, split_controls
from modalconflict.analysis.indices import index_laws, index_table
from modalconflict.analysis.law import law_summary
from modalconflict.analysis.layers import count_switches, layer_bins, lens_table, matrix, oscillation_summary, regions
from modalconflict.analysis.result import Analysis, ModelAnalysis, versions
from modalconflict.analysis.statistics import check_level
from modalconflict.analysis.streamed import analyze_streamed
from modalconflict.analysis.streaming import RecordFiles, large_records
from modalconflict.analysis.tiers import following_by_tier, tier_table
from modalconflict.arrow_tables import as_arrow, is_table
from modalconflict.distributed.objects import object_study_information
from modalconflict.distributed.store import is_object_uri, open_object_folder
from modalconflict.errors import InvalidArgument
from modalconflict.records.reading import is_study, read_records, read_table, study_information
from modalconflict.records.schema import validate_records


@dataclass(frozen=True)
class AnalysisOptions:
    """How records are analysed; every field stands in summary.json.

    Attributes
    ----------
    uncertainty
        Column of the index behind ΔU_rel.
    level
        Coverage of every interval.
    cases
        "both_correct" (the law's own cases) or "all" conflicts.
    bin_width
        Width of the bins of ΔU_rel.
    replicates
        Bootstrap replicates.
    random_state
        Seed of every random draw.
    """

    uncertainty: str = "entropy"
    level: float = 0.95
    cases: str = "both_correct"
    bin_width: float = 0.25
    replicates: int = 1000
    random_state: int = 0

    def __post_init__(self) -> None:
        check_level(self.level)
        if self.cases not in CASE_FILTERS:
            raise InvalidArgument(f"cases '{self.cases}' is none of {', '.join(CASE_FILTERS)}; choose one of them")
        if not 0.01 <= self.bin_width <= 4:
            raise InvalidArgument(f"bin_width is {self.bin_width}; give a width of ΔU_rel between 0.01 and 4")
        if not 100 <= self.replicates <= 1_000_000:
            raise InvalidArgument(f"replicates is {self.replicates}; give 100 to 1,000,000")
        if not 0 <= self.random_state < 2**63:
            raise InvalidArgument(f"the seed is {self.random_state}; give 0 to 2^63 - 1")


def analyze(
    records: Any,
    *,
    uncertainty: str = "entropy",
    level: float = 0.95,
    cases: str = "both_correct",
    bin_width: float = 0.25,
    replicates: int = 1000,
    random_state: int = 0,
    out: str | Path | None = None,
) -> Analysis:
    """Analyse records: text-following rate, ΔU_rel, the balance point, tiers, oscillations.

    Parameters
    ----------
    records
        One or several of: a study's folder, a .parquet or .csv file, a table (Arrow, Polars, pandas, or anything else with
        ``__arrow_c_stream__``). Rows are runs (docs/records.md), or joined cases with the columns case_id, h_text, h_vision
        (nats) and outcome. Runs whose `control` is not "none" have no part in the law; they are described apart, in each
        model's summary["controls"].
        A study or .parquet file of more than a million runs is streamed, see
        :func:`~modalconflict.analysis.streamed.analyze_streamed`; ``summary["computed"]["path"]`` of each model says
        "in_memory" or "streamed".
    uncertainty
        Name of the index; ΔU_rel = 2 (U_t − U_v) / (U_t + U_v), within [−2, 2].
    level
        Coverage of the intervals.
    cases
        "both_correct": the cases whose two unimodal answers are both correct, on which the law is stated; "all": every case
        whose unimodal answers differ.
    bin_width
        Of the bins of ΔU_rel.
    replicates
        Bootstrap replicates; whole groups are drawn.
    random_state
        Seed of the bootstrap.
    out
        Folder to save the result to, if given.

    Returns
    -------
    Analysis
        One :class:`ModelAnalysis` a model found in the records.

    Raises
    ------
    InvalidArgument
        If a table breaks its documented format (the message names row and column), no case is usable, or an option is out of
        range.
    IoError
        If a file is missing, unreadable or altered.

    References
    ----------
    arXiv 2511.02243, "When Modalities Conflict".
    """
    options = AnalysisOptions(uncertainty, level, cases, bin_width, replicates, random_state)
    models = [
        _analyze_model(s, options) if isinstance(s, _Source) else _analyze_large(s, options) for s in _sources(records)
    ]
    if not models:
        raise InvalidArgument("the records hold no rows; give at least one case")
    result = Analysis(options=asdict(options), versions=versions(), models=models)
    whole = [m for m in models if m.summary["computed"]["path"] == "in_memory"]
    result.comparisons = compare_models(models, result.options) if len(whole) == len(models) else []
    if out is not None:
        result.save(out)
    return result


@dataclass
class _Source:
    """The records of one model."""

    name: str
    sha256: str
    table: pa.Table
    minimal: bool
    label: str
    study: dict[str, Any] | None


def _analyze_large(files: RecordFiles, options: AnalysisOptions) -> ModelAnalysis:
    path = Path(files.label)
    return analyze_streamed(files, study_information(path) if is_study(path) else None, options)


def _sources(records: Any) -> list[_Source | RecordFiles]:
    items = [records] if isinstance(records, (str, Path)) or is_table(records) else list(records)
    if not items:
        raise InvalidArgument("there are no records to analyse; name at least one study or table")
    found: dict[tuple[str, str, bool], _Source] = {}
    large: list[RecordFiles] = []
    for number, item in enumerate(items):
        files = large_records(item)
        if files is not None:
            large.append(files)
            continue
        for source in _split(item, f"table {number}" if is_table(item) else str(item)):
            key = (source.name, source.sha256, source.minimal)
            if key not in found:
                found[key] = source
                continue
            first = found[key]
            try:
                merged = pa.concat_tables([first.table, source.table], promote_options="default")
            except pa.ArrowInvalid as error:
                raise InvalidArgument(
                    f"{source.label} and {first.label} are of one model but have different columns ({error})"
                ) from error
            label = f"{first.label} + {source.label}"
            first.table = merged if source.minimal else validate_records(merged, label)
            first.label = label
    return [*found.values(), *large]


def _split(item: Any, label: str) -> Iterable[_Source]:
    """The models of one table or study."""
    study = None
    if is_table(item):
        table = as_arrow(item)
    elif is_object_uri(item):
        table, study = read_records(item), object_study_information(open_object_folder(item))
    else:
        path = Path(item)
        study = study_information(path) if is_study(path) else None
        table = read_records(path) if path.is_dir() else read_table(path)
    minimal = is_minimal(table)
    if minimal:
        names = table["model"].to_pylist() if "model" in table.column_names else [""] * table.num_rows
        keys = [(str(n or ""), "") for n in names]
    else:
        table = table if study is not None else validate_records(table, label)
        keys = list(zip(table["model"].to_pylist(), (s or "" for s in table["bundle_sha256"].to_pylist()), strict=True))
    for key in dict.fromkeys(keys):
        chosen = table if len(set(keys)) == 1 else table.filter(pa.array([k == key for k in keys]))
        yield _Source(key[0] or "unnamed model", key[1], chosen, minimal, label, study)


def _analyze_model(source: _Source, options: AnalysisOptions) -> ModelAnalysis:
    from modalconflict import relative_uncertainty

    minimal = source.minimal
    if minimal and options.uncertainty != "entropy":
        raise InvalidArgument(
            f"{source.label} holds h_text and h_vision alone, so the uncertainty '{options.uncertainty}' is not to be had; use entropy"
        )
    runs, controls = (source.table, None) if minimal else split_controls(source.table)
    if controls is not None and controls.num_rows and not runs.num_rows:
        raise InvalidArgument(
            f"{source.label} holds controls alone; add the runs of the conflicts that they are controls of"
        )
    cases = cases_of_minimal(runs, source.label) if minimal else join_runs(runs, options.uncertainty)
    counting = included_cases(cases, options.cases)
    used = counting.copy()
    if not used.any():
        reason = (
            "no case has both unimodal answers correct; look at the tiers, or use --cases all"
            if options.cases == "both_correct"
            else "no case has two different unimodal answers"
        )
        statuses = [s for s in cases["status"].to_pylist() if s != "ok"]
        raise InvalidArgument(
            f"{source.label} holds no usable case: {statuses[0] if len(statuses) == cases.num_rows else reason}"
        )
    u_text, u_vision = (cases[f"u_{s}"].to_numpy(zero_copy_only=False) for s in ("text", "vision"))
    delta = np.full(cases.num_rows, np.nan)
    known = np.isfinite(u_text) & np.isfinite(u_vision)
    delta[known] = relative_uncertainty(u_text[known], u_vision[known], zero_policy="nan")
    certain = known & np.isnan(delta)  # 0/0: neither side is the easier one, so the case says nothing about the law
    used &= np.isfinite(delta)
    if not used.any():
        raise InvalidArgument(
            f"{source.label} holds no case with an uncertainty above zero on either side; choose another --uncertainty"
        )
    groups = _groups(cases)
    outcome = np.array([o or "" for o in cases["outcome"].to_pylist()])
    summary: dict[str, Any] = {
        "name": source.name,
        "uncertainty": options.uncertainty,
        "bundle_sha256": source.sha256,
        "records": source.label,
        "study": source.study,
        "computed": {"path": "in_memory"},
        "counts": _counts(cases, outcome, used, certain, None if minimal else runs),
    }
    summary |= law_summary(delta, u_text + u_vision, outcome, used, groups, _other_kinds(cases), options)
    if not minimal:
        balance = summary["balance_point"]["headline"]["estimate"]
        summary["bounds"] = bounds_summary(source.table, cases, used, options.uncertainty, balance)
    cases = cases.append_column("delta", pa.array(delta)).append_column("included", pa.array(used))
    tables = {"bins": pa.Table.from_pylist(summary.pop("bin_rows"))}
    summary["indices"] = index_laws(cases, counting, groups, options)
    tables["indices"] = index_table(summary["indices"])
    summary["following"] = following_by_tier(cases, used, groups, options)
    if summary["following"]:
        tables["following"] = pa.Table.from_pylist(summary["following"])
    if not minimal:
        tables["tiers"] = tier_table(runs, options.uncertainty, options.level)
        summary["tiers"] = tables["tiers"].to_pylist()
    summary["controls"] = [] if controls is None else control_rows(controls, options)
    if summary["controls"]:
        tables["controls"] = control_table(summary["controls"])
    layers = None
    summary["oscillations"] = None
    if "lens_label" in cases.column_names:
        tables["lens"] = lens_table(cases, used)
        cases, layers = _layers(cases, delta, used, groups, summary, options)
    return ModelAnalysis(summary=summary, cases=cases, tables=tables, layers=layers)


def _groups(cases: pa.Table) -> npt.NDArray[np.int64]:
    """Group numbers, distinct over datasets; each case its own where none are given."""
    if cases["group"].null_count == cases.num_rows:
        return np.arange(cases.num_rows)
    keys = list(zip(cases["dataset"].to_pylist(), cases["group"].to_pylist(), strict=True))
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[k] for k in keys])


def _other_kinds(cases: pa.Table) -> npt.NDArray[np.str_]:
    return np.array([k or "" for k in cases["other_kind"].to_pylist()])


def _counts(
    cases: pa.Table,
    outcome: npt.NDArray[np.str_],
    used: npt.NDArray[np.bool_],
    certain: npt.NDArray[np.bool_],
    runs: pa.Table | None,
) -> dict[str, Any]:
    status = cases["status"].to_pylist()
    failures: dict[str, int] = {}
    for s in status:
        if s != "ok":
            failures[s] = failures.get(s, 0) + 1
    text_right = np.array([c is True for c in cases["text_correct"].to_pylist()])
    vision_right = np.array([c is True for c in cases["vision_correct"].to_pylist()])
    counts: dict[str, Any] = {
        "cases": cases.num_rows,
        "used": int(used.sum()),
        "failed": sum(failures.values()),
        "failures": failures,
        "no_conflict": int((outcome == "no_conflict").sum()),
        "both_correct": int((text_right & vision_right).sum()),
        "text_incorrect": int((~text_right).sum()),
        "vision_incorrect": int((~vision_right).sum()),
        "both_certain": int(certain.sum()),
    }
    if runs is None:
        return {k: v for k, v in counts.items() if k in ("cases", "used", "failed", "no_conflict", "both_certain")}
    conditions = runs["condition"].to_pylist()
    counts["runs"] = {c: conditions.count(c) for c in ("text_only", "vision_only", "multimodal")}
    counts["groups"] = len(set(zip(runs["dataset"].to_pylist(), runs["group"].to_pylist(), strict=True)))
    first, taken = cases["first_token_class"].to_pylist(), used.nonzero()[0]
    differing = sum(first[i] is not None and first[i] != outcome[i] for i in taken)
    counts["first_token_differs"] = int(differing)
    return counts


def _layers(
    cases: pa.Table,
    delta: npt.NDArray[np.float64],
    used: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    summary: dict[str, Any],
    options: AnalysisOptions,
) -> tuple[pa.Table, dict[str, Any]]:
    labels = matrix(cases["lens_label"], object)[:, 1:]  # row 0 reads the embeddings: no layer has spoken yet
    switches = count_switches(labels)
    point = summary["balance_point"]["headline"]
    balance = point["estimate"] if point["status"] in ("crossing", "one_sided", "unbounded") else None
    where = regions(delta[used], balance)
    summary["layers"] = labels.shape[1]
    summary["oscillations"] = oscillation_summary(
        switches[used], where, groups[used], options.level, options.replicates, options.random_state
    )
    region = np.full(cases.num_rows, None, dtype=object)
    inside = np.flatnonzero(used)
    region[inside[where.first]], region[inside[where.second]] = where.names
    cases = cases.append_column("oscillations", pa.array(switches.sum(axis=1)))
    cases = cases.append_column("region", pa.array(region, pa.string()))
    difference = (matrix(cases["logit_text"], np.float32) - matrix(cases["logit_vision"], np.float32)).astype(
        np.float64
    )
    edges = np.array(summary["edges"])
    mean, counts = layer_bins(delta[used], difference[used], edges)
    return cases, {"edges": edges, "difference": mean, "counts": counts}
