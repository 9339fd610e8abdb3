"""Which worker runs which group, and what becomes of a lost worker's groups; knows nothing of Ray."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modalconflict.errors import IoError

_DEPTH = 2  # a worker's next group waits beside it, so that it need not wait for the records to be written
_SHORTEST_TIMEOUT = 600.0
_TIMES_THE_LONGEST = 20.0
_BARREN_LOSSES = 3  # times the workers: so many losses in a row without a finished group mean that none will come


class WorkerLost(Exception):
    """A worker's process or machine is gone, and with it what it was doing."""


class Pool(Protocol):
    """What starts workers and asks them; a ticket stands for one answer."""

    def start(self) -> tuple[Hashable, Hashable]:
        """Ask for a further worker: its handle, and the ticket of its introduction."""

    def submit(self, worker: Any, group: int) -> Hashable:
        """Have a worker run a group, after what it was given before."""

    def wait(self, tickets: Sequence[Any], seconds: float) -> Sequence[Any]:
        """Tickets that have an answer, after at most so many seconds."""

    def result(self, ticket: Any) -> Any:
        """The answer of a ticket that has one; raises `WorkerLost`, or the error that the worker raised."""

    def stop(self, worker: Any) -> None:
        """End a worker for good, whatever it is doing."""


@dataclass(frozen=True)
class Limits:
    """How long a study waits, and how often it tries.

    Attributes
    ----------
    group_timeout
        Seconds a group may take; None: 20 times the longest so far, at least 600.
    start_timeout
        Seconds until a worker has loaded the model.
    attempts
        Workers that may be lost over one group before it is set aside.
    """

    group_timeout: float | None = None
    start_timeout: float = 1800.0
    attempts: int = 3


@dataclass
class Dispatched:
    """What happened.

    Attributes
    ----------
    lost
        Workers lost.
    repeated
        Groups that were run again because their worker was lost.
    """

    lost: int = 0
    repeated: int = 0


@dataclass
class _Worker:
    introduction: Hashable | None
    since: float
    tickets: dict[Hashable, int] = field(default_factory=dict)  # in the order in which they were given


def dispatch(
    pool: Pool,
    groups: Iterable[int],
    workers: int,
    introduce: Callable[[Any], None],
    finish: Callable[[int, Any], None],
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
    dispatched: Dispatched | None = None,
) -> Dispatched:
    """Run every group on some worker; hand over each group's result once.

    Parameters
    ----------
    pool
        Where workers come from.
    groups
        Their numbers.
    workers
        Workers at a time.
    introduce
        Called with what a new worker says of itself, before it is given any group; may raise to refuse it.
    finish
        Called once a group, with its result.
    limits
        How long and how often.
    clock
        Seconds.
    dispatched
        Counted on while the groups run, so that a caller knows them after an error too.

    Returns
    -------
    Dispatched

    Raises
    ------
    IoError
        If workers are lost again and again, or a group took several with it: all others are finished then.
    """
    run = _Dispatch(pool, groups, introduce, finish, limits or Limits(), clock)
    if dispatched is not None:
        run.dispatched = dispatched
    run.all(workers)
    return run.dispatched


class _Dispatch:
    def __init__(
        self,
        pool: Pool,
        groups: Iterable[int],
        introduce: Callable[[Any], None],
        finish: Callable[[int, Any], None],
        limits: Limits,
        clock: Callable[[], float],
    ) -> None:
        self._pool, self._introduce, self._finish = pool, introduce, finish
        self._limits, self._clock = limits, clock
        self._pending = deque(groups)
        self._finished: set[int] = set()
        self._aside: list[int] = []
        self._attempts: Counter[int] = Counter()
        self._workers: dict[Any, _Worker] = {}
        self._owner: dict[Hashable, Any] = {}
        self._longest = 0.0
        self._barren = 0
        self.dispatched = Dispatched()

    def all(self, workers: int) -> None:
        most_barren = _BARREN_LOSSES * workers
        try:
            for _ in range(min(workers, len(self._pending))):
                self._start()
            while self._pending or any(w.tickets for w in self._workers.values()):
                self._give()
                for ticket in self._pool.wait(list(self._owner), 1.0):
                    if ticket in self._owner:  # not of a worker that was lost a moment ago
                        self._take(ticket)
                self._drop_the_late()
                if self._barren > most_barren:
                    raise IoError(
                        f"{self._barren} workers were lost without a finished group in between; look at the nodes' memory "
                        "and logs, then go on with --resume"
                    )
        finally:
            for worker in list(self._workers):
                self._pool.stop(worker)
        if self._aside:
            named = ", ".join(map(str, sorted(self._aside)[:10]))
            raise IoError(
                f"{len(self._aside)} groups (first: {named}) each took {self._limits.attempts} workers with them and have "
                "no rows, all others are finished; give the workers more memory or time, then go on with --resume"
            )

    def _start(self) -> None:
        worker, ticket = self._pool.start()
        self._workers[worker] = _Worker(ticket, self._clock())
        self._owner[ticket] = worker

    def _give(self) -> None:
        # breadth first, so that few groups are spread evenly
        for depth in range(1, _DEPTH + 1):
            for worker, state in self._workers.items():
                if self._pending and state.introduction is None and len(state.tickets) < depth:
                    group = self._pending.popleft()
                    if not state.tickets:
                        state.since = self._clock()
                    ticket = self._pool.submit(worker, group)
                    state.tickets[ticket] = group
                    self._owner[ticket] = worker

    def _take(self, ticket: Hashable) -> None:
        worker = self._owner[ticket]
        state = self._workers[worker]
        try:
            value = self._pool.result(ticket)
        except WorkerLost:
            self._lose(worker)
            return
        del self._owner[ticket]
        now = self._clock()
        if ticket == state.introduction:
            self._introduce(value)
            state.introduction = None
            return
        group = state.tickets.pop(ticket)
        self._longest = max(self._longest, now - state.since)
        state.since, self._barren = now, 0
        if group not in self._finished:
            self._finish(group, value)
            self._finished.add(group)

    def _drop_the_late(self) -> None:
        now = self._clock()
        allowed = self._limits.group_timeout
        if allowed is None and self._longest:
            allowed = max(_SHORTEST_TIMEOUT, _TIMES_THE_LONGEST * self._longest)
        for worker, state in list(self._workers.items()):
            limit = self._limits.start_timeout if state.introduction is not None else allowed
            busy = state.introduction is not None or state.tickets
            if busy and limit is not None and now - state.since > limit:
                self._lose(worker)

    def _lose(self, worker: Any) -> None:
        state = self._workers.pop(worker)
        self._owner = {t: w for t, w in self._owner.items() if w != worker}
        self._pool.stop(worker)
        self.dispatched.lost += 1
        self._barren += 1
        given = [g for g in state.tickets.values() if g not in self._finished]
        if given:  # the first was being run, the others only waited
            self._attempts[given[0]] += 1
            self.dispatched.repeated += 1
            if self._attempts[given[0]] >= self._limits.attempts:
                self._aside.append(given.pop(0))
        self._pending.extendleft(reversed(given))
        if self._pending:
            self._start()
