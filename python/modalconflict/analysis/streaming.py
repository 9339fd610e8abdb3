"""Records larger than memory: whole groups a chunk at a time, joined to cases by arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from modalconflict.analysis.cases import relative_indices
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.schema import uncertainty_columns, validate_records

STREAMED_ABOVE = 1_000_000
"""Runs above which records on a disk are streamed."""

CHUNK = 1 << 16
_COLUMNS = (
    "case_id",
    "dataset",
    "group",
    "condition",
    "d_v",
    "d_t",
    "order",
    "control",
    "answer",
    "answer_kind",
    "correct",
    "first_token_class",
    "status",
    "model",
    "bundle_sha256",
)


@dataclass(frozen=True)
class RecordFiles:
    """Parquet files of runs, in which each group's runs stand together.

    Attributes
    ----------
    label
        How messages name them.
    paths
        In order.
    runs
        Rows of all.
    """

    label: str
    paths: list[str]
    runs: int

    def chunks(self) -> Iterator[pa.Table]:
        """Validated runs, about `CHUNK` rows at a time and always whole groups, without text and lens columns.

        Raises
        ------
        IoError
            If a file is unreadable.
        InvalidArgument
            If a row breaks the documented format, or a group's runs do not stand together.
        """
        schema = pq.read_schema(self.paths[0])
        indices = [n for n in uncertainty_columns(schema.empty_table()) if n != "answer_log_prob"]
        columns = [n for n in (*_COLUMNS, *indices) if n in schema.names]
        source = ds.dataset(self.paths, schema=schema, format="parquet")
        # few batches ahead: what is read and not yet used is what takes memory
        scanned = source.to_batches(columns=columns, batch_size=CHUNK, batch_readahead=2, fragment_readahead=2)
        seen, rest = _Seen(), None
        try:
            gathered: list[pa.RecordBatch] = []
            rows = 0
            for batch in scanned:
                gathered.append(batch)
                rows += batch.num_rows
                if rows < CHUNK:
                    continue
                table = pa.Table.from_batches(gathered)
                table = table if rest is None else pa.concat_tables([rest, table])
                begin = _last_group(table)
                rest, gathered, rows = table.slice(begin), [], 0
                if begin:
                    yield self._checked(table.slice(0, begin), seen)
            last = pa.Table.from_batches(gathered, schema=source.schema.empty_table().select(columns).schema)
            last = last if rest is None else pa.concat_tables([rest, last])
            if last.num_rows:
                yield self._checked(last, seen)
        except (pa.ArrowInvalid, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise IoError(f"{self.label} is unreadable ({reason}); it may be truncated: write it again") from error

    def _checked(self, table: pa.Table, seen: _Seen) -> pa.Table:
        table = validate_records(table.combine_chunks(), self.label)
        seen.add(table, self.label)
        return table

    def groups(self, keys: list[tuple[str, int]]) -> pa.Table:
        """All columns of some groups' runs."""
        source = ds.dataset(self.paths, schema=pq.read_schema(self.paths[0]), format="parquet")
        found = source.to_table(filter=ds.field("group").isin(sorted({g for _, g in keys})))
        table = validate_records(found, self.label)
        pairs = zip(table["dataset"].to_pylist(), table["group"].to_pylist(), strict=True)
        chosen = set(keys)
        return table.filter(pa.array([pair in chosen for pair in pairs]))


def _last_group(table: pa.Table) -> int:
    """Row where the last group begins."""
    dataset, group = table["dataset"] if "dataset" in table.column_names else None, table["group"]
    differs = pc.not_equal(group, group[-1])
    if dataset is not None:
        differs = pc.or_(differs, pc.not_equal(dataset, dataset[-1]))
    rows = np.flatnonzero(differs.to_numpy())
    return int(rows[-1]) + 1 if len(rows) else 0


class _Seen:
    """Which groups were read already: one byte a group."""

    def __init__(self) -> None:
        self._seen: dict[str, bytearray] = {}

    def add(self, table: pa.Table, label: str) -> None:
        names, numbers, _ = group_runs(table)
        for name, number in zip(names, numbers, strict=True):
            seen = self._seen.setdefault(name, bytearray())
            if number < 0 or number >= 1 << 30:
                raise InvalidArgument(f"{label} has the group {number}; to be streamed, groups number 0 to 2^30 - 1")
            if number >= len(seen):
                seen.extend(bytes(max(number + 1 - len(seen), len(seen))))
            if seen[number]:
                raise InvalidArgument(
                    f"the runs of group {number} of {label} do not stand together; sort the table by dataset and group"
                )
            seen[number] = 1


def group_runs(table: pa.Table) -> tuple[list[str], list[int], npt.NDArray[np.int64]]:
    """Dataset and number of each stretch of equal groups, and the stretch of each row, shape (n,)."""
    codes = table["dataset"].combine_chunks().dictionary_encode()
    dataset, group = codes.indices.to_numpy(), table["group"].to_numpy()
    starts = np.flatnonzero(np.r_[True, (dataset[1:] != dataset[:-1]) | (group[1:] != group[:-1])])
    stretch = np.zeros(len(group), dtype=np.int64)
    stretch[starts[1:]] = 1
    names = codes.dictionary.to_pylist()
    return [names[i] for i in dataset[starts]], group[starts].tolist(), np.cumsum(stretch)


@dataclass
class JoinedChunk:
    """The cases of a chunk, n of them; arrays of shape (n,) unless said otherwise.

    Attributes
    ----------
    stretch
        Which of the chunk's groups.
    groups
        Dataset and number of each group.
    outcome
        "text", "vision", "other", "no_conflict", or "" where the status is not ok.
    other_kind
        Of an outcome "other", else "".
    correct
        (text, vision): 1 right, 0 wrong, -1 not known.
    tiers
        d_v and d_t, -1 where there is none.
    first_token
        Class of the first token, "" where there is none.
    uncertainty
        By index: U_t and U_v, NaN where the run is missing or failed.
    failures
        Status and count of the cases that failed.
    """

    stretch: npt.NDArray[np.int64]
    groups: list[tuple[str, int]]
    outcome: npt.NDArray[np.str_]
    other_kind: npt.NDArray[np.str_]
    correct: dict[str, npt.NDArray[np.int8]]
    tiers: dict[str, npt.NDArray[np.int64]]
    first_token: npt.NDArray[np.str_]
    uncertainty: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)


def _strings(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.asarray(pc.fill_null(column, "").to_numpy().astype(str))


def _tiers(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(pc.fill_null(column, -1).to_numpy(), dtype=np.int64)


def join_chunk(runs: pa.Table) -> JoinedChunk:
    """Join the runs of whole groups to cases, as `join_runs` does case by case.

    Parameters
    ----------
    runs
        Validated.

    Returns
    -------
    JoinedChunk
    """
    names, numbers, stretch = group_runs(runs)
    condition = _strings(runs["condition"])
    at = np.flatnonzero(condition == "multimodal")
    ok = pc.equal(runs["status"], "ok").to_numpy()
    answers = pc.fill_null(runs["answer"], "").combine_chunks().dictionary_encode()
    words = np.array(answers.dictionary.to_pylist() or [""], dtype=object)
    code = answers.indices.to_numpy().astype(np.int64)
    some = np.array([bool(w) for w in words])[code]
    known = pc.fill_null(runs["correct"].cast(pa.int8()), -1).to_numpy()
    tiers = {"vision": _tiers(runs["d_v"]), "text": _tiers(runs["d_t"])}
    partner, there = {}, {}
    for side in ("text", "vision"):
        tier = tiers[side]
        low, width = tier.min(), int(tier.max() - tier.min()) + 1
        key = stretch * width + (tier - low)
        alone = np.flatnonzero(condition == f"{side}_only")
        row = np.full((len(names)) * width, -1, dtype=np.int64)
        row[key[alone]] = alone
        partner[side] = row[key[at]]
        there[side] = (partner[side] >= 0) & ok[partner[side]]
    good = ok[at] & there["text"] & there["vision"] & some[partner["text"]] & some[partner["vision"]]
    outcome, other_kind = _outcomes(code[at], {s: code[p] for s, p in partner.items()}, words, good)
    kind = _strings(runs["answer_kind"])[at]
    is_other = outcome == "other"
    other_kind = np.where(is_other, np.where((kind == "") | (kind == "answer"), "third_answer", kind), other_kind)
    found = JoinedChunk(
        stretch=stretch[at],
        groups=list(zip(names, numbers, strict=True)),
        outcome=outcome,
        other_kind=other_kind,
        correct={s: np.where(there[s], known[partner[s]], -1) for s in partner},
        tiers={s: t[at] for s, t in tiers.items()},
        first_token=_strings(runs["first_token_class"])[at],
        failures=_failures(runs, at[~good], {s: p[~good] for s, p in partner.items()}),
    )
    for name in relative_indices(uncertainty_columns(runs)):
        values = runs[name].to_numpy().astype(np.float64)
        text, vision = (np.where(there[s], values[partner[s]], np.nan) for s in ("text", "vision"))
        found.uncertainty[name] = (text, vision)
    return found


def _outcomes(
    given: npt.NDArray[np.int64],
    alone: dict[str, npt.NDArray[np.int64]],
    words: npt.NDArray[np.object_],
    good: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Outcome of each case; the same three answers are classified once."""
    from modalconflict import classify_outcome

    outcome = np.full(len(given), "", dtype="<U16")
    if good.any():
        count = len(words)
        if count >= 1 << 20:
            raise InvalidArgument("more than a million different answers in one chunk; these are no records of answers")
        triple = (given[good] * count + alone["text"][good]) * count + alone["vision"][good]
        distinct, which = np.unique(triple, return_inverse=True)
        sides = (distinct // count**2, distinct // count % count, distinct % count)
        outcome[good] = np.array([str(o) for o in classify_outcome(*(words[s].tolist() for s in sides))])[which]
    return outcome, np.full(len(given), "", dtype="<U16")


def _failures(runs: pa.Table, at: npt.NDArray[np.int64], partner: dict[str, npt.NDArray[np.int64]]) -> dict[str, int]:
    from modalconflict.analysis.cases import _case_status

    def rows(where: npt.NDArray[np.int64]) -> list[dict[str, Any] | None]:
        taken = runs.select(["status", "answer"]).take(pa.array(np.maximum(where, 0))).to_pylist()
        return [None if i < 0 else r for i, r in zip(where.tolist(), taken, strict=True)]

    counts: dict[str, int] = {}
    for own, text, vision in zip(rows(at), rows(partner["text"]), rows(partner["vision"]), strict=True):
        status = _case_status(own or {}, text, vision)
        counts[status] = counts.get(status, 0) + 1
    return counts


def large_records(item: Any, above: int | None = None) -> RecordFiles | None:
    """The files of records on a disk that are too many for memory, else None.

    Parameters
    ----------
    item
        A study's folder, or the path of a .parquet file; anything else is not streamed.
    above
        Runs that memory is for; `STREAMED_ABOVE` if None.
    """
    from modalconflict.records.reading import is_study

    above = STREAMED_ABOVE if above is None else above
    if not isinstance(item, (str, Path)) or (path := Path(item)).suffix == ".csv":
        return None
    try:
        if path.is_dir() and is_study(path):
            parts = sorted(str(p) for p in (path / "records").glob("part-*.parquet"))
            if len(parts) > above:  # a part has more than one run
                runs = len(parts)
            else:
                runs = 0
                for part in parts:
                    runs += pq.read_metadata(part).num_rows
        elif path.suffix == ".parquet" and path.is_file():
            parts, runs = [str(path)], pq.read_metadata(path).num_rows
            if "condition" not in pq.read_schema(path).names:
                return None
        else:
            return None
    except (pa.ArrowInvalid, OSError):
        return None  # reading it says what is wrong
    return RecordFiles(str(path), parts, runs) if runs > above else None
