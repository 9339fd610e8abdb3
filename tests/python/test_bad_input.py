"""Mistakes at the command line: one sentence, status 1, nothing overwritten."""

import json
import subprocess
import sys

import pytest


def modalconflict(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "modalconflict", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def refused(result, *words):
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("Error: ")
    for word in words:
        assert word in result.stderr.replace("\n", " ")


@pytest.fixture
def table(tmp_path):
    rows = [f"c{i},{0.1 + 0.01 * i},{1.2 - 0.01 * i},{'text' if i < 30 else 'vision'}" for i in range(60)]
    path = tmp_path / "cases.csv"
    path.write_text("\n".join(["case_id,h_text,h_vision,outcome", *rows]) + "\n")
    return path


@pytest.mark.parametrize("content", ["{}", "not json", '{"format": "something else"}'])
def test_foreign_summary_is_not_overwritten(table, tmp_path, content):
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "summary.json").write_text(content)
    refused(modalconflict("analyze", table, "--out", folder), str(folder), "holds no analysis")
    assert (folder / "summary.json").read_text() == content
    assert [p.name for p in folder.iterdir()] == ["summary.json"]


def test_own_analysis_is_replaced(table, tmp_path):
    assert modalconflict("analyze", table, "--out", tmp_path / "a").returncode == 0
    assert modalconflict("analyze", table, "--out", tmp_path / "a").returncode == 0
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["format"] == "modalconflict-analysis"


def test_index_that_the_table_lacks(table, tmp_path):
    refused(
        modalconflict("analyze", table, "--uncertainty", "margin", "--out", tmp_path / "a"), "'margin'", "use entropy"
    )


def test_case_twice(table, tmp_path):
    table.write_text(table.read_text() + "c5,0.3,0.4,text\n")
    refused(modalconflict("analyze", table, "--out", tmp_path / "a"), "row 60", "'c5' stands twice")


def test_header_alone(tmp_path):
    (tmp_path / "empty.csv").write_text("case_id,h_text,h_vision,outcome\n")
    refused(modalconflict("analyze", tmp_path / "empty.csv", "--out", tmp_path / "a"), "no rows")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("option", [("--replicates", "999999999999"), ("--seed", "9" * 30)])
def test_huge_numbers(table, tmp_path, option):
    refused(modalconflict("analyze", table, *option, "--out", tmp_path / "a"))


@pytest.mark.parametrize(("option", "value"), [("--groups", "9" * 20), ("--threads", "99999999999")])
def test_huge_dataset_options(tmp_path, option, value):
    refused(modalconflict("generate", "color", option, value, "--out", tmp_path / "d"))
    assert not (tmp_path / "d").exists()


def test_folder_name_that_no_system_takes(tmp_path):
    refused(modalconflict("generate", "color", "--groups", "1", "--out", tmp_path / ("x" * 300)), "name another folder")


def test_what_nobody_foresaw_is_still_one_sentence(tmp_path):
    result = modalconflict("analyze", tmp_path / "none\udcff.csv", "--out", tmp_path / "a")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
