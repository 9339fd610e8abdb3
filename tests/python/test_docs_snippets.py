"""What README and docs print is run, in order, in an empty folder; what is not run says why."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

import modalconflict as mc
import modalconflict.export
from modalconflict.cli import app
from modalconflict.pocket.parts import missing_parts
from modalconflict.records import read_journal
from snippets import ROOT, command_lines, holds_commands, pages, small, steps
from tiny_models import tiny_llava

_export_path = modalconflict.export.export_path
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "docs/datasets.md",
        "docs/datasets-import.md",
        "docs/engine.md",
        "docs/export.md",
    )
]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What a reader may have already, each made once: the embedded model's bundle, a dataset, a study, an analysis."""
    if missing_parts():
        pytest.skip("the parts of the embedded model are not installed")
    folder = tmp_path_factory.mktemp("world")

    @cache
    def made(name: str) -> Path:
        path = folder / name
        if name == "pocket.bundle":
            _export_path("pocket", path)
        elif name == "data":
            mc.datasets.color_recognition(groups=2, seed=0, out=path)
        elif name == "study":
            mc.run(made("pocket.bundle"), made("data"), path, max_new_tokens=2)
        elif name == "analysis":
            mc.analyze(made("study"), replicates=100, out=path)
        elif name == "tiny.bundle":
            modalconflict.export.export_model(*tiny_llava(layers=2), path)
        elif name == "study-b":
            copy_study(made("study"), path, "another model")
        elif name == "study.toml":
            shutil.copy(ROOT / "examples" / "study.toml", path)
        elif name == "red.png":
            Image.new("RGB", (64, 64), "red").save(path)
        elif name == "cases.csv":
            (folder / "photos").mkdir()
            rows = ["file,caption,question,answer_text,answer_vision"]
            for number, (said, shown) in enumerate((("blue", "red"), ("green", "yellow"))):
                Image.new("RGB", (64, 64), shown).save(folder / "photos" / f"{number}.png")
                rows.append(f"{number}.png,The square is {said}.,What color is the square?,{said},{shown}")
            path.write_text("\n".join(rows) + "\n")
        elif name == "photos":
            made("cases.csv")
        else:
            raise AssertionError(f"a page is given '{name}', which the tests do not know")
        return path

    return made


def copy_study(study: Path, out: Path, model: str) -> None:
    """The same records under another model's name."""
    shutil.copytree(study, out)
    journal = out / "journal.jsonl"
    text = journal.read_text()
    for entry in read_journal(study).values():
        table = pq.read_table(study / entry.part)
        names = pa.repeat(pa.scalar(model), table.num_rows)
        place_of = table.schema.get_field_index("model")
        pq.write_table(table.set_column(place_of, table.schema.field("model"), names), out / entry.part)
        text = text.replace(entry.sha256, hashlib.sha256((out / entry.part).read_bytes()).hexdigest())
    journal.write_text(text)


def place(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, copy_function=os.link)
    else:
        shutil.copy(source, target)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_page_runs_as_printed(
    page: Path, world: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def export(model: Any, out: Any, *args: Any, **options: Any) -> Any:
        """Export as printed; the embedded model, whose export takes half a minute, once for all pages."""
        if model != "pocket" or args or options.get("dtype") or options.get("runtime", "torchscript") != "torchscript":
            return _export_path(model, out, *args, **options)
        place(world("pocket.bundle"), Path(out))
        return mc.load_bundle(out)

    monkeypatch.setattr(modalconflict.export, "export_path", export)
    monkeypatch.setattr(mc, "analyze", partial(mc.analyze, replicates=100))
    names: dict[str, Any] = {"__name__": "__main__"}
    skipping = False
    for step in steps(page):
        where = f"{name_of(page)}, line {step.line}"
        if step.kind == "given":
            for item in step.text.split():
                name, _, alias = item.partition("=")
                place(world(name), Path(alias or name))
        elif step.kind == "fresh":
            folder = tmp_path / f"from line {step.line}"
            folder.mkdir()
            monkeypatch.chdir(folder)
        elif step.kind == "setup":
            exec(compile(step.text, where, "exec"), names)
        elif step.kind == "skip":
            skipping = True
        elif skipping:
            skipping = False
        elif step.kind == "python":
            exec(compile("\n" * step.line + small(step.text), where, "exec"), names)
        elif step.kind == "sh":
            for line in command_lines(small(step.text)):
                program, *arguments = shlex.split(line, comments=True)
                assert program == "modalconflict", (
                    f"{where}: the tests run no '{program}'; mark the block with its reason"
                )
                result = CliRunner().invoke(app, arguments)
                assert result.exit_code == 0, f"{where}: {line}\n{result.output}"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_what_is_not_run_says_why(page: Path) -> None:
    found = steps(page)
    for number, step in enumerate(found):
        assert not holds_commands(step), f"{name_of(page)}, line {step.line}: write ```sh, so that it is run"
        if step.kind == "skip":
            assert len(step.text.split()) >= 3, f"{name_of(page)}, line {step.line}: give the reason"
            assert found[number + 1].kind in ("python", "sh"), f"{name_of(page)}, line {step.line}: nothing to skip"
