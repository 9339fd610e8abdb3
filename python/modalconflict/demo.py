"""The whole study on the embedded model, in one call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modalconflict.errors import IoError, ModelError
from modalconflict.records.files import file_sha256
from modalconflict.records.writing import write_json

if TYPE_CHECKING:
    from modalconflict.analysis import Analysis
    from modalconflict.runner import Progress, StudyResult


@dataclass(frozen=True)
class DemoSteps:
    """Callbacks for each step of the demo.

    Attributes
    ----------
    say
        Called with a sentence before each step.
    export
        Called with (stage, done, total).
    draw
        Called with the number of groups drawn.
    run
        Called after each group that was run.
    """

    say: Callable[[str], Any] = lambda text: None
    export: Callable[[str, int, int], Any] = lambda stage, done, total: None
    draw: Callable[[int], Any] = lambda done: None
    run: Callable[[Progress], Any] = lambda progress: None


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes
    ----------
    report
        The page.
    analysis
        Its numbers.
    study
        The run.
    cases
        Cases of the dataset.
    """

    report: Path
    analysis: Analysis
    study: StudyResult
    cases: int

    @property
    def seconds_per_case(self) -> float:
        """Wall-clock time a case took, its share of the unimodal runs included."""
        return self.study.seconds * self.study.runs / max(self.study.new_runs, 1) / max(self.cases, 1)


def missing_demo_parts() -> tuple[str, ...]:
    """Commands that install the demo's missing parts; empty if nothing is missing."""
    from modalconflict.pocket.parts import INSTALL, missing_parts

    return tuple(INSTALL) if missing_parts() else ()


def _model_identity() -> dict[str, str]:
    """What an exported bundle was made of, so that a cached one is not taken for a newer model's."""
    from modalconflict import __version__
    from modalconflict.pocket.parts import ADAPTER

    if not ADAPTER.is_file():
        raise ModelError(f"the embedded model's adapter {ADAPTER} is missing; install the package again")
    return {"modalconflict": __version__, "adapter_sha256": file_sha256(ADAPTER)}


def run_demo(
    out: str | Path = "demo-study",
    *,
    groups: int = 24,
    seed: int = 0,
    threads: int | None = None,
    steps: DemoSteps | None = None,
) -> DemoResult:
    """Make the dataset, export the embedded model, run the study, analyse it and write the page.

    Parameters
    ----------
    out
        Folder for everything: ``data``, ``bundle``, ``study``, ``analysis``, ``report.html``. What is there already from an
        earlier call with the same options is used again.
    groups
        Groups of Color Recognition: 42 cases and 59 runs each.
    seed
        Of the dataset.
    threads
        All cores if None.
    steps
        Callbacks.

    Returns
    -------
    DemoResult

    Raises
    ------
    IoError
        If `out` holds a demo with other options, or cannot be written.
    ModelError
        If the demo's packages are not installed.
    """
    from modalconflict import datasets
    from modalconflict.analysis import analyze
    from modalconflict.reporting import report
    from modalconflict.runner import run

    steps = steps or DemoSteps()
    out = Path(out)
    made_of = _model_identity()
    begin = time.perf_counter()

    def say(text: str) -> None:
        steps.say(f"[{time.perf_counter() - begin:5.0f} s] {text}")

    data_folder, bundle = out / "data", out / "bundle"
    if (data_folder / "manifest.parquet").is_file():
        data = datasets.load(data_folder)
        made = {k: data.options.get(k) for k in ("groups", "seed")}
        if made != {"groups": groups, "seed": seed}:
            raise IoError(
                f"{out} holds a demo of {made['groups']} groups with seed {made['seed']}; choose another --out"
            )
    else:
        say(f"drawing {groups} groups of Color Recognition into {data_folder}")
        data = datasets.color_recognition(
            groups=groups, seed=seed, out=data_folder, threads=threads, progress=steps.draw
        )
    origin = out / "bundle-origin.json"
    if (bundle / "bundle.json").is_file():
        if not origin.is_file() or json.loads(origin.read_text(encoding="utf-8")) != made_of:
            raise IoError(f"{bundle} was exported from another release of the embedded model; choose another --out")
    else:
        say(f"exporting the embedded model to {bundle}")
        from modalconflict.export import export_path

        write_json(origin, made_of)
        export_path("pocket", bundle, None, steps.export)
    say(f"running {len(data)} cases into {out / 'study'}")
    study = run(
        bundle,
        data,
        out / "study",
        resume=(out / "study" / "study.json").is_file(),
        threads=threads,
        progress=steps.run,
    )
    say("analysing the records")
    analysis = analyze(out / "study", out=out / "analysis")
    say("writing the page")
    page = report(analysis, out / "report.html")
    return DemoResult(report=page, analysis=analysis, study=study, cases=len(data))
