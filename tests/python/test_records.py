"""Records: the schema, the messages that name row and column, and parts that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records import (
    RecordWriter,
    lens_rows,
    read_journal,
    read_records,
    uncertainty_columns,
    validate_records,
)
from synthetic_study import LAYERS, make_records, make_study


@pytest.fixture(scope="module")
def records() -> pa.Table:
    return make_records(groups=2)


def with_value(table: pa.Table, column: str, row: int, value: object, kind: pa.DataType | None = None) -> pa.Table:
    """The table with one cell replaced."""
    values = table[column].to_pylist()
    values[row] = value
    return table.set_column(
        table.column_names.index(column), column, pa.array(values, kind or table.schema.field(column).type)
    )


def test_a_valid_table_passes_unchanged(records: pa.Table) -> None:
    assert validate_records(records).equals(records)
    assert uncertainty_columns(records) == ["entropy", "max_prob", "margin"]
    assert lens_rows(records) == LAYERS + 1


def test_parquet_keeps_the_nested_fixed_size_lists(records: pa.Table, tmp_path: Path) -> None:
    pq.write_table(records, tmp_path / "r.parquet")
    assert read_records(tmp_path / "r.parquet").equals(records)


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("condition", 3, "both", "row 3, column 'condition': 'both' is none of text_only, vision_only, multimodal"),
        ("entropy", 5, -0.1, "row 5, column 'entropy': -0.1 is negative"),
        ("entropy", 2, float("nan"), "row 2, column 'entropy': nan is no finite number"),
        ("margin", 4, float("inf"), "row 4, column 'margin': inf is no finite number"),
        ("answer", 6, None, "row 6, column 'answer': is empty"),
        ("d_t", 0, None, "row 0, column 'd_t': is missing in a text_only run"),
        ("d_v", 3, None, "row 3, column 'd_v': is missing in a vision_only run"),
    ],
)
def test_a_bad_value_is_named_by_row_and_column(
    records: pa.Table, column: str, row: int, value: object, words: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        validate_records(with_value(records, column, row, value), "t.parquet")
    assert words in str(caught.value)
    assert str(caught.value).startswith("t.parquet")


def test_a_value_of_another_type_is_named(records: pa.Table) -> None:
    strings = with_value(
        records.set_column(2, "group", pa.array([str(g) for g in records["group"].to_pylist()])), "group", 4, "four"
    )
    with pytest.raises(InvalidArgument, match="row 4, column 'group': 'four' is not of type int64"):
        validate_records(strings)


def test_numbers_as_strings_and_other_widths_are_cast(records: pa.Table) -> None:
    narrow = records.set_column(2, "group", pa.array(records["group"].to_pylist(), pa.int16()))
    assert validate_records(narrow)["group"].type == pa.int64()


def test_a_failed_run_may_lack_its_measurements(records: pa.Table) -> None:
    failed = with_value(with_value(records, "status", 7, "unreadable image"), "entropy", 7, None)
    assert validate_records(with_value(failed, "answer", 7, None)).num_rows == records.num_rows


def test_a_missing_column_is_named(records: pa.Table) -> None:
    with pytest.raises(InvalidArgument, match="has no column 'group'"):
        validate_records(records.drop_columns(["group"]))


def test_the_same_run_twice_is_refused(records: pa.Table) -> None:
    twice = pa.concat_tables([records, records.slice(3, 1)])
    with pytest.raises(
        InvalidArgument, match=rf"row {records.num_rows}, column 'case_id': 'color/00000/v00' repeats the run of row 3"
    ):
        validate_records(twice)


def test_records_of_a_later_version_are_refused(records: pa.Table) -> None:
    later = records.replace_schema_metadata({"modalconflict.records_version": "9"})
    with pytest.raises(InvalidArgument, match="records version 9"):
        validate_records(later)


def test_a_table_from_elsewhere_needs_only_the_required_columns() -> None:
    table = pa.table(
        {
            "case_id": ["a", "b", "c"],
            "group": [1, 1, 1],
            "condition": ["text_only", "vision_only", "multimodal"],
            "d_t": [0, None, 0],
            "d_v": [None, 0, 0],
            "answer": ["red", "blue", "red"],
            "model": ["api"] * 3,
            "entropy": [0.1, 0.2, 0.3],
        }
    )
    checked = validate_records(table)
    assert checked["status"].to_pylist() == ["ok"] * 3
    assert lens_rows(checked) == 0


def test_writer_resumes_after_a_part_without_a_journal_line(tmp_path: Path) -> None:
    first = make_records(groups=1)
    writer = RecordWriter(tmp_path)
    writer.write(0, first, 0.5)
    (tmp_path / "records" / "part-000001.parquet").write_bytes(b"half a part")
    (tmp_path / "records" / "part-000002.parquet.part").write_bytes(b"half a part")
    again = RecordWriter(tmp_path)
    assert set(again.finished) == {0}
    again.write(1, first, 0.5)
    assert pq.read_table(tmp_path / "records" / "part-000001.parquet").num_rows == first.num_rows


def test_a_journal_line_that_a_crash_cut_off_does_not_count(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path)
    writer.write(0, make_records(groups=1), 0.5)
    journal = tmp_path / "journal.jsonl"
    whole = journal.read_text()
    journal.write_text(whole + whole[: len(whole) // 2])
    assert set(RecordWriter(tmp_path).finished) == {0}
    assert journal.read_text() == whole


def test_an_altered_or_missing_part_is_named(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path)
    entry = writer.write(0, make_records(groups=1), 0.5)
    part = tmp_path / entry.part
    content = part.read_bytes()
    part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IoError, match=r"part-000000\.parquet was altered"):
        read_journal(tmp_path)
    part.unlink()
    with pytest.raises(IoError, match=r"part-000000\.parquet is missing"):
        read_journal(tmp_path)


def test_a_spoilt_line_within_the_journal_is_named(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path)
    writer.write(0, make_records(groups=1), 0.5)
    journal = tmp_path / "journal.jsonl"
    journal.write_text("nonsense\n" + journal.read_text())
    with pytest.raises(IoError, match="line 1 is not a journal entry"):
        read_journal(tmp_path)


def test_a_group_is_written_once(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path)
    writer.write(0, make_records(groups=1), 0.5)
    with pytest.raises(InvalidArgument, match="group 0 is finished already"):
        writer.write(0, make_records(groups=1), 0.5)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that refuses bytes")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path)
    (tmp_path / "records" / "part-000000.parquet.part").symlink_to("/dev/full")
    with pytest.raises(IoError, match=r"cannot write .*part-000000\.parquet"):
        writer.write(0, make_records(groups=1), 0.5)
    assert not (tmp_path / "journal.jsonl").exists()


def test_a_study_reads_back_in_the_order_of_its_groups(tmp_path: Path) -> None:
    study = make_study(tmp_path, groups=3)
    read = read_records(study)
    assert read.equals(make_records(groups=3))
    lines = (study / "journal.jsonl").read_text().splitlines()
    (study / "journal.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    assert read_records(study).equals(read)


def test_a_folder_without_a_study_and_an_unfinished_study_are_named(tmp_path: Path) -> None:
    with pytest.raises(IoError, match="holds no study"):
        read_records(tmp_path)
    (tmp_path / "study.json").write_text(json.dumps({"format": "modalconflict-study"}))
    with pytest.raises(IoError, match="has no finished group yet"):
        read_records(tmp_path)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(IoError, match=r"study\.json is unreadable"):
        read_records(tmp_path)


def test_a_truncated_parquet_file_and_a_wrong_suffix_are_named(tmp_path: Path, records: pa.Table) -> None:
    path = tmp_path / "r.parquet"
    pq.write_table(records, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(IoError, match=r"r\.parquet is unreadable"):
        read_records(path)
    (tmp_path / "r.txt").write_text("x")
    with pytest.raises(InvalidArgument, match=r"r\.txt is neither"):
        read_records(tmp_path / "r.txt")
    with pytest.raises(IoError, match="does not exist"):
        read_records(tmp_path / "none.parquet")


def test_csv_is_read_too(tmp_path: Path, records: pa.Table) -> None:
    flat = [f.name for f in records.schema if not pa.types.is_nested(f.type)]
    pa.csv.write_csv(records.select(flat), tmp_path / "r.csv")
    assert read_records(tmp_path / "r.csv")["entropy"].to_pylist() == records["entropy"].to_pylist()


def test_the_documented_examples_of_foreign_tables_are_accepted(tmp_path: Path) -> None:
    from modalconflict import analyze

    page = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")
    tables = [block.strip("\n") for block in page.split("```") if block.strip().startswith("case_id,")]
    assert len(tables) == 2
    for number, table in enumerate(tables):
        (tmp_path / f"{number}.csv").write_text(table + "\n")
        outcomes = analyze(tmp_path / f"{number}.csv", replicates=100).models[0].summary["outcomes"]
        assert outcomes == ({"text": 1, "vision": 0, "other": 0})


def test_every_column_is_documented(records: pa.Table) -> None:
    page = (Path(__file__).parents[2] / "docs" / "records.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].replace("*", "").split(", ") for line in page.splitlines() if line.startswith("| ")]
    named = {name.strip() for row in rows for name in row}
    assert set(records.column_names) <= named
