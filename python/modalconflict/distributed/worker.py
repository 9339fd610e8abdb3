"""One worker: a model, a dataset, and the records of the groups it is asked for."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from modalconflict.errors import InvalidArgument
from modalconflict.runner.study import Options, _Study


@dataclass(frozen=True)
class WorkerTask:
    """What a worker needs to begin; its paths must lead to the same files on every node.

    Attributes
    ----------
    bundle, data, tuned_lens
        Folders.
    options
        Of the study.
    strict, trust, threads, device
        As for `run`.
    """

    bundle: str
    data: str
    tuned_lens: str | None
    options: Options
    strict: bool
    trust: bool
    threads: int | None
    device: str

    @classmethod
    def of(
        cls,
        places: Mapping[str, Any],
        preparer: Any,
        options: Options,
        *,
        strict: bool,
        trust: bool,
        threads: int | None,
        device: str,
    ) -> WorkerTask:
        """The task of `run`'s arguments.

        Raises
        ------
        InvalidArgument
            If a model, a lens or a preparer is an object of this process, which no other process has.
        """
        for name, place in places.items():
            if not isinstance(place, (str, Path)) and (place is not None or name != "tuned_lens"):
                raise InvalidArgument(f"with the engine ray {name} is loaded by every worker; give its folder's path")
        if preparer is not None:
            raise InvalidArgument(
                "with the engine ray every worker prepares with the bundle's own preparer; leave it out"
            )
        bundle, data, lens = (None if p is None else str(Path(p).resolve()) for p in places.values())
        return cls(str(bundle), str(data), lens, options, strict, trust, threads, device)


@dataclass(frozen=True)
class Introduction:
    """What a worker says of itself once its model is loaded: its node's name, and the study as it would record it."""

    node: str
    information: dict[str, Any]


@dataclass(frozen=True)
class GroupResult:
    """A group's records.

    Attributes
    ----------
    table
        One row a run.
    seconds
        They took.
    tokens
        Counts of tokens and images, by name.
    first_token_differs
        Runs whose first token belongs to another answer than the whole does.
    """

    table: pa.Table
    seconds: float
    tokens: dict[str, int]
    first_token_differs: int


class GroupWorker:
    """Holds a model and runs groups with it, as a study on one machine does."""

    def __init__(self, task: WorkerTask) -> None:
        self._task = task
        self._study: _Study | None = None

    def introduce(self) -> Introduction:
        """Load model and dataset; an error reaches the study's caller as it is.

        Raises
        ------
        IoError, ModelError, InvalidArgument
            If this node lacks a file, or the bundle cannot be run.
        """
        from modalconflict import datasets, load_model
        from modalconflict.runner.identity import describe
        from modalconflict.runner.plan import Groups

        task = self._task
        dataset = datasets.load(task.data)
        limit = task.options.memory_limit
        model = load_model(task.bundle, trust=task.trust, threads=task.threads, device=task.device, memory_limit=limit)
        lens = None
        if task.tuned_lens is not None:
            from modalconflict.tuned_lens import load_tuned_lens

            lens = load_tuned_lens(task.tuned_lens)
            lens.check_fits(model)
        information = describe(model, Path(task.bundle), dataset, task.options)
        self._groups = Groups(dataset.table)
        self._study = _Study(
            model, model.preparer, dataset, Path(), task.options, information, task.strict, tuned_lens=lens
        )
        return Introduction(socket.gethostname(), information)

    def run(self, group: int) -> GroupResult:
        """Run a group."""
        if self._study is None:
            raise RuntimeError("introduce() loads the model and comes first")
        begin = time.perf_counter()
        tokens, differing = dict(self._study._tokens), self._study._first_token_differs
        table = self._study._group(self._groups.cases(group))
        return GroupResult(
            table,
            time.perf_counter() - begin,
            {k: v - tokens[k] for k, v in self._study._tokens.items()},
            self._study._first_token_differs - differing,
        )
