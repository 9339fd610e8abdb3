"""What a person sees while a command works: bars on a terminal, nothing when piped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from modalconflict.cli.rules import Result

if TYPE_CHECKING:
    from modalconflict.runner.study import StudyResult


def console(stderr: bool = False) -> Console:
    """A console on the present stdout or stderr; colours and bars only on a terminal."""
    return Console(stderr=stderr, highlight=False)


@contextmanager
def bar(title: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr; call what it yields with (done, total)."""
    screen = console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as progress:
        task = progress.add_task(title, total=None, rate="")

        def advance(done: int, total: int | None) -> None:
            speed = progress.tasks[0].speed
            progress.update(task, completed=done, total=total, rate=f"{speed:.2f}/s" if speed else "")

        yield advance


def dataset_result(dataset: Any) -> Result:
    """What was made: one line, or the same numbers as JSON."""
    skipped = dataset.path / "skipped.jsonl"
    left_out = skipped.read_bytes().count(b"\n") if skipped.is_file() else 0
    if left_out:
        typer.echo(f"{left_out} rows were left out; their reasons are in {skipped}", err=True)
    groups = len(dataset.groups)
    data = {"path": str(dataset.path), "dataset": dataset.name, "cases": len(dataset), "groups": groups}
    return Result({**data, "skipped": left_out}, [f"{len(dataset)} cases in {dataset.path}"])


def study_data(study: StudyResult) -> dict[str, Any]:
    """A study's counts for --json."""
    return {
        "path": str(study.path),
        "groups": study.groups,
        "runs": study.runs,
        "failed": study.failed,
        "new_runs": study.new_runs,
        "seconds": round(study.seconds, 3),
    }


@contextmanager
def stages(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar for work in named stages; call what it yields with (stage, done, total)."""
    screen = console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda stage, done, total: progress.update(
            task, description=f"{title}: {stage}", completed=done, total=total
        )


def headline_table(analysis: Any) -> Any:
    """The headline numbers of an analysis as a rich table."""
    from rich.markup import escape
    from rich.table import Table

    from modalconflict.analysis.result import describe_point, signed
    from modalconflict.reporting.words import percent, preference

    table = Table(show_header=True, header_style="bold", title_justify="left")
    table.add_column("")
    for model in analysis.models:
        table.add_column(escape(model.name))
    rows: dict[str, list[str]] = {}
    for model in analysis.models:
        s = model.summary
        point = s["balance_point"]["headline"]
        level = percent(analysis.options["level"])
        cells = {
            "cases used": f"{s['counts']['used']} of {s['counts']['cases']}",
            "follows the text": f"{percent(s['tfr']['estimate'], 1)} [{percent(s['tfr']['low'], 1)}, {percent(s['tfr']['high'], 1)}]",
            "follows neither": percent(s["other"]["estimate"], 1),
            f"balance point [{level}]": describe_point(point),
            "that is": preference(point),
            "by isotonic regression": describe_point(s["balance_point"]["cir"]),
        }
        for side, name in (("text", "right from text alone"), ("vision", "right from image alone")):
            tiers = [r for r in s.get("tiers") or [] if r["side"] == side and r["accuracy"] is not None]
            if tiers:
                overall = sum(r["accuracy"] * r["n"] for r in tiers) / sum(r["n"] for r in tiers)
                ends = [tiers[0], tiers[-1]] if len(tiers) > 1 else tiers
                cells[name] = (
                    f"{percent(overall, 1)} ("
                    + ", ".join(f"tier {r['tier']}: {percent(r['accuracy'])}" for r in ends)
                    + ")"
                )
        if s.get("oscillations"):
            for region in s["oscillations"]["regions"]:
                cells[f"oscillations, {region['name']}"] = (
                    f"{signed(region['mean'])} [{signed(region['low'])}, {signed(region['high'])}]"
                )
        for name, cell in cells.items():
            rows.setdefault(name, []).append(cell)
    for name, values in rows.items():
        table.add_row(escape(name), *map(escape, values))
    return table
