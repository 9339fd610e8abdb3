"""A study over a Ray cluster: this process alone writes, the workers run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from modalconflict.distributed.dispatch import Dispatched, Limits, dispatch
from modalconflict.distributed.objects import STUDY, ObjectRecordWriter, object_study_information, write_object_json
from modalconflict.distributed.ray_pool import RayPool
from modalconflict.distributed.store import ObjectFolder, is_object_uri, open_object_folder
from modalconflict.distributed.worker import GroupResult, Introduction, WorkerTask
from modalconflict.errors import IoError
from modalconflict.records.files import write_json
from modalconflict.records.writing import RecordWriter
from modalconflict.runner.identity import describe, fingerprint, open_folder, require_same
from modalconflict.runner.plan import Groups
from modalconflict.runner.study import Progress, StudyResult

_SAME_ON_EVERY_NODE = (
    ("model", "sha256"),
    ("dataset", "sha256"),
    ("versions", "modalconflict"),
    ("versions", "torch"),
)


def run_on_ray(
    task: WorkerTask,
    out: str | Path,
    *,
    address: str | None = None,
    workers: int | None = None,
    limit: int | None = None,
    resume: bool = False,
    limits: Limits | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> StudyResult:
    """Run a study by the workers of a Ray cluster; `modalconflict.run` with ``engine="ray"`` calls it.

    Parameters
    ----------
    task
        Bundle, dataset and options.
    out
        A folder that this process can write, or s3://bucket/prefix.
    address, workers
        See :class:`~modalconflict.distributed.ray_pool.RayPool`.
    limit, resume, progress
        As for `modalconflict.run`.
    limits
        How long a group or a start may take, how often a group is tried.

    Returns
    -------
    StudyResult

    Raises
    ------
    IoError
        If the cluster, a file or the store cannot be reached, the place holds another study, a node has other files than
        this machine, or workers are lost again and again.
    ModelError
        If the bundle cannot be run, or with `strict` at the first failed run.
    """
    from modalconflict import datasets
    from modalconflict.bundle import load_bundle

    dataset, bundle = datasets.load(task.data), load_bundle(task.bundle, verify=False)
    manifest = bundle.manifest
    info = {k: manifest[k] for k in ("source", "family", "dtype", "sizes")} | {"sha256": bundle.sha256}
    information = describe(SimpleNamespace(info=info), bundle.path, dataset, task.options)
    information["engine"] = "ray"
    place = open_object_folder(out) if is_object_uri(out) else Path(out)
    with _opened(place, information, resume) as writer:
        pool = RayPool(task, address, workers)
        try:
            return _DistributedStudy(place, writer, information, Groups(dataset.table, limit), progress).run(
                pool, limits
            )
        finally:
            pool.close()


@contextmanager
def _opened(
    place: Path | ObjectFolder, information: dict[str, Any], resume: bool
) -> Iterator[RecordWriter | ObjectRecordWriter]:
    """The study's writer, once it is certain that the place is free or holds this very study."""
    identity = fingerprint(information)
    if isinstance(place, Path):
        with open_folder(place, information, resume):
            yield RecordWriter(place, identity)
        return
    there = object_study_information(place)
    if there is not None:
        require_same(there, place, information, resume)
    elif place.names():
        raise IoError(f"'{place}' is not empty and holds no study; name a new or empty place")
    else:
        write_object_json(place, STUDY, information)
    writer = ObjectRecordWriter(place, identity)
    try:
        yield writer
    finally:
        writer.gather()


class _DistributedStudy:
    """One call, after everything has been checked."""

    def __init__(
        self,
        place: Path | ObjectFolder,
        writer: RecordWriter | ObjectRecordWriter,
        information: dict[str, Any],
        groups: Groups,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._place, self._writer, self._information = place, writer, information
        self._groups, self._progress = groups, progress
        self._done = sum(g in writer.finished for g in groups)
        self._tokens: Counter[str] = Counter()
        self._differing = self._runs = self._failed = 0
        self._nodes: set[str] = set()
        self._begin = time.perf_counter()

    def run(self, pool: RayPool, limits: Limits | None) -> StudyResult:
        waiting = [g for g in self._groups if g not in self._writer.finished]
        dispatched = Dispatched()
        try:
            dispatch(pool, waiting, pool.workers, self._meet, self._take, limits, dispatched=dispatched)
        finally:
            self._note_call(pool.workers, dispatched)
        entries = self._writer.finished.values()
        return StudyResult(
            path=self._place if isinstance(self._place, Path) else Path(self._place.uri),
            groups=len(entries),
            runs=sum(e.rows for e in entries),
            failed=sum(e.failed for e in entries),
            seconds=time.perf_counter() - self._begin,
            new_runs=self._runs,
            prompt_tokens=self._tokens["prompt_tokens"],
            computed_tokens=self._tokens["prefix_tokens"] + self._tokens["suffix_tokens"],
            first_token_differs=self._differing,
        )

    def _meet(self, worker: Introduction) -> None:
        for section, key in _SAME_ON_EVERY_NODE:
            here, there = self._information[section][key], worker.information[section][key]
            if here != there:
                raise IoError(
                    f"the node {worker.node} has another {section} {key} than this machine ({str(there)[:12]} there, "
                    f"{str(here)[:12]} here); give every node the same bundle, dataset and packages"
                )
        self._nodes.add(worker.node)

    def _take(self, group: int, result: GroupResult) -> None:
        entry = self._writer.write(group, result.table, result.seconds)
        self._done, self._runs, self._failed = self._done + 1, self._runs + entry.rows, self._failed + entry.failed
        self._tokens.update(result.tokens)
        self._differing += result.first_token_differs
        if self._progress is not None:
            seconds = time.perf_counter() - self._begin
            self._progress(Progress(self._done, len(self._groups), self._runs, self._failed, seconds))

    def _note_call(self, workers: int, dispatched: Dispatched) -> None:
        """Enter what this call did in study.json."""
        if not self._runs:
            return
        call = {
            "runs": self._runs,
            "seconds": round(time.perf_counter() - self._begin, 3),
            **self._tokens,
            "first_token_differs": self._differing,
            "workers": workers,
            "nodes": sorted(self._nodes),
            "lost_workers": dispatched.lost,
            "repeated_groups": dispatched.repeated,
        }
        self._information["calls"].append(call)
        if isinstance(self._place, Path):
            write_json(self._place / STUDY, self._information)
        else:
            write_object_json(self._place, STUDY, self._information)
