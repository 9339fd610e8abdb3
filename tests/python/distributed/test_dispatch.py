"""Every group's result is handed over once, whatever becomes of the workers."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modalconflict.distributed.dispatch import Dispatched, Limits, WorkerLost, dispatch
from modalconflict.errors import IoError


@dataclass
class SimulatedPool:
    """Workers that take time, die and hang as a seed says; the clock moves only in `wait`."""

    seed: int = 0
    deaths: float = 0.0
    hangs: float = 0.0
    poison: frozenset[int] = frozenset()
    now: float = 0.0
    started: int = 0
    alive: set[int] = field(default_factory=set)
    free_at: dict[int, float] = field(default_factory=dict)
    answers: dict[int, tuple[int, float, object]] = field(default_factory=dict)
    ran: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def _answer(self, worker: int, value: object, seconds: float) -> int:
        begin = max(self.now, self.free_at[worker])
        self.free_at[worker] = begin + seconds
        ticket = len(self.answers)
        self.answers[ticket] = (worker, self.free_at[worker], value)
        return ticket

    def start(self) -> tuple[int, int]:
        worker = self.started
        self.started += 1
        self.alive.add(worker)
        self.free_at[worker] = self.now
        return worker, self._answer(worker, f"worker {worker}", 1.0)

    def submit(self, worker: int, group: int) -> int:
        assert worker in self.alive
        self.ran[group] += 1
        seconds = 1e9 if self.random.random() < self.hangs else self.random.uniform(0.5, 3.0)
        dies = group in self.poison or self.random.random() < self.deaths
        return self._answer(worker, WorkerLost("killed") if dies else group * 10, seconds)

    def wait(self, tickets: list[int], seconds: float) -> list[int]:
        self.now += seconds
        return [t for t in tickets if self.answers[t][1] <= self.now]

    def result(self, ticket: int) -> object:
        value = self.answers[ticket][2]
        if isinstance(value, Exception):
            raise value
        return value

    def stop(self, worker: int) -> None:
        self.alive.discard(worker)


def go(pool: SimulatedPool, groups: int, workers: int, handed: Counter[int], **limits: float) -> Dispatched:
    def finish(group: int, value: object) -> None:
        assert value == group * 10
        handed[group] += 1

    settings = Limits(**limits)  # type: ignore[arg-type]
    return dispatch(pool, range(groups), workers, lambda _: None, finish, settings, clock=lambda: pool.now)


@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 7), st.floats(0, 0.3), st.floats(0, 0.1))
@settings(deadline=None)
def test_each_group_is_handed_over_once(seed: int, groups: int, workers: int, deaths: float, hangs: float) -> None:
    pool = SimulatedPool(seed, deaths, hangs)
    handed: Counter[int] = Counter()
    try:
        found = go(pool, groups, workers, handed, group_timeout=30, attempts=1000)
    except IoError as error:  # so many losses in a row that it gives up, and even then nothing was handed over twice
        assert "workers were lost without a finished group" in str(error)
        assert set(handed.values()) <= {1} and not pool.alive
        return
    assert handed == Counter(range(groups))
    assert not pool.alive  # none is left behind
    assert found.repeated <= found.lost == pool.started - min(workers, groups)


def test_groups_are_spread_over_the_workers() -> None:
    pool = SimulatedPool()
    go(pool, 4, 4, Counter())
    assert sorted(worker for worker, _, value in pool.answers.values() if isinstance(value, int)) == [0, 1, 2, 3]


def test_a_group_that_takes_its_workers_with_it_is_set_aside_and_named() -> None:
    pool = SimulatedPool(poison=frozenset({3}))
    handed: list[int] = []
    with pytest.raises(IoError, match=r"1 groups \(first: 3\) each took 3 workers with them"):
        dispatch(pool, range(8), 2, lambda _: None, lambda g, _: handed.append(g), clock=lambda: pool.now)
    assert sorted(handed) == [0, 1, 2, 4, 5, 6, 7] and not pool.alive
    assert pool.ran[3] == 3


def test_workers_that_never_finish_anything_end_the_study() -> None:
    pool = SimulatedPool(deaths=1.0)
    with pytest.raises(IoError, match="workers were lost without a finished group in between"):
        go(pool, 50, 2, Counter(), attempts=1000)
    assert not pool.alive


def test_a_refused_worker_ends_the_study_and_no_worker_stays() -> None:
    pool = SimulatedPool()

    def refuse(_: object) -> None:
        raise IoError("the node a has another dataset")

    with pytest.raises(IoError, match="another dataset"):
        dispatch(pool, range(8), 2, refuse, lambda *_: None, clock=lambda: pool.now)
    assert not pool.alive and not pool.ran


def test_an_error_of_the_writer_reaches_the_caller_and_no_worker_stays() -> None:
    pool = SimulatedPool()

    def full(_group: int, _value: object) -> None:
        raise IoError("no space left")

    with pytest.raises(IoError, match="no space left"):
        dispatch(pool, range(8), 2, lambda _: None, full, clock=lambda: pool.now)
    assert not pool.alive
