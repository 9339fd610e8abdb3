"""The analysis of records larger than memory: one pass, sums, and the same summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.analysis.cases import included_cases, join_runs
from modalconflict.analysis.controls import split_controls
from modalconflict.analysis.indices import index_table, relative_column
from modalconflict.analysis.law import OTHER_KINDS, bin_edges, disagree
from modalconflict.analysis.result import ModelAnalysis
from modalconflict.analysis.statistics import Floats, ratio_interval, wilson_interval
from modalconflict.analysis.streaming import JoinedChunk, RecordFiles, join_chunk
from modalconflict.analysis.sums import (
    BIN_WIDTH,
    BLOCKS,
    QUANTILE_ERROR,
    BinRows,
    LawSums,
    TotalSums,
    binned_spearman,
    isotonic_point,
    logistic_point,
    size_bin,
    size_bins,
    size_quantile,
    summed_curve,
)
from modalconflict.errors import InvalidArgument

if TYPE_CHECKING:
    from modalconflict.analysis.analyze import AnalysisOptions

SAMPLED_GROUPS = 64
LEFT_OUT = ("violation", "oscillations", "layers", "controls")


def analyze_streamed(files: RecordFiles, study: dict[str, Any] | None, options: AnalysisOptions) -> ModelAnalysis:
    """Analyse one model's records without holding them.

    Counts, rates, accuracies, tiers and the bins are exact. The logistic and the isotonic curve take each case's ΔU_rel as
    the mean of its bin, 1/512 wide; quartiles of the uncertainty are read from a histogram, right to 0.55 %; intervals
    resample 1,024 blocks of groups where there are more groups than that. `summary["computed"]` says so. The
    isotonic balance point and those of the two halves have no interval. The test of monotonicity, the oscillations, the controls and
    the layers need the cases themselves and are left out; the table of cases is a uniform sample of 64 groups.

    Parameters
    ----------
    files
        The records.
    study
        What made them, if they are a study.
    options
        Of the analysis.

    Returns
    -------
    ModelAnalysis

    Raises
    ------
    InvalidArgument
        If a row breaks the documented format, several models are mixed, or no case is usable.
    """
    sums = _Sums(options, files.label)
    for runs in files.chunks():
        sums.add(runs)
    return sums.analysis(files, study)


class _Sums:
    def __init__(self, options: AnalysisOptions, label: str) -> None:
        self._options, self._label = options, label
        self._model: tuple[str, str] | None = None
        self._groups = self._controls = 0
        self._counts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._conditions: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._laws: dict[str, LawSums] = {}
        self._bins = BinRows(options.bin_width)
        self._totals = TotalSums()
        # a block's used cases, and by outcome
        self._block = {name: np.zeros(BLOCKS) for name in ("used", "text", "vision", "other")}
        self._following: dict[tuple[str, int], Floats] = {}  # used, decided, text by block
        self._tiers: dict[tuple[str, int], _Tier] = {}
        self._piled = [0, 0]
        self._below: npt.NDArray[np.int64] = np.zeros(1 << 12, dtype=np.int64)  # used cases by fine bins, for the sides
        self._sample: dict[int, tuple[str, int]] = {}
        self._random = np.random.default_rng(options.random_state)

    def add(self, runs: pa.Table) -> None:
        """Add a chunk of whole groups."""
        self._one_model(runs)
        runs, controls = split_controls(runs)
        self._controls += controls.num_rows
        if not runs.num_rows:
            return
        if self._options.uncertainty not in runs.column_names:
            raise InvalidArgument(f"uncertainty '{self._options.uncertainty}' is no column of {self._label}")
        self._add_tiers(runs)
        for condition, number in zip(*np.unique(_text(runs["condition"]), return_counts=True), strict=True):
            self._conditions[str(condition)] += int(number)
        chunk = join_chunk(runs)
        if self._options.uncertainty not in chunk.uncertainty:
            raise InvalidArgument(f"ΔU_rel is not defined for '{self._options.uncertainty}'; choose another index")
        self._draw(chunk)
        block = (self._groups + chunk.stretch) % BLOCKS
        self._groups += len(chunk.groups)
        self._add_cases(chunk, block)

    def _one_model(self, runs: pa.Table) -> None:
        models = {
            (str(r["model"]), str(r["bundle_sha256"] or ""))
            for r in runs.select(["model", "bundle_sha256"])
            .group_by(["model", "bundle_sha256"])
            .aggregate([])
            .to_pylist()
        }
        if self._model is not None:
            models.add(self._model)
        if len(models) > 1:
            raise InvalidArgument(
                f"{self._label} is too large for memory and holds several models; write one file a model"
            )
        self._model = models.pop()

    def _draw(self, chunk: JoinedChunk) -> None:
        """Keep a uniform sample of the groups (Vitter 1985, algorithm R)."""
        for place, group in enumerate(chunk.groups, self._groups):
            if place < SAMPLED_GROUPS:
                self._sample[place] = group
            elif (at := int(self._random.integers(place + 1))) < SAMPLED_GROUPS:
                self._sample[at] = group

    def _add_tiers(self, runs: pa.Table) -> None:
        condition, ok = _text(runs["condition"]), _text(runs["status"]) == "ok"
        values = runs[self._options.uncertainty].to_numpy()
        correct = runs["correct"].cast(pa.int8()).fill_null(-1).to_numpy()
        for side, column in (("vision", "d_v"), ("text", "d_t")):
            tier = runs[column].fill_null(-1).to_numpy()
            alone = condition == f"{side}_only"
            for number in np.unique(tier[alone]).tolist():
                here = alone & (tier == number)
                self._tiers.setdefault((side, number), _Tier()).add(
                    values[here & ok], correct[here & ok], int(here.sum())
                )

    def _add_cases(self, chunk: JoinedChunk, block: npt.NDArray[np.int64]) -> None:
        from modalconflict import relative_uncertainty

        outcome, options = chunk.outcome, self._options
        counting = np.isin(outcome, ("text", "vision", "other"))
        if options.cases == "both_correct":
            counting &= (chunk.correct["text"] != 0) & (chunk.correct["vision"] != 0)
        decided, text = np.isin(outcome, ("text", "vision")), outcome == "text"
        for name, (u_text, u_vision) in chunk.uncertainty.items():
            delta = np.full(len(outcome), np.nan)
            known = np.isfinite(u_text) & np.isfinite(u_vision)
            delta[known] = relative_uncertainty(u_text[known], u_vision[known], zero_policy="nan")
            law = self._laws.setdefault(name, LawSums())
            law.both_certain += int((counting & np.isnan(delta)).sum())
            here = counting & decided & np.isfinite(delta)
            law.add(block[here], delta[here], text[here])
            if name == options.uncertainty:
                self._counts["both_certain"] += int((known & np.isnan(delta)).sum())
                self._add_law(chunk, block, delta, u_text + u_vision, counting & np.isfinite(delta), decided)
        self._failures.update(chunk.failures)
        self._counts["cases"] += len(outcome)
        self._counts["no_conflict"] += int((outcome == "no_conflict").sum())
        right = {side: c == 1 for side, c in chunk.correct.items()}
        self._counts["both_correct"] += int((right["text"] & right["vision"]).sum())
        for side in right:
            self._counts[f"{side}_incorrect"] += int((~right[side]).sum())

    def _add_law(
        self,
        chunk: JoinedChunk,
        block: npt.NDArray[np.int64],
        delta: Floats,
        total: Floats,
        used: npt.NDArray[np.bool_],
        decided: npt.NDArray[np.bool_],
    ) -> None:
        outcome = chunk.outcome
        text = outcome == "text"
        self._bins.add(delta[used & decided], text[used & decided])
        self._totals.add(delta[used], total[used], decided[used], text[used])
        self._block["used"] += np.bincount(block[used], minlength=BLOCKS)
        for name in ("text", "vision", "other"):
            self._block[name] += np.bincount(block[used & (outcome == name)], minlength=BLOCKS)
        self._kinds.update(chunk.other_kind[used & (outcome == "other")].tolist())
        self._counts["used"] += int(used.sum())
        self._piled[0] += int((delta[used] <= -1.9).sum())
        self._piled[1] += int((delta[used] >= 1.9).sum())
        fine = np.clip(((delta[used] + 2) / 4 * len(self._below)).astype(np.int64), 0, len(self._below) - 1)
        self._below += np.bincount(fine, minlength=len(self._below))
        first = chunk.first_token
        self._counts["first_token_differs"] += int((used & (first != "") & (first != outcome)).sum())
        for side, tier in chunk.tiers.items():
            for number in np.unique(tier[used & (tier >= 0)]).tolist():
                here = used & (tier == number)
                into = self._following.setdefault((side, number), np.zeros((3, BLOCKS)))
                for row, chosen in zip(into, (here, here & decided, here & text), strict=True):
                    row += np.bincount(block[chosen], minlength=BLOCKS)

    def analysis(self, files: RecordFiles, study: dict[str, Any] | None) -> ModelAnalysis:
        """Everything that the sums say."""
        if self._model is None or not self._conditions["multimodal"]:
            raise InvalidArgument("the records hold no multimodal run; analyze needs all three conditions of each case")
        if not self._counts["used"]:
            raise InvalidArgument(f"{self._label} holds no usable case; look at the tiers, or use --cases all")
        name, sha256 = self._model
        indices = [self._index(n) for n in self._laws]
        split, half_rows = self._totals.split(self._options.bin_width, self._options.level)
        summary = {
            "name": name or "unnamed model",
            "bundle_sha256": sha256,
            "records": self._label,
            "study": study,
            "computed": {
                "path": "streamed",
                "bin_width": BIN_WIDTH,
                "quantile_error": QUANTILE_ERROR,
                "blocks": min(self._groups, BLOCKS),
                "left_out": list(LEFT_OUT),
                "sampled_groups": len(self._sample),
                "control_runs": self._controls,
            },
            "counts": self._all_counts(),
            **self._law(indices),
            "median_split": split,
            "indices": indices,
            "following": self._following_rows(),
        }
        tables = {
            "bins": pa.Table.from_pylist(self._bins.rows(self._options.level) + half_rows),
            "indices": index_table(indices),
            "tiers": self._tier_table(),
        }
        if summary["following"]:
            tables["following"] = pa.Table.from_pylist(summary["following"])
        summary["tiers"] = tables["tiers"].to_pylist()
        summary["oscillations"] = None
        summary["controls"] = []
        return ModelAnalysis(summary=summary, cases=self._sampled_cases(files), tables=tables, layers=None)

    def _all_counts(self) -> dict[str, Any]:
        counted = ("no_conflict", "both_correct", "text_incorrect", "vision_incorrect", "both_certain")
        return {
            "cases": self._counts["cases"],
            "used": self._counts["used"],
            "failed": sum(self._failures.values()),
            "failures": dict(self._failures),
            **{k: self._counts[k] for k in counted},
            "runs": {c: self._conditions[c] for c in ("text_only", "vision_only", "multimodal")},
            "groups": self._groups,
            "first_token_differs": self._counts["first_token_differs"],
        }

    def _interval(self, numerator: Floats, denominator: Floats, used: Floats) -> tuple[float, float, float]:
        here = used > 0
        settings = (self._options.level, self._options.replicates, self._options.random_state)
        return ratio_interval(numerator[here], denominator[here], np.arange(int(here.sum())), *settings)

    def _law(self, indices: list[dict[str, Any]]) -> dict[str, Any]:
        options, block = self._options, self._block
        names = ("estimate", "low", "high")
        decided = block["text"] + block["vision"]
        tfr = dict(zip(names, self._interval(block["text"], decided, block["used"]), strict=True))
        other = dict(zip(names, self._interval(block["other"], block["used"], block["used"]), strict=True))
        own = next(i for i in indices if i["uncertainty"] == options.uncertainty)
        sums = self._laws[options.uncertainty]
        cir = isotonic_point(*sums.pooled(), options)
        headline = own["balance_point"]
        used = self._counts["used"]
        return {
            "outcomes": {k: int(block[k].sum()) for k in ("text", "vision", "other")},
            "tfr": tfr,
            "vfr": {"estimate": 1 - tfr["estimate"], "low": 1 - tfr["high"], "high": 1 - tfr["low"]},
            "other": {**other, "kinds": {k: self._kinds[k] for k in OTHER_KINDS}},
            "balance_point": {"headline": headline, "cir": cir, "disagree": disagree(headline, cir)},
            "spearman": own["spearman"],
            "violation": None,
            "sides": self._sides(headline["estimate"]),
            "piled_up": {"low": self._piled[0] / used, "high": self._piled[1] / used},
            "curve": summed_curve(sums, options),
            "edges": bin_edges(options.bin_width).tolist(),
        }

    def _sides(self, at: float | None) -> dict[str, float] | None:
        if at is None:
            return None
        place = (at + 2) / 4 * len(self._below)
        whole = min(max(int(place), 0), len(self._below) - 1)
        left = (self._below[:whole].sum() + self._below[whole] * min(max(place - whole, 0.0), 1.0)) / self._below.sum()
        return {"left": float(left), "right": float(1 - left)}

    def _index(self, name: str) -> dict[str, Any]:
        sums = self._laws[name]
        _, k, n = sums.pooled()
        curve = summed_curve(sums, self._options)
        return {
            "uncertainty": name,
            "n": int(n.sum()),
            "both_certain": sums.both_certain,
            "balance_point": logistic_point(sums, self._options),
            "violation": None,
            "spearman": binned_spearman(k, n),
            "curve": None if curve is None else {"x": curve["x"], "y": curve["logistic"]},
        }

    def _following_rows(self) -> list[dict[str, Any]]:
        rows = []
        for side in ("vision", "text"):
            for (_, tier), (used, decided, text) in sorted(p for p in self._following.items() if p[0][0] == side):
                rate, low, high = self._interval(text, decided, used)
                counts = {"n": int(used.sum()), "decided": int(decided.sum()), "text": int(text.sum())}
                rows.append({"side": side, "tier": tier, **counts, "tfr": rate, "tfr_low": low, "tfr_high": high})
        return rows

    def _tier_table(self) -> pa.Table:
        rows = []
        for side in ("vision", "text"):
            for number in sorted(t for s, t in self._tiers if s == side):
                rows.append({"side": side, "tier": number, **self._tiers[side, number].row(self._options.level)})
        numbers = ("accuracy", "accuracy_low", "accuracy_high", "mean", "lower_quartile", "median", "upper_quartile")
        fields = [("side", pa.string()), ("tier", pa.int32()), ("n", pa.int64()), ("failed", pa.int64())]
        return pa.Table.from_pylist(rows, schema=pa.schema([*fields, *((n, pa.float64()) for n in numbers)]))

    def _sampled_cases(self, files: RecordFiles) -> pa.Table:
        cases = join_runs(split_controls(files.groups(list(self._sample.values())))[0], self._options.uncertainty)
        delta = relative_column(cases, self._options.uncertainty)
        used = included_cases(cases, self._options.cases) & np.isfinite(delta)
        return cases.append_column("delta", pa.array(delta)).append_column("included", pa.array(used))


class _Tier:
    """Unimodal runs of one tier."""

    def __init__(self) -> None:
        self._runs = self._ok = self._right = self._judged = 0
        self._sum = 0.0
        self._sizes = np.zeros(size_bins(), dtype=np.int64)

    def add(self, values: Floats, correct: npt.NDArray[np.int8], runs: int) -> None:
        self._runs += runs
        self._ok += len(values)
        self._right += int((correct == 1).sum())
        self._judged += int((correct >= 0).sum())
        self._sum += float(values.sum())
        self._sizes += np.bincount(size_bin(values), minlength=len(self._sizes))

    def row(self, level: float) -> dict[str, Any]:
        low, high = wilson_interval(np.array([float(self._right)]), np.array([float(self._judged)]), level)
        judged = self._judged > 0
        return {
            "n": self._ok,
            "failed": self._runs - self._ok,
            "accuracy": self._right / self._judged if judged else None,
            "accuracy_low": float(low[0]) if judged else None,
            "accuracy_high": float(high[0]) if judged else None,
            "mean": self._sum / self._ok if self._ok else None,
            "lower_quartile": size_quantile(self._sizes, 0.25),
            "median": size_quantile(self._sizes, 0.5),
            "upper_quartile": size_quantile(self._sizes, 0.75),
        }


def _text(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.asarray(column.fill_null("").to_numpy().astype(str))
