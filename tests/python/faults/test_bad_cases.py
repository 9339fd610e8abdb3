"""One bad case costs its own row and nothing else."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from faults.injection import in_child, rows_lost, steps_of, study
from modalconflict.cli.signals import Stopped
from modalconflict.cli.signals import stop as stop_signal
from modalconflict.errors import InvalidArgument, ModelError
from modalconflict.records import read_records
from modalconflict.runner.failures import one_line
from synthetic_study import StandInModel, StandInPreparer, make_dataset

OUT_OF_MEMORY = "running bundle 'b' needs more memory than there is; with a memory limit of 3 GiB …"


@pytest.fixture
def data(tmp_path: Path) -> SimpleNamespace:
    return make_dataset(tmp_path / "data")


class SmallModel(StandInModel):
    """Has room for so many runs at a time."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room, self.error = room, error

    def run(self, pack: Any, **options: Any) -> Any:
        if len(pack.specs) > self.room:
            raise self.error
        return super().run(pack, **options)


@pytest.mark.parametrize("error", [ModelError(OUT_OF_MEMORY), MemoryError(), RuntimeError("out of memory: 12 bytes")])
@pytest.mark.parametrize("strict", [False, True])
def test_a_batch_that_lacks_memory_is_run_in_smaller_ones(
    data: SimpleNamespace, tmp_path: Path, error: Exception, strict: bool
) -> None:
    study(data, tmp_path / "whole")
    model = SmallModel(3, error)
    assert study(data, tmp_path / "study", model, strict=strict).failed == 0
    assert rows_lost(read_records(tmp_path / "whole"), tmp_path / "study") == 0
    assert max(map(len, model.calls)) == 2


def test_a_run_that_alone_lacks_memory_is_a_row(data: SimpleNamespace, tmp_path: Path) -> None:
    class Picky(StandInModel):
        def run(self, pack: Any, **options: Any) -> Any:
            if any(s.case_id == "color/00001/v00/t1" for s in pack.specs):
                raise MemoryError
            return super().run(pack, **options)

    assert study(data, tmp_path / "study", Picky()).failed == 1
    status = dict(zip(*(read_records(tmp_path / "study")[c].to_pylist() for c in ("case_id", "status")), strict=True))
    assert (
        status.pop("color/00001/v00/t1") == "this run alone needs more memory than there is; run it on a larger machine"
    )
    assert set(status.values()) == {"ok"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (
            InvalidArgument("the prompt of case 'x' has 5000 tokens; shorten it"),
            "the prompt of case 'x' has 5000 tokens",
        ),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "UnicodeEncodeError: 'utf-8' codec"),
        (KeyError("size"), "KeyError: 'size'"),
        (ValueError("bad\nand a page more"), "ValueError: bad"),
        (ModelError("a program fails; export again"), "a program fails; export again"),
    ],
)
def test_whatever_a_library_makes_of_one_case_is_its_status(
    data: SimpleNamespace, tmp_path: Path, error: Exception, status: str
) -> None:
    class Preparer(StandInPreparer):
        def prepare(self, specs: list[Any]) -> Any:
            if any(s.case_id == "color/00002/t1" for s in specs):
                raise error
            return super().prepare(specs)

    result = study(data, tmp_path / "study", preparer=Preparer())
    assert (result.runs, result.failed) == (24, 1)
    bad = [r for r in read_records(tmp_path / "study").to_pylist() if r["status"] != "ok"]
    assert [r["case_id"] for r in bad] == ["color/00002/t1"] and bad[0]["status"].startswith(status)
    assert "\n" not in bad[0]["status"]
    with pytest.raises(type(error)):
        study(data, tmp_path / "strict", preparer=Preparer(), strict=True)


def test_a_model_that_fails_at_every_run_ends_the_study(data: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="a program fails"):
        study(data, tmp_path / "study", SmallModel(0, ModelError("a program fails; export again")))
    assert not (tmp_path / "study").exists()


def test_an_image_that_is_missing_or_a_bomb_costs_its_own_runs(data: SimpleNamespace, tmp_path: Path) -> None:
    (data.path / "images" / "00000-v00.png").unlink()
    assert study(data, tmp_path / "study").failed == 3
    assert "cannot be read" in next(s for s in read_records(tmp_path / "study")["status"].to_pylist() if s != "ok")


def test_a_manifest_that_contradicts_itself_is_found_before_the_first_run(
    data: SimpleNamespace, tmp_path: Path
) -> None:
    texts = data.table["text"].to_pylist()
    texts[-1] = "Another text."
    column = data.table.column_names.index("text")
    spoiled = SimpleNamespace(path=data.path, table=data.table.set_column(column, "text", pa.array(texts)))
    model = StandInModel()
    with pytest.raises(InvalidArgument, match="another text or question"):
        study(spoiled, tmp_path / "study", model)
    assert model.calls == [] and not (tmp_path / "study").exists()


def test_a_status_is_one_short_line() -> None:
    assert one_line(RuntimeError("a\tb  c\nd")) == "RuntimeError: a b c"
    assert len(one_line(ValueError("x" * 10_000))) == 500
    assert one_line(InvalidArgument("")) == "InvalidArgument"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_study_as_ctrl_c_does_and_it_is_gone_on_with(
    data: SimpleNamespace, tmp_path: Path, number: int
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "study"
    study(data, whole)  # what is imported at first use is not of the study
    steps = steps_of(lambda: study(data, tmp_path / "again"))

    def run() -> None:
        signal.signal(number, stop_signal)
        try:
            study(data, out)
        except Stopped as stop:
            os._exit(128 + stop.number)

    status = in_child(run, step=steps * 9 // 10, blow=number)
    assert os.WEXITSTATUS(status) == 128 + number
    assert not (out / "study.lock").exists() and 8 <= read_records(out).num_rows < 24
    study(data, out)
    assert rows_lost(read_records(whole), out) == 0
