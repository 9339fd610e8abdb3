"""Studies in odd surroundings: no home, names of any bytes and any length, children that were forked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.bad_inputs import clear_sentence
from faults.injection import in_child, rows_lost, study
from modalconflict.errors import IoError
from modalconflict.records import read_records
from synthetic_study import make_dataset


@pytest.mark.parametrize("home", [None, "/nowhere", "/proc"])
def test_the_command_needs_no_home(home: str | None) -> None:
    surroundings = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")}
    if home is not None:
        surroundings["HOME"] = home
    done = subprocess.run(
        [sys.executable, "-m", "modalconflict", "--version"],
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stdout.startswith("modalconflict ")


def test_a_folder_whose_name_is_no_utf8(tmp_path: Path) -> None:
    data, whole = make_dataset(tmp_path / "data"), tmp_path / "whole"
    study(data, whole)
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/stu\xff\xfedy"))
    assert study(data, odd).runs == 24 and rows_lost(read_records(whole), odd) == 0


def test_a_name_too_long_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(IoError) as caught:
        study(make_dataset(tmp_path / "data"), tmp_path / ("x" * 300))
    assert clear_sentence(caught.value) is None


def test_studies_of_forked_children_agree(tmp_path: Path) -> None:
    data, whole = make_dataset(tmp_path / "data"), tmp_path / "whole"
    study(data, whole)
    for number in range(3):
        assert in_child(lambda number=number: study(data, tmp_path / f"study-{number}")) == 0  # type: ignore[misc]
    for number in range(3):
        assert rows_lost(read_records(whole), tmp_path / f"study-{number}") == 0
