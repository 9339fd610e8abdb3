"""The command line: statuses, one-sentence errors, and a study from end to end on a tiny random model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from modalconflict import __version__
from modalconflict.cli import app
from synthetic_study import make_records, make_study
from test_analyze import minimal
from tiny_bundles import copy_of, tiny_bundle

COMMANDS = ("demo", "generate", "export", "prepare", "run", "analyze", "report", "verify")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def assert_one_sentence(result: Result, *words: str) -> None:
    """Exit status 1, one line on stderr, no traceback, nothing on stdout."""
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


@pytest.fixture(scope="module")
def bundle() -> Path:
    return tiny_bundle("llava")[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "data"
    result = call("generate", "color", "--groups", 2, "--seed", 3, "--out", out)
    assert result.exit_code == 0 and result.stdout == f"84 cases in {out}\n" and result.stderr == ""
    return out


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, bundle: Path, data: Path) -> Path:
    out = tmp_path_factory.mktemp("cli") / "study"
    result = call("run", "--model", bundle, "--data", data, "--out", out, "--max-new-tokens", 2)
    assert result.exit_code == 0 and "118 runs of 2 groups" in result.stdout
    return out


def test_help_lists_the_commands_in_the_order_of_a_study() -> None:
    result = call("--help")
    assert result.exit_code == 0
    places = [result.stdout.index(f"│ {name} ") for name in COMMANDS]
    assert places == sorted(places)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0 and f"modalconflict {command}" in result.stdout


def test_version() -> None:
    assert call("--version").stdout == f"modalconflict {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["run"],
        ["run", "--out", "x"],
        ["generate", "sound", "--out", "x"],
        ["generate", "color", "--out", "x", "--groups", "0"],
        ["analyze", "x"],
        ["run", "--model", "m", "--data", "d", "--out", "x", "--order", "sideways"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    result = call(*arguments)
    assert result.exit_code == 2 and "Traceback" not in result.stderr


def test_a_study_is_analysed_and_reported(study: Path, tmp_path: Path) -> None:
    analyzed = call("analyze", study, "--cases", "all", "--replicates", 100, "--out", tmp_path / "analysis")
    assert analyzed.exit_code == 0 and "balance point" in analyzed.stdout
    assert analyzed.stdout.rstrip().endswith("summary.json")
    options = json.loads((tmp_path / "analysis" / "summary.json").read_text())["options"]
    assert options["cases"] == "all" and options["replicates"] == 100
    reported = call("report", tmp_path / "analysis", "--out", tmp_path / "page.html")
    assert reported.exit_code == 0 and reported.stdout == f"{tmp_path / 'page.html'}\n"


def test_verify_checks_bundles_studies_and_tables(study: Path, bundle: Path, tmp_path: Path) -> None:
    checked = call("verify", bundle)
    assert (
        checked.exit_code == 0
        and "files keep their checksums" in checked.stdout
        and "alone or together" in checked.stdout
    )
    checked = call("verify", study)
    assert checked.exit_code == 0 and "118 records keep to the format and their checksums" in checked.stdout
    pq.write_table(make_records(groups=1), tmp_path / "r.parquet")
    assert_one_sentence_in_output(call("verify", tmp_path / "r.parquet"))
    assert_one_sentence(call("verify", tmp_path), "neither a bundle")
    assert_one_sentence(call("verify", tmp_path / "none"), "does not exist")


def assert_one_sentence_in_output(result: Result) -> None:
    """The synthetic lens' last entropy is not the answer's: verify must see that."""
    assert result.exit_code == 1 and "the lens' last entropy is 0.5 and the answer's" in result.stderr


def test_run_refuses_resumes_and_repeats(study: Path, bundle: Path, data: Path, tmp_path: Path) -> None:
    base = ("run", "--model", bundle, "--data", data, "--out")
    assert_one_sentence(call(*base, study, "--max-new-tokens", 2), "holds this study already", "--resume")
    assert_one_sentence(call(*base, study), "another study", "max_new_tokens 2 there, 8 here")
    part = tmp_path / "part"
    assert call(*base, part, "--max-new-tokens", 2, "--limit", 1).stdout.startswith("59 runs of 1 groups")
    resumed = call(*base, part, "--max-new-tokens", 2, "--resume")
    assert (
        resumed.exit_code == 0 and "118 runs of 2 groups" in resumed.stdout and "this call: 59 runs" in resumed.stdout
    )
    repeated = call("run", "--from", study, "--out", tmp_path / "again")
    assert repeated.exit_code == 0
    parts = [[p.read_bytes() for p in sorted((s / "records").iterdir())] for s in (study, part, tmp_path / "again")]
    assert parts[0] == parts[1] == parts[2]


def test_prepare_writes_a_pack_a_group(bundle: Path, data: Path, tmp_path: Path) -> None:
    from modalconflict import load_model

    result = call("prepare", "--model", bundle, "--data", data, "--out", tmp_path / "packs", "--limit", 1)
    assert result.exit_code == 0 and [p.name for p in (tmp_path / "packs").iterdir()] == ["group-000000.safetensors"]
    reads = load_model(bundle).run(tmp_path / "packs" / "group-000000.safetensors", max_new_tokens=1)
    assert len(reads) == 59 and set(reads.status) == {"ok"}
    assert_one_sentence(
        call("prepare", "--model", bundle, "--data", data, "--out", tmp_path / "packs"), "not an empty folder"
    )


def test_a_missing_truncated_or_altered_bundle_is_named(bundle: Path, data: Path, tmp_path: Path) -> None:
    run = ("run", "--data", data, "--out", tmp_path / "study", "--model")
    assert_one_sentence(call(*run, tmp_path / "none"), "none")
    copy = copy_of(bundle, tmp_path)
    weights = next(copy.glob("weights-*.safetensors"))
    content = weights.read_bytes()
    weights.write_bytes(content[:-100])
    assert_one_sentence(call(*run, copy), weights.name)
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert_one_sentence(call(*run, copy), weights.name)
    weights.unlink()
    assert_one_sentence(call(*run, copy), weights.name)
    assert not (tmp_path / "study").exists()


def test_a_layer_file_of_another_model_is_named(bundle: Path, data: Path, tmp_path: Path) -> None:
    copy = copy_of(bundle, tmp_path)
    other = tiny_bundle("tied")[2]
    layer = next((copy / "programs").glob("layer*.pt"))
    shutil.copyfile(next((other / "programs").glob("layer*.pt")), layer)
    assert_one_sentence(call("run", "--model", copy, "--data", data, "--out", tmp_path / "study"), layer.name)


def test_missing_data_and_unreadable_images(bundle: Path, data: Path, tmp_path: Path) -> None:
    assert_one_sentence(
        call("run", "--model", bundle, "--data", tmp_path / "none", "--out", tmp_path / "study"), "manifest.parquet"
    )
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    image = pq.read_table(copy / "manifest.parquet")["image"][0].as_py()
    (copy / image).write_bytes(b"\x89PNG not really")
    result = call("run", "--model", bundle, "--data", copy, "--out", tmp_path / "study", "--limit", 1)
    assert result.exit_code == 0 and "4 failed" in result.stdout
    strict = call("run", "--model", bundle, "--data", copy, "--out", tmp_path / "strict", "--limit", 1, "--strict")
    assert_one_sentence(strict, Path(image).name, "cannot be read")


def test_generate_refuses_a_taken_folder(data: Path) -> None:
    before = (data / "manifest.parquet").read_bytes()
    assert_one_sentence(call("generate", "color", "--groups", 1, "--out", data), "holds another dataset")
    assert (data / "manifest.parquet").read_bytes() == before


def test_analyze_takes_a_minimal_table_and_names_a_bad_one(tmp_path: Path) -> None:
    pq.write_table(minimal(), tmp_path / "m.parquet")
    assert call("analyze", tmp_path / "m.parquet", "--replicates", 100, "--out", tmp_path / "a").exit_code == 0
    bad = tmp_path / "m.csv"
    bad.write_text("case_id,h_text,h_vision,outcome\na,0.1,0.2,text\nb,0.3,0.2,maybe\n")
    assert_one_sentence(call("analyze", bad, "--out", tmp_path / "b"), "row 1, column 'outcome'", "'maybe'")
    assert_one_sentence(call("analyze", tmp_path / "none", "--out", tmp_path / "b"), "does not exist")
    assert_one_sentence(call("analyze", tmp_path / "m.parquet", "--level", 2, "--out", tmp_path / "b"), "level is 2.0")
    assert not (tmp_path / "b").exists()


def test_several_studies_stand_side_by_side(tmp_path: Path) -> None:
    first, second = (
        make_study(tmp_path / "a", groups=15),
        make_study(tmp_path / "b", groups=15, model="second", balance=0.4),
    )
    result = call("analyze", first, second, "--replicates", 100, "--out", tmp_path / "out")
    assert result.exit_code == 0 and "synthetic" in result.stdout and "second" in result.stdout
    assert call("report", tmp_path / "out", "--out", tmp_path / "r.html").exit_code == 0
    assert "<h2>second</h2>" in (tmp_path / "r.html").read_text()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    arguments = ["verify", str(tmp_path / "none")]
    plain = subprocess.run(
        [sys.executable, "-m", "modalconflict", *arguments], capture_output=True, text=True, check=False
    )
    assert plain.returncode == 1 and plain.stderr.count("\n") == 1 and "Traceback" not in plain.stderr
    debug = subprocess.run(
        [sys.executable, "-m", "modalconflict", "--debug", *arguments], capture_output=True, text=True, check=False
    )
    assert debug.returncode == 1 and "Traceback" in debug.stderr and "IoError" in debug.stderr


def test_nothing_but_results_is_printed_when_piped(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "modalconflict",
        "generate",
        "color",
        "--groups",
        "1",
        "--out",
        str(tmp_path / "d"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"42 cases in {tmp_path / 'd'}\n" and done.stderr == ""


def test_a_terminal_that_speaks_ascii_is_no_crash(tmp_path: Path) -> None:
    study = make_study(tmp_path, groups=10)
    command = [
        sys.executable,
        "-m",
        "modalconflict",
        "analyze",
        str(study),
        "--replicates",
        "100",
        "--out",
        str(tmp_path / "a"),
    ]
    done = subprocess.run(
        command, capture_output=True, env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)}, check=False
    )
    assert done.returncode == 0 and b"balance point" in done.stdout
