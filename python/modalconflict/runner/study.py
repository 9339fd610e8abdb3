"""The study runner: dataset + bundle → records, group by group, resumable."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from modalconflict.arrow_tables import stream_of
from modalconflict.errors import InvalidArgument, IoError, ModalConflictError, ModelError
from modalconflict.records.files import write_json
from modalconflict.records.schema import record_schema
from modalconflict.records.writing import RecordWriter
from modalconflict.runner.answers import given_answer
from modalconflict.runner.failures import lacks_memory, one_line
from modalconflict.runner.identity import describe, fingerprint, open_folder
from modalconflict.runner.indices import further_indices
from modalconflict.runner.plan import TEXTS, Groups, PlannedRun, plan_group, specification
from modalconflict.runner.rows import RowContext, failed_records, first_token_differs, records_of

if TYPE_CHECKING:
    from modalconflict.tuned_lens import TunedLens


@dataclass(frozen=True)
class Progress:
    """How far a study is, after each group.

    Attributes
    ----------
    groups_done, groups
        Finished groups of all that this study will hold.
    runs
        Runs done by this call.
    failed
        Runs of this call whose status is not ok.
    seconds
        Wall-clock time of this call.
    """

    groups_done: int
    groups: int
    runs: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class StudyResult:
    """What a call of :func:`run` did.

    Attributes
    ----------
    path
        The study's folder.
    groups
        Finished groups in it.
    runs, failed
        Runs in it, and those whose status is not ok.
    seconds
        Wall-clock time of this call.
    new_runs
        Runs done by this call.
    prompt_tokens, computed_tokens
        Tokens of all prompts of this call, and those computed for them: a shared prefix is computed once.
    first_token_differs
        Runs of this call whose first token belongs to another answer than the whole answer does.
    """

    path: Path
    groups: int
    runs: int
    failed: int
    seconds: float
    new_runs: int
    prompt_tokens: int
    computed_tokens: int
    first_token_differs: int = 0

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Hand the study's records over as an Arrow stream: ``polars.DataFrame(result)``, ``mc.analyze(result)``."""
        from modalconflict.records.reading import read_records

        return stream_of(read_records(self.path), requested_schema)

    def __repr__(self) -> str:
        return f"StudyResult({str(self.path)!r}: {self.groups} groups, {self.runs} runs, {self.failed} failed, {self.seconds:.1f} s)"


@dataclass(frozen=True)
class Options:
    """Options of a study that change its records; they are part of its identity."""

    text: str = "original"
    order: str | None = None
    max_new_tokens: int = 8
    top_k: int = 5
    batch_size: int | None = None
    memory_limit: float | None = None
    lens: str = "logit"
    indices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or self.text not in TEXTS:
            raise InvalidArgument(f"text '{self.text}' is none of {', '.join(TEXTS)}; choose one of them")
        if self.order not in (None, "image_first", "text_first"):
            raise InvalidArgument(f"order '{self.order}' is neither image_first nor text_first; choose one of them")
        # The engine's own bounds: an option that every run would refuse must not look like a study of failed runs.
        for name, most in (("max_new_tokens", 4096), ("top_k", 1000), ("batch_size", 65536)):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= most:
                raise InvalidArgument(f"{name} is {value}; give 1 to {most}")
        if self.memory_limit is not None and not 0 < self.memory_limit < 2**30:
            raise InvalidArgument(
                f"memory_limit is {self.memory_limit}; give an amount of memory in GiB, such as 6 or 0.5"
            )


def run(
    model: Any,
    dataset: Any,
    out: str | Path,
    *,
    preparer: Any = None,
    text: str = "original",
    order: str | None = None,
    max_new_tokens: int = 8,
    top_k: int = 5,
    batch_size: int | None = None,
    limit: int | None = None,
    resume: bool = False,
    strict: bool = False,
    trust: bool = False,
    threads: int | None = None,
    device: str = "cpu",
    memory_limit: float | None = None,
    tuned_lens: TunedLens | str | Path | None = None,
    indices: Sequence[str] = (),
    progress: Callable[[Progress], None] | None = None,
    engine: str = "local",
    address: str | None = None,
    workers: int | None = None,
) -> StudyResult:
    """Run a model over a dataset and keep one record a run.

    For each group every text is run once alone, every image once alone, and every case with both; each finished
    group becomes one Parquet part and one journal line.

    Parameters
    ----------
    model
        A bundle's folder, or a loaded model.
    dataset
        A dataset's folder, or a loaded dataset.
    out
        The study's folder: new, empty, or with `resume` a study of the same model, dataset and options.
    preparer
        Turns run specifications into case packs; the model's own if None.
    text
        "original" or "paraphrase": which of the two texts of each case.
    order
        "image_first" or "text_first"; None takes the manifest's.
    max_new_tokens
        Greedy tokens an answer may have.
    top_k
        Tokens kept a lens row.
    batch_size
        Most runs in one pass through the layers; None leaves the engine's default.
    limit
        Only the first so many groups.
    resume
        Go on with a study that stopped; finished groups are kept as they are.
    strict
        Stop at the first case that fails instead of recording its message as the run's status.
    trust
        Skip the bundle's checksums.
    threads
        Threads of the engine; None leaves its default.
    device
        "cpu", or "cuda" where torch has it.
    memory_limit
        Most memory for the model in GiB, see `load_model`. It decides on the batches, so it belongs to the study: a resumed
        one must have the same.
    tuned_lens
        A lens, or its folder: every layer but the last is read through its translator. The column `lens` says so, and
        study.json names the lens by its checksum.
    indices
        Indices recorded beside the usual ones: "normalized_entropy", "perplexity", "energy", "renyi:ORDER",
        "tsallis:ORDER".
    progress
        Called after each group.
    engine
        "local": this process; "ray": the workers of a Ray cluster, each with a model (docs/distributed.md). `model`,
        `dataset` and `tuned_lens` are then folders that every node sees, and `out` may be s3://bucket/prefix.
    address
        Of the Ray cluster; None takes RAY_ADDRESS, or this machine alone.
    workers
        Of the Ray cluster; None: one a node, or one a GPU.

    Returns
    -------
    StudyResult

    Raises
    ------
    InvalidArgument
        If an option is out of range.
    IoError
        If the folder holds another study (the message names what differs), or a file is missing or altered.
    ModelError
        If the bundle cannot be run, or with `strict` at the first failed run.
    """
    if hasattr(model, "run"):
        if memory_limit is not None or device != "cpu":
            raise InvalidArgument("the model is loaded already; give memory_limit and device to load_model instead")
        memory_limit = getattr(model, "memory_limit", None)
    bundle_folder, lens_folder = model, tuned_lens
    if isinstance(tuned_lens, (str, Path)):
        from modalconflict.tuned_lens import load_tuned_lens

        tuned_lens = load_tuned_lens(tuned_lens)
    options = Options(
        text=text,
        order=order,
        max_new_tokens=max_new_tokens,
        top_k=top_k,
        batch_size=batch_size,
        memory_limit=memory_limit,
        lens="logit" if tuned_lens is None else f"tuned {tuned_lens.sha256}",
        indices=list(further_indices(indices).names),
    )
    if limit is not None and limit < 1:
        raise InvalidArgument(f"limit is {limit}; give at least 1 group, or leave it out for all")
    if engine != "local":
        if engine != "ray":
            raise InvalidArgument(f"engine '{engine}' is neither local nor ray; choose one of them")
        from modalconflict.distributed.study import run_on_ray
        from modalconflict.distributed.worker import WorkerTask

        places = {"model": bundle_folder, "dataset": getattr(dataset, "path", dataset), "tuned_lens": lens_folder}
        return run_on_ray(
            WorkerTask.of(places, preparer, options, strict=strict, trust=trust, threads=threads, device=device),
            out,
            address=address,
            workers=workers,
            limit=limit,
            resume=resume,
            progress=progress,
        )
    if address is not None or workers is not None:
        raise InvalidArgument("address and workers are of a Ray cluster; give engine='ray' (--engine ray) with them")
    out = Path(out)
    dataset, bundle = _load_dataset(dataset), _bundle_path(model)
    if not hasattr(model, "run"):
        from modalconflict import load_model

        model = load_model(model, trust=trust, threads=threads, device=device, memory_limit=memory_limit)
    if tuned_lens is not None:
        tuned_lens.check_fits(model)
    if preparer is None:
        preparer = model.preparer
    information = describe(model, bundle, dataset, options)
    with open_folder(out, information, resume):
        return _Study(model, preparer, dataset, out, options, information, strict, tuned_lens).run(limit, progress)


def _load_dataset(dataset: Any) -> Any:
    if isinstance(dataset, (str, Path)):
        from modalconflict import datasets

        return datasets.load(dataset)
    return dataset


def _bundle_path(model: Any) -> Path | None:
    if isinstance(model, (str, Path)):
        return Path(model)
    path = getattr(model, "path", None)
    return Path(path) if path is not None else None


class _Study:
    """One call of :func:`run`, after everything has been checked."""

    def __init__(
        self,
        model: Any,
        preparer: Any,
        dataset: Any,
        out: Path,
        options: Options,
        information: dict[str, Any],
        strict: bool,
        tuned_lens: TunedLens | None = None,
    ) -> None:
        self._model = model
        self._further = further_indices(options.indices)
        self._reading: dict[str, Any] = {} if options.batch_size is None else {"batch_size": options.batch_size}
        if tuned_lens is not None:
            self._reading["tuned"] = tuned_lens
        if self._further.renyi or self._further.tsallis:
            self._reading |= {"renyi": self._further.renyi, "tsallis": self._further.tsallis}
        self._preparer = preparer
        self._root = Path(dataset.path)
        self._table: pa.Table = dataset.table
        self._out = out
        self._options = options
        self._information = information
        self._strict = strict
        self._texts: dict[int, str] = {}
        self._tokens = dict.fromkeys(("prompt_tokens", "prefix_tokens", "suffix_tokens", "images_encoded"), 0)
        self._first_token_differs = 0
        names = [c for c in ("answer_text", "answer_vision") if c in self._table.column_names]
        known = {a for c in names for a in self._table[c].unique().to_pylist() if a}
        self._context = RowContext(
            dataset=information["dataset"]["name"],
            model=information["model"]["name"],
            bundle_sha256=information["model"]["sha256"],
            known_answers={given_answer(a) for a in known},
            decode=self._decode,
            lens="logit" if tuned_lens is None else "tuned",
            indices=self._further,
            vocabulary=int(model.info["sizes"].get("vocab", 0)),
        )

    def run(self, limit: int | None, progress: Callable[[Progress], None] | None) -> StudyResult:
        writer = RecordWriter(self._out, fingerprint(self._information))
        groups = Groups(self._table, limit)
        begin, runs, failed = time.perf_counter(), 0, 0
        done = sum(number in writer.finished for number in groups)
        for number in groups:  # a manifest that contradicts itself is found now, not after days
            self._plan(groups.cases(number))
        try:
            for number in groups:
                if number in writer.finished:
                    continue
                start = time.perf_counter()
                table = self._group(groups.cases(number))
                entry = writer.write(number, table, time.perf_counter() - start)
                done, runs, failed = done + 1, runs + entry.rows, failed + entry.failed
                if progress is not None:
                    progress(Progress(done, len(groups), runs, failed, time.perf_counter() - begin))
        except BaseException:
            with suppress(ModalConflictError):  # what stopped the study is what the user must hear
                self._note_call(runs, time.perf_counter() - begin)
            raise
        seconds = time.perf_counter() - begin
        self._note_call(runs, seconds)
        entries = writer.finished.values()
        return StudyResult(
            path=self._out,
            groups=len(writer.finished),
            runs=sum(e.rows for e in entries),
            failed=sum(e.failed for e in entries),
            seconds=seconds,
            new_runs=runs,
            prompt_tokens=self._tokens["prompt_tokens"],
            computed_tokens=self._tokens["prefix_tokens"] + self._tokens["suffix_tokens"],
            first_token_differs=self._first_token_differs,
        )

    def _note_call(self, runs: int, seconds: float) -> None:
        """Enter what this call did in study.json."""
        if runs == 0:
            return
        self._information["calls"].append(
            {
                "runs": runs,
                "seconds": round(seconds, 3),
                **self._tokens,
                "first_token_differs": self._first_token_differs,
            }
        )
        write_json(self._out / "study.json", self._information)

    def _plan(self, cases: list[dict[str, Any]]) -> list[PlannedRun]:
        return plan_group(cases, TEXTS[self._options.text], self._options.order)

    def _group(self, cases: list[dict[str, Any]]) -> pa.Table:
        results = self._batch(self._plan(cases))
        failures = [r for _, r in results if not isinstance(r, pa.Table)]
        if len(failures) == len(results) and not any(isinstance(f, (InvalidArgument, IoError)) for f in failures):
            raise failures[0]  # not one run of the group works: it is the model, not a case
        schema = next(
            (r.schema for _, r in results if isinstance(r, pa.Table)),
            record_schema(self._lens_rows(), self._options.top_k),
        )
        tables = [
            r if isinstance(r, pa.Table) else failed_records(b, one_line(r), self._context, schema) for b, r in results
        ]
        table = pa.concat_tables(tables)
        self._first_token_differs += first_token_differs(table)
        return table

    def _lens_rows(self) -> int:
        return int(self._information["model"]["layers"]) + 1

    def _batch(self, batch: list[PlannedRun]) -> list[tuple[Sequence[PlannedRun], pa.Table | Exception]]:
        """Run a batch; what cannot be prepared, fails or lacks memory is halved until the case stands alone."""
        failure: Exception | None = None
        try:
            pack = self._preparer.prepare([specification(r, self._root) for r in batch])
            reads = self._model.run(
                pack, top_k=self._options.top_k, max_new_tokens=self._options.max_new_tokens, **self._reading
            )
        except Exception as error:  # whatever a library makes of one bad case must not end a study of days
            failure = error.with_traceback(None)  # its frames hold the batch's memory, which the halves need
        if failure is not None:
            if self._strict and (len(batch) == 1 or not lacks_memory(failure)):
                raise failure
            if len(batch) == 1:
                return [(batch, failure)]
            half = len(batch) // 2
            return self._batch(batch[:half]) + self._batch(batch[half:])
        if self._strict:
            for planned, status in zip(batch, reads.status, strict=True):
                if status != "ok":
                    raise ModelError(f"case {planned.case_id}: {status}; leave out --strict to record it and go on")
        for name in self._tokens:
            self._tokens[name] += int(reads.stats.get(name, 0))
        variants = [
            (pack.candidates(i, "text").tolist(), pack.candidates(i, "vision").tolist()) for i in range(len(batch))
        ]
        return [(batch, records_of(batch, reads, variants, self._context))]

    def _decode(self, ids: Sequence[int]) -> list[str]:
        tokenizer = self._preparer.tokenizer
        for token in ids:
            if token not in self._texts:
                self._texts[token] = "" if token < 0 else tokenizer.decode([token])
        return [self._texts[t] for t in ids]


def rerun_options(study: Path) -> tuple[str, str, Options]:
    """Bundle, dataset and options of a study's own record, to repeat it.

    Raises
    ------
    IoError
        If the record names no bundle folder.
    """
    from modalconflict.records.reading import study_information

    information = study_information(study)
    sections: dict[str, Any] = {name: information.get(name) for name in ("model", "dataset", "options")}
    if not all(isinstance(section, dict) for section in sections.values()):
        raise IoError(f"{study} does not say its model, dataset and options; name them by --model and --data")
    bundle, folder = sections["model"].get("path"), sections["dataset"].get("path")
    if not isinstance(bundle, str):
        raise IoError(f"{study} was run on a model without a bundle's folder; name the bundle by --model")
    if not isinstance(folder, str):
        raise IoError(f"{study} does not say its dataset's folder; name it by --data")
    known = {k: v for k, v in sections["options"].items() if k in Options.__dataclass_fields__}
    try:
        return bundle, folder, replace(Options(), **known)
    except TypeError as error:
        raise IoError(f"{study} has options of another kind ({error}); give them on the command line") from None


__all__ = ["Options", "Progress", "StudyResult", "rerun_options", "run"]
