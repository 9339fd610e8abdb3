"""Faults on purpose: a process killed at its n-th step, a study repeated until it is whole."""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pyarrow as pa

from modalconflict.records import read_records
from modalconflict.runner import run
from synthetic_study import StandInModel, StandInPreparer


def study(data: SimpleNamespace, out: Path, model: Any = None, **options: Any) -> Any:
    """Run a study of the stand-in model, going on with what is there."""
    return run(model or StandInModel(), data, out, **{"preparer": StandInPreparer(), "resume": True, **options})


def in_child(action: Callable[[], Any], step: int | None = None, blow: int = signal.SIGKILL) -> int:
    """Run in a forked process that sends itself a signal at its `step`-th call of a function; return its wait status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: fork beside threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            if step is not None:
                _strike_at(step, blow)
            action()
            code = 0
        finally:
            sys.setprofile(None)
            os._exit(code)
    return os.waitpid(child, 0)[1]


def _strike_at(step: int, blow: int) -> None:
    left = step

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), blow)

    sys.setprofile(count)


def steps_of(action: Callable[[], Any]) -> int:
    """Count the calls and returns of functions, Python's and C's, that an action makes."""
    count = 0

    def add(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += 1

    sys.setprofile(add)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def kill_until_whole(data: SimpleNamespace, out: Path, steps: int, draw: random.Random, kills: int) -> int:
    """Kill a study at random steps, resuming it each time, then let it end; return how often it was killed."""
    killed = 0
    for _ in range(kills):
        status = in_child(lambda: study(data, out), step=draw.randint(1, steps))
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            break  # whole before the blow fell
    study(data, out)
    return killed


def rows_lost(whole: pa.Table, out: Path) -> int:
    """Rows of the undisturbed table that the study at `out` lacks or has otherwise, and rows that it has too many."""
    table = read_records(out)
    if table.equals(whole):
        return 0
    wanted, found = ({str(row) for row in t.to_pylist()} for t in (whole, table))
    return max(1, len(wanted - found) + table.num_rows - len(found) + len(found - wanted))
