"""A study killed at any moment, any number of times, ends with the undisturbed one's table."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from faults.injection import in_child, kill_until_whole, rows_lost, steps_of, study
from modalconflict.errors import IoError
from modalconflict.records import RecordWriter, read_journal, read_records
from synthetic_study import make_dataset, make_records

GROUPS = 12


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    folder = tmp_path_factory.mktemp("undisturbed")
    data = make_dataset(folder / "data", groups=GROUPS)
    study(data, folder / "study")  # what is imported at first use is not of the study
    steps = steps_of(lambda: study(data, folder / "again"))
    return data, folder / "study", read_records(folder / "study"), steps


@pytest.mark.parametrize("seed", range(4))
def test_after_kills_at_random_steps_the_table_is_the_undisturbed_one(whole: tuple, tmp_path: Path, seed: int) -> None:
    data, undisturbed, table, steps = whole
    killed = kill_until_whole(data, tmp_path / "study", steps, random.Random(seed), kills=5)
    assert killed > 0
    assert rows_lost(table, tmp_path / "study") == 0
    assert [p.read_bytes() for p in sorted((tmp_path / "study" / "records").iterdir())] == [
        p.read_bytes() for p in sorted((undisturbed / "records").iterdir())
    ]
    assert not (tmp_path / "study" / "study.lock").exists()


def test_a_lost_journal_is_rebuilt_and_nothing_runs_again(whole: tuple, tmp_path: Path) -> None:
    data, _, table, _ = whole
    out = tmp_path / "study"
    study(data, out)
    (out / "journal.jsonl").unlink()
    assert rows_lost(table, out) == 0  # readers do without it
    assert study(data, out).new_runs == 0
    entries = read_journal(out)
    assert set(entries) == set(range(GROUPS)) and all(e.seconds is None and e.rows == 8 for e in entries.values())


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_a_truncated_journal_is_completed_from_the_parts(whole: tuple, tmp_path: Path, share: float) -> None:
    data, _, table, _ = whole
    out = tmp_path / "study"
    study(data, out)
    journal = out / "journal.jsonl"
    content = journal.read_bytes()
    journal.write_bytes(content[: int(share * len(content))] + b"\0" * 40)
    assert study(data, out).new_runs == 0 and rows_lost(table, out) == 0
    assert set(read_journal(out)) == set(range(GROUPS))


def test_a_part_that_is_spoiled_or_of_another_study_is_not_taken_for_a_finished_group(tmp_path: Path) -> None:
    one = make_records(groups=1)
    RecordWriter(tmp_path, "this study").write(0, one)
    part = tmp_path / "records" / "part-000000.parquet"
    (tmp_path / "journal.jsonl").unlink()
    assert set(RecordWriter(tmp_path, "this study").finished) == {0}
    (tmp_path / "journal.jsonl").unlink()
    assert RecordWriter(tmp_path, "another study").finished == {}
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 4
    part.write_bytes(content)
    assert RecordWriter(tmp_path, "this study").finished == {}


@pytest.mark.parametrize(
    "change",
    [
        {"part": "../../secret.parquet"},
        {"part": "/etc/passwd"},
        {"rows": True},
        {"rows": -1},
        {"group": 2**70},
        {"group": "0"},
        {"failed": 10**9},
        {"sha256": None},
        {"more": 1},
    ],
)
def test_a_journal_line_that_is_none_is_named_by_readers_and_rebuilt_by_the_writer(
    tmp_path: Path, change: dict[str, object]
) -> None:
    RecordWriter(tmp_path).write(0, make_records(groups=1), 0.5)
    journal = tmp_path / "journal.jsonl"
    journal.write_text(json.dumps(json.loads(journal.read_text()) | change) + "\n")
    with pytest.raises(IoError, match="line 1 is not a journal entry; go on with the study by --resume"):
        read_journal(tmp_path)
    assert set(RecordWriter(tmp_path).finished) == {0} and set(read_journal(tmp_path)) == {0}


def test_row_counts_of_the_journal_are_held_against_the_parts(whole: tuple, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study(whole[0], out)
    journal = out / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"rows": 8', '"rows": 9', 1))
    with pytest.raises(IoError, match=r"part-000000\.parquet has 8 rows where .*journal\.jsonl says 9"):
        read_records(out)


def test_a_study_that_fails_at_its_first_group_leaves_nothing(whole: tuple, tmp_path: Path) -> None:
    class Failing:
        def prepare(self, specs: list[object]) -> object:
            raise RuntimeError("something nobody foresaw")

    with pytest.raises(RuntimeError, match="nobody foresaw"):
        study(whole[0], tmp_path / "study", preparer=Failing())
    assert not (tmp_path / "study").exists()


def test_a_study_that_fails_later_keeps_its_groups_and_says_what_the_call_did(whole: tuple, tmp_path: Path) -> None:
    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(whole[0], tmp_path / "study", progress=stop)
    information = json.loads((tmp_path / "study" / "study.json").read_text())
    assert [call["runs"] for call in information["calls"]] == [8]
    assert read_records(tmp_path / "study").num_rows == 8


def test_killed_before_its_first_word_a_study_begins_anew(whole: tuple, tmp_path: Path) -> None:
    out = tmp_path / "study"
    out.mkdir()
    (out / "study.lock").write_text("")
    (out / "study.json.part").write_text("{")
    assert study(whole[0], out, resume=False).runs == 8 * GROUPS


def test_every_part_carries_its_group_and_its_study(whole: tuple) -> None:
    _, undisturbed, table, _ = whole
    own = [
        json.loads(pq.read_schema(p).metadata[b"modalconflict.part"])
        for p in sorted((undisturbed / "records").iterdir())
    ]
    assert [o["group"] for o in own] == list(range(GROUPS)) and {o["rows"] for o in own} == {8}
    assert len({o["study"] for o in own}) == 1 and len(own[0]["study"]) == 64
    assert b"modalconflict.part" not in table.schema.metadata


def test_the_child_dies_of_the_signal() -> None:
    assert os.WTERMSIG(in_child(lambda: [str(i) for i in range(100)], step=3)) == 9
