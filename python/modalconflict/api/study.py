"""A study over HTTP: a dataset and a server become records, group by group, resumable like any other study."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from modalconflict.api.bounds import entropy_bounds
from modalconflict.api.client import Answer, ChatClient, UnusableAnswer, checked_url, image_part, text_part
from modalconflict.errors import InvalidArgument, IoError, ModalConflictError, ModelError
from modalconflict.records.schema import BOUND_FIELDS, record_schema
from modalconflict.records.writing import RecordWriter, write_json
from modalconflict.runner.answers import given_answer
from modalconflict.runner.identity import describe, fingerprint, open_folder
from modalconflict.runner.plan import TEXTS, Groups, PlannedRun, plan_group
from modalconflict.runner.rows import RowContext, named_columns
from modalconflict.runner.study import Progress, StudyResult

_INDICES = ("entropy", "max_prob", "margin", "top_k_entropy")


@dataclass(frozen=True)
class ApiOptions:
    """Options of a study over HTTP that change its records; they are part of its identity."""

    model: str
    url: str
    text: str = "original"
    order: str | None = None
    max_new_tokens: int = 8
    top_logprobs: int = 20
    vocabulary: int | None = None

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise InvalidArgument("the model's name is empty; give the name under which the server knows it")
        if self.text not in TEXTS:
            raise InvalidArgument(f"text '{self.text}' is none of {', '.join(TEXTS)}; choose one of them")
        if self.order not in (None, "image_first", "text_first"):
            raise InvalidArgument(f"order '{self.order}' is neither image_first nor text_first; choose one of them")
        if not 1 <= self.max_new_tokens <= 4096:
            raise InvalidArgument(f"max_new_tokens is {self.max_new_tokens}; give 1 to 4096")
        if self.vocabulary is not None and not 2 <= self.vocabulary <= 1 << 24:
            raise InvalidArgument(
                f"vocabulary is {self.vocabulary}; give the model's number of tokens, or leave it out"
            )


def run(
    url: str,
    model: str,
    dataset: Any,
    out: str | Path,
    *,
    key: str | None = None,
    text: str = "original",
    order: str | None = None,
    max_new_tokens: int = 8,
    top_logprobs: int = 20,
    vocabulary: int | None = None,
    limit: int | None = None,
    resume: bool = False,
    strict: bool = False,
    concurrency: int = 4,
    timeout: float = 60.0,
    attempts: int = 5,
    longest_wait: float = 30.0,
    progress: Callable[[Progress], None] | None = None,
) -> StudyResult:
    """Run a model behind an OpenAI-compatible server over a dataset and keep one record a run.

    Each text is asked once alone, each image once alone, each case with both, at temperature 0. The entropy of the
    first token is bounded by the best tokens that the server names (`entropy_bounds`); the column `entropy` holds the
    lower bound.

    Parameters
    ----------
    url
        The server's base: "http://localhost:8000/v1".
    model
        The model's name there.
    dataset
        A dataset's folder, or a loaded dataset.
    out
        The study's folder: new, empty, or with `resume` a study of the same model, dataset and options.
    key
        Bearer token; None sends none.
    text, order, limit, resume, strict, progress
        As in `modalconflict.run`.
    max_new_tokens
        Longest answer.
    top_logprobs
        Tokens asked for at the answer's first position.
    vocabulary
        Number of tokens the model chooses from; without it there is no upper bound.
    concurrency
        Requests under way at a time.
    timeout, attempts, longest_wait
        Seconds a request may take; times a busy or failing server is asked; most seconds between two attempts.

    Returns
    -------
    StudyResult
        Without token counts.

    Raises
    ------
    InvalidArgument
        If an option is out of range.
    IoError
        If the folder holds another study, a file is missing, the client's packages are not installed, or the server
        cannot be reached, refuses, or stays busy; finished groups are kept.
    ModelError
        If the server gives no logprobs, or with `strict` at the first failed run.

    Examples
    --------
    >>> import modalconflict as mc                                        # doctest: +SKIP
    >>> mc.api.run("http://localhost:8000/v1", "llava", "data", "study")  # doctest: +SKIP
    """
    if limit is not None and limit < 1:
        raise InvalidArgument(f"limit is {limit}; give at least 1 group, or leave it out for all")
    if not 1 <= concurrency <= 256:
        raise InvalidArgument(f"concurrency is {concurrency}; give 1 to 256 requests at a time")
    client = ChatClient(
        url,
        model,
        key=key,
        top_logprobs=top_logprobs,
        max_tokens=max_new_tokens,
        timeout=timeout,
        attempts=attempts,
        longest_wait=longest_wait,
    )
    with client:
        options = ApiOptions(model, checked_url(url), text, order, max_new_tokens, top_logprobs, vocabulary)
        if isinstance(dataset, (str, Path)):
            from modalconflict import datasets

            dataset = datasets.load(dataset)
        named = SimpleNamespace(info={"source": model, "family": "api", "sizes": {"layers": 0}})
        information = describe(named, None, dataset, options)
        with open_folder(Path(out), information, resume), ThreadPoolExecutor(concurrency) as pool:
            study = _ApiStudy(client, pool, dataset, Path(out), options, information, strict)
            return study.run(limit, progress)


class _ApiStudy:
    """One call of :func:`run`, after everything has been checked."""

    def __init__(
        self,
        client: ChatClient,
        pool: ThreadPoolExecutor,
        dataset: Any,
        out: Path,
        options: ApiOptions,
        information: dict[str, Any],
        strict: bool,
    ) -> None:
        self._client, self._pool = client, pool
        self._root, self._table, self._out = Path(dataset.path), dataset.table, out
        self._options, self._information, self._strict = options, information, strict
        names = [c for c in ("answer_text", "answer_vision") if c in self._table.column_names]
        known = {a for c in names for a in self._table[c].unique().to_pylist() if a}
        self._context = RowContext(
            dataset=information["dataset"]["name"],
            model=options.model,
            bundle_sha256="",
            known_answers={given_answer(a) for a in known},
            decode=lambda ids: ["" for _ in ids],
        )

    def run(self, limit: int | None, progress: Callable[[Progress], None] | None) -> StudyResult:
        writer = RecordWriter(self._out, fingerprint(self._information))
        groups = Groups(self._table, limit)
        begin, runs, failed = time.perf_counter(), 0, 0
        done = sum(number in writer.finished for number in groups)
        for number in groups:
            if number in writer.finished:
                continue
            start = time.perf_counter()
            entry = writer.write(number, self._group(groups.cases(number)), time.perf_counter() - start)
            done, runs, failed = done + 1, runs + entry.rows, failed + entry.failed
            if progress is not None:
                progress(Progress(done, len(groups), runs, failed, time.perf_counter() - begin))
        seconds = time.perf_counter() - begin
        if runs:
            self._information["calls"].append({"runs": runs, "seconds": round(seconds, 3)})
            write_json(self._out / "study.json", self._information)
        entries = writer.finished.values()
        return StudyResult(
            path=self._out,
            groups=len(entries),
            runs=sum(e.rows for e in entries),
            failed=sum(e.failed for e in entries),
            seconds=seconds,
            new_runs=runs,
            prompt_tokens=0,
            computed_tokens=0,
        )

    def _group(self, cases: list[dict[str, Any]]) -> pa.Table:
        runs = plan_group(cases, TEXTS[self._options.text], self._options.order)
        futures = [self._pool.submit(self._ask, planned) for planned in runs]
        try:
            answers = [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        if self._strict:
            for planned, answer in zip(runs, answers, strict=True):
                if isinstance(answer, str):
                    raise ModelError(f"case {planned.case_id}: {answer}; leave out --strict to record it and go on")
        return api_records(runs, answers, self._context, self._options.vocabulary)

    def _ask(self, planned: PlannedRun) -> Answer | str:
        """Return the answer, or why there is none that can be used."""
        try:
            return self._client.ask(message_of(planned, self._root))
        except UnusableAnswer as error:
            return str(error)
        except (InvalidArgument, IoError) as error:
            if planned.image is not None and not (self._root / planned.image).is_file():
                return str(error)
            raise


def message_of(planned: PlannedRun, root: Path) -> list[dict[str, Any]]:
    """Parts of the user's message: image, description and question in the run's order."""
    image = [] if planned.image is None else [image_part(root / planned.image)]
    if planned.order == "text_first" and image and planned.text:
        return [text_part(planned.text), *image, text_part(planned.question)]
    words = " ".join(part for part in (planned.text, planned.question) if part)
    return [*image, text_part(words)]


def first_token_class(token: str, text: str | None, vision: str | None) -> str:
    """Class of a first token: the answer that it begins, if it is one of the two and not both.

    Examples
    --------
    >>> first_token_class(" bl", "blue", "red")
    'text'
    """
    start = token.strip().casefold()
    begins = [
        bool(start) and answer is not None and answer.strip().casefold().startswith(start) for answer in (text, vision)
    ]
    return "other" if begins[0] == begins[1] else "text" if begins[0] else "vision"


def api_records(
    runs: Sequence[PlannedRun],
    answers: Sequence[Answer | str],
    context: RowContext,
    vocabulary: int | None = None,
) -> pa.Table:
    """Record rows of answers with the logprobs of their first token.

    Parameters
    ----------
    runs
        The runs, n of them.
    answers
        An `Answer` each, or the sentence that says why there is none.
    context
        What the rows share.
    vocabulary
        The model's number of tokens, None if unknown.

    Returns
    -------
    pyarrow.Table
        n rows: the named columns of `record_schema`, the indices that the best tokens determine, and the bounds.
    """
    status, raw, values = [], [], []
    for answer in answers:
        bounds = None
        if isinstance(answer, str):
            status.append(answer)
            raw.append("")
        else:
            raw.append(answer.text)
            try:
                bounds = entropy_bounds(answer.logprobs, vocabulary)
                status.append("ok")
            except ModalConflictError as error:
                status.append(str(error))
        values.append(bounds)
    columns = named_columns(runs, status, raw, context)
    columns["first_token_class"] = [
        None
        if bounds is None or isinstance(answer, str)
        else first_token_class(answer.tokens[0], run.answer_text, run.answer_vision)
        for run, answer, bounds in zip(runs, answers, values, strict=True)
    ]
    columns["entropy"] = [None if b is None else b.lower for b in values]
    columns["top_k_entropy"] = columns["entropy"]
    columns["max_prob"] = [None if b is None else b.max_prob for b in values]
    columns["margin"] = [None if b is None else b.margin for b in values]
    columns["entropy_kind"] = [None if b is None else "exact" if b.exact else "lower_bound" for b in values]
    columns["entropy_upper"] = [None if b is None else b.upper for b in values]
    columns["residual_mass"] = [None if b is None else b.residual for b in values]
    columns["known_tokens"] = [
        None if b is None or isinstance(a, str) else len(a.tokens) for a, b in zip(answers, values, strict=True)
    ]
    plain = record_schema(0, 0, _INDICES)
    schema = pa.schema([*plain, *BOUND_FIELDS], metadata=plain.metadata)
    return pa.table(columns, schema=schema)
