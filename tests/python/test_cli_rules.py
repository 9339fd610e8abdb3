"""Rules of the command line that hold for every command: help, --json, exit statuses, Ctrl-C, colours, completion, warnings."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

import modalconflict.cli.study as study_commands
from modalconflict.cli import app
from synthetic_study import make_study
from test_analyze import minimal
from tiny_bundles import tiny_bundle

PROGRAM = [sys.executable, "-m", "modalconflict"]


def leaves(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command with its path, such as ("import", "table")."""
    command = command or typer.main.get_command(app)
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from leaves(child, (*path, name))
        else:
            yield (*path, name)


LEAVES = sorted(leaves())

# Arguments that each command cannot use (status 2), and ones it can use but whose content is bad (status 1).
WRONG: dict[str, list[str]] = {
    "analyze": ["x"],
    "card": [],
    "contact-sheet": ["x", "--groups", "0"],
    "demo": ["--groups", "none"],
    "export": ["pocket"],
    "generate": ["sound", "--out", "x"],
    "import clevr": ["x", "--out", "y", "--subset", "colour"],
    "import lmms-eval": ["x", "--out", "y"],
    "import mc2": ["x", "--out", "y"],
    "import table": ["x"],
    "import visual-counterfact": ["--out", "y"],
    "import vlmevalkit": ["x"],
    "prepare": ["--model", "m", "--data", "d", "--out", "x", "--limit", "0"],
    "report": [],
    "run": ["--out", "x"],
    "verify": ["a", "b"],
}
BAD: dict[str, list[str]] = {
    "analyze": ["none", "--out", "a"],
    "card": ["none"],
    "contact-sheet": ["none"],
    "demo": ["--out", "file"],
    "export": ["./none", "--out", "b"],
    "generate": ["color", "--groups", "1", "--out", "file"],
    "import clevr": ["none", "--out", "y"],
    "import lmms-eval": ["none.jsonl", "--images", ".", "--out", "y"],
    "import mc2": ["none.json", "--images", ".", "--out", "y"],
    "import table": ["none.csv", "--out", "y"],
    "import visual-counterfact": ["none.parquet", "--task", "color", "--out", "y"],
    "import vlmevalkit": ["none.tsv", "--out", "y"],
    "prepare": ["--model", "none", "--data", "none", "--out", "x"],
    "report": ["none"],
    "run": ["--model", "none", "--data", "none", "--out", "x"],
    "verify": ["none"],
}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "80"}, catch_exceptions=False)


def test_the_tables_name_every_command() -> None:
    names = {" ".join(path) for path in LEAVES}
    assert set(WRONG) == names and set(BAD) == names


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_has_an_example_and_fits_80_columns(path: tuple[str, ...]) -> None:
    result = call(*path, "--help")
    assert result.exit_code == 0 and "Example:" in result.stdout and "--json" in result.stdout
    assert f"modalconflict {' '.join(path)}" in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_wrong_usage_is_status_2_and_bad_input_status_1(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("taken")
    wrong = call(*path, *WRONG[" ".join(path)])
    assert wrong.exit_code == 2 and wrong.stdout == "" and "Usage: modalconflict" in wrong.stderr
    for extra in ([], ["--json"]):
        bad = call(*path, *BAD[" ".join(path)], *extra)
        assert bad.exit_code == 1 and bad.stdout == "" and "Traceback" not in bad.stderr
        said = [line for line in bad.stderr.splitlines() if not line.startswith("[")]  # the demo's steps
        if path != ("demo",) or "not installed" not in bad.stderr:
            assert len(said) == 1 and said[0].startswith("Error: ")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rules") / "data"
    result = call("generate", "color", "--groups", 6, "--seed", 3, "--out", out, "--json")
    expected = {"path": str(out), "dataset": "color_recognition", "cases": 252, "groups": 6, "skipped": 0}
    assert json.loads(result.stdout) == expected and result.stderr == ""
    return out


def printed(*arguments: object) -> dict[str, Any]:
    """What a command prints with --json: one object on one line, and nothing on stderr."""
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1 and result.stderr == ""
    found = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no strict JSON"))
    assert isinstance(found, dict)
    return found


def test_json_of_the_commands_that_need_no_model(tmp_path: Path, data: Path) -> None:
    pq.write_table(minimal(), tmp_path / "m.parquet")
    study = make_study(tmp_path / "s", groups=10)
    found = printed("analyze", study, "--replicates", 100, "--out", tmp_path / "a")
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert found == {"path": str(tmp_path / "a" / "summary.json"), **summary}
    assert printed("analyze", tmp_path / "m.parquet", "--replicates", 100, "--out", tmp_path / "b")["models"]
    page = printed("report", tmp_path / "a", "--out", tmp_path / "r.html")
    assert page == {"path": str(tmp_path / "r.html"), "bytes": (tmp_path / "r.html").stat().st_size}
    sheet = printed("contact-sheet", data, "--groups", 1, "--out", tmp_path / "s.png")
    assert sheet["path"] == str(tmp_path / "s.png") and sheet["width"] > 0 and (tmp_path / "s.png").is_file()
    card = printed("card", data, "--out", tmp_path / "c.html")
    assert card["path"] == str(tmp_path / "c.html") and (tmp_path / "c.html").is_file() and len(card) > 3
    made = printed("import", "table", data / "manifest.parquet", "--images", data, "--out", tmp_path / "i")
    assert made["cases"] == 252 and made["dataset"] == "table"


def test_json_of_the_commands_that_run_a_model(tmp_path: Path, data: Path) -> None:
    bundle = tiny_bundle("llava")[2]
    options = ("--model", bundle, "--data", data, "--limit", 1)
    ran = printed("run", *options, "--out", tmp_path / "study", "--max-new-tokens", 1)
    seconds = ran.pop("seconds")
    assert ran == {"path": str(tmp_path / "study"), "groups": 1, "runs": 59, "failed": 0, "new_runs": 59}
    assert seconds > 0
    assert printed("prepare", *options, "--out", tmp_path / "packs") == {"path": str(tmp_path / "packs"), "packs": 1}
    checks = printed("verify", tmp_path / "study")["checks"]
    assert any("59 records keep to the format" in c for c in checks)


def test_what_nobody_foresaw_is_one_sentence_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*arguments: Any, **options: Any) -> None:
        raise ImportError("no module of that name\nand more")

    monkeypatch.setattr("modalconflict.runner.verification.verify", broken)
    result = call("verify", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ImportError: no module of that name; check the input")
    with pytest.raises(ImportError):
        call("--debug", "verify", tmp_path)
    assert study_commands.verify.__name__ == "verify"


def parts(study: Path) -> list[Path]:
    """Finished parts of a study."""
    return sorted((study / "records").glob("*.parquet"))


def test_ctrl_c_leaves_a_study_that_goes_on(tmp_path: Path, data: Path) -> None:
    bundle, study, whole = tiny_bundle("llava")[2], tmp_path / "study", tmp_path / "whole"
    common = ["--model", str(bundle), "--data", str(data), "--max-new-tokens", "2"]
    process = subprocess.Popen(
        [*PROGRAM, "run", *common, "--out", str(study)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    # with the second part on disk the first is in the journal
    while len(parts(study)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130 and stdout == "", stderr
    lines = [line for line in stderr.splitlines() if line and "Ctrl-C again" not in line]
    assert lines == ["Stopped; finished groups are kept; add --resume to go on."]
    assert 2 <= len(parts(study)) < 6
    resumed = printed("run", *common, "--out", study, "--resume")
    assert resumed["groups"] == 6 and resumed["new_runs"] < 6 * 59
    assert printed("run", *common, "--out", whole)["runs"] == 6 * 59
    assert [p.read_bytes() for p in parts(study)] == [p.read_bytes() for p in parts(whole)]


def test_a_second_ctrl_c_stops_native_code_at_once() -> None:
    code = (
        "import hashlib; from modalconflict.cli.rules import stop_at_second_interrupt as s; s(); print('go', flush=True);"
        "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2**31 - 1)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "go\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(2)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130 and "Ctrl-C again stops at once" in stderr and "Stopped at once" in stderr


def on_a_terminal(arguments: list[str], **environment: str) -> str:
    """Output of a command whose stdout and stderr are a terminal."""
    ours, theirs = pty.openpty()
    variables = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "GITHUB_ACTIONS")}
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdout=theirs, stderr=theirs, env=variables | {"TERM": "xterm-256color"} | environment
    )
    os.close(theirs)
    out = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        out += part
    os.close(ours)
    process.wait()
    return out.decode(errors="replace")


COLOUR = re.compile(r"\x1b\[[0-9;]*\b(3[0-7]|38|9[0-7])[0-9;]*m")


def test_colours_on_a_terminal_and_none_with_no_color_or_in_a_pipe() -> None:
    assert COLOUR.search(on_a_terminal(["run", "--help"]))
    assert not COLOUR.search(on_a_terminal(["run", "--help"], NO_COLOR="1"))
    variables = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "GITHUB_ACTIONS")}
    piped = subprocess.run([*PROGRAM, "run", "--help"], capture_output=True, text=True, check=True, env=variables)
    assert "\x1b" not in piped.stdout and "Study folder" in piped.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_made(shell: str) -> None:
    environment = {**os.environ, "_MODALCONFLICT_COMPLETE": f"source_{shell}"}
    script = subprocess.run(PROGRAM, capture_output=True, text=True, env=environment, check=False).stdout
    assert "_MODALCONFLICT_COMPLETE=complete_" in script and "modalconflict" in script
    if shell == "bash":
        environment |= {
            "_MODALCONFLICT_COMPLETE": "complete_bash",
            "COMP_WORDS": "modalconflict ver",
            "COMP_CWORD": "1",
        }
        found = subprocess.run(PROGRAM, capture_output=True, text=True, env=environment, check=False)
        assert found.stdout.split() == ["verify"]


def test_other_libraries_warnings_are_shown_with_debug_alone() -> None:
    code = """
import logging, sys, warnings
from modalconflict.cli import rules
rules.quiet_others()
rules.set_debug(sys.argv[1] == "debug")
warnings.simplefilter("always")
warnings.warn_explicit("of transformers", FutureWarning, "/site-packages/transformers/x.py", 1)
logging.getLogger("elsewhere").warning("of a logger")
warnings.warn_explicit("of ours", UserWarning, rules.__file__, 1)
"""
    said = {
        kind: subprocess.run([sys.executable, "-c", code, kind], capture_output=True, text=True, check=True).stderr
        for kind in ("plain", "debug")
    }
    assert said["plain"] == "Warning: of ours\n"
    assert all(words in said["debug"] for words in ("of transformers", "of a logger", "of ours"))
