"""A study's cost grows with its cases and its memory does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import modalconflict as mc
from modalconflict.runner import StudyResult
from modalconflict.runner.study import Progress
from synthetic_study import make_dataset
from tiny_bundles import tiny_bundle


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def run_in_order(folder: Path, groups: int, v_tiers: int, t_tiers: int) -> tuple[list[float], list[float], StudyResult]:
    """Run a study and return the processor's seconds before the first and after each group, the memory after each, and the result."""
    data = make_dataset(folder / "data", groups=groups, v_tiers=v_tiers, t_tiers=t_tiers)
    model = mc.load_model(tiny_bundle("llava")[2])
    seconds, memory = [time.process_time()], []

    def note(progress: Progress) -> None:
        seconds.append(time.process_time())
        memory.append(resident_mb())

    result = mc.run(model, data, folder / "study", max_new_tokens=2, progress=note)
    return seconds, memory, result


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read by Linux means")
def test_memory_is_flat_and_each_case_costs_the_same_tokens(tmp_path: Path) -> None:
    _, memory, whole = run_in_order(tmp_path / "whole", groups=60, v_tiers=2, t_tiers=2)
    _, _, part = run_in_order(tmp_path / "part", groups=6, v_tiers=2, t_tiers=2)
    assert whole.failed == part.failed == 0
    assert whole.runs == 10 * part.runs
    assert whole.computed_tokens / whole.runs == pytest.approx(part.computed_tokens / part.runs, rel=0.02)
    assert memory[-1] - memory[9] < 16


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read by Linux means")
def test_cost_is_linear_from_a_hundred_to_a_hundred_thousand_cases(tmp_path: Path) -> None:
    cases_a_group = 14 * 4
    groups = 100_000 // cases_a_group + 1
    seconds, memory, result = run_in_order(tmp_path, groups=groups, v_tiers=14, t_tiers=4)
    assert result.failed == 0
    rates = {}
    for cases in (100, 1_000, 10_000, 100_000):
        done = cases // cases_a_group + 1
        rates[cases] = (seconds[done] - seconds[0]) / (done * cases_a_group)  # other programs do not count
        print(f"{cases:>7} cases: {1e3 * rates[cases]:.3f} ms a case, {memory[done - 1]:.0f} MB")
    assert rates[100_000] < 1.25 * rates[1_000]
    assert memory[-1] - memory[17] < 32
