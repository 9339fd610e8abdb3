"""Commands that make things: demo, generate, export, prepare."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from modalconflict.cli.app import app
from modalconflict.cli.display import bar, dataset_result, headline_table, stages, study_data
from modalconflict.cli.rules import Result


class Kind(str, Enum):
    """Datasets that `generate` can make."""

    color = "color"
    attribute = "attribute"


_GROUPS = {Kind.color: 400, Kind.attribute: 300}


class Subset(str, Enum):
    """What Attribute Recognition asks about."""

    shape = "shape"
    material = "material"


class Dtype(str, Enum):
    """Number formats of a bundle."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


class Runtime(str, Enum):
    """What runs a bundle's programs."""

    torchscript = "torchscript"
    aoti = "aoti"


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for everything the demo makes; a second call goes on where it stopped.")
    ] = Path("demo-study"),
    groups: Annotated[int, typer.Option(min=1, help="Groups of the dataset: 59 runs each.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the dataset.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; all cores by default.")] = None,
) -> Result:
    """Do the whole study on the embedded model and write report.html.

    Makes the Color Recognition dataset, exports the embedded model, runs it, analyses the records and writes the page.

    Example:  modalconflict demo --out demo-study --groups 24
    """
    from modalconflict.demo import DemoSteps, missing_demo_parts, run_demo

    commands = missing_demo_parts()
    if commands:
        typer.echo("The demo's model is not installed. Install it with these two commands:", err=True)
        for command in commands:
            typer.echo(f"  {command}", err=True)
        raise typer.Exit(1)
    with stages("export") as exporting, bar("pictures", "groups") as drawing, bar("runs", "groups") as running:
        steps = DemoSteps(
            say=lambda text: typer.echo(text, err=True),
            export=exporting,
            draw=lambda done: drawing(done, groups),
            run=lambda p: running(p.groups_done, p.groups),
        )
        result = run_demo(out, groups=groups, seed=seed, threads=threads, steps=steps)
    study = result.study
    text: list[Any] = [headline_table(result.analysis)]
    if study.new_runs:
        text.append(f"{study.new_runs} runs in {study.seconds:.1f} s, {result.seconds_per_case:.2f} s a case.")
    text.append(f"The report is {result.report}")
    data = {"report": str(result.report), "cases": result.cases, **study_data(study), **result.analysis.to_dict()}
    return Result(data, text)


@app.command()
def generate(
    out: Annotated[
        Path,
        typer.Option(help="Folder to make. A call that was stopped goes on in it; anything else in it is refused."),
    ],
    kind: Annotated[Kind | None, typer.Argument(help="Which dataset, with its published settings.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with a dataset of your own: tiers, colours, shapes, texts, sizes.")
    ] = None,
    groups: Annotated[
        int | None,
        typer.Option(min=1, help="color: 14 pictures and 3 texts each; attribute: 4 and 4.  \\[default: 400; 300]"),
    ] = None,
    subset: Annotated[Subset | None, typer.Option(help="What attribute asks about.  \\[default: shape]")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same pixels and texts.  \\[default: 0]")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads that draw; all cores by default.")] = None,
) -> Result:
    """Make a dataset: images and manifest.parquet.

    Example:  modalconflict generate color --groups 20 --seed 1 --out data

    Example:  modalconflict generate attribute --subset material --groups 30 --out solids

    Example:  modalconflict generate --config study.toml --out data
    """
    from modalconflict.datasets.config import GENERATORS, from_config

    given: dict[str, Any] = {"groups": groups, "seed": seed, "subset": None if subset is None else subset.value}
    given = {name: value for name, value in given.items() if value is not None}
    if (kind is None) == (config is None):
        raise typer.BadParameter("name a dataset, or a TOML file by --config")
    if subset is not None and kind is Kind.color:
        raise typer.BadParameter("color has no subsets; leave out --subset")
    with bar("pictures", "groups") as advance:

        def progress(done: int) -> None:
            advance(done, groups or (_GROUPS[kind] if kind is not None else None))

        if config is not None:
            made = from_config(config, out=out, threads=threads, progress=progress, **given)
        else:
            assert kind is not None
            made = GENERATORS[kind.value](out=out, threads=threads, progress=progress, **given)
    return dataset_result(made)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="'pocket' (the embedded model), a folder, or a Hugging Face name.")],
    out: Annotated[Path, typer.Option(help="Bundle folder to make; absent or empty.")],
    dtype: Annotated[Dtype | None, typer.Option(help="Number format; the model's own by default.")] = None,
    runtime: Annotated[
        Runtime, typer.Option(help="What runs the programs; aoti compiles them for this machine and needs g++.")
    ] = Runtime.torchscript,
) -> Result:
    """Export a Hugging Face model to a bundle, checked against the original on the way.

    Example:  modalconflict export llava-hf/llava-1.5-7b-hf --dtype bfloat16 --out llava.bundle
    """
    from modalconflict.export import export_path

    with stages("export") as advance:
        bundle = export_path(model, out, None if dtype is None else dtype.value, advance, runtime.value)
    family, layers = bundle.manifest["family"], bundle.sizes["layers"]
    data = {"path": str(out), "family": family, "layers": layers, "sha256": bundle.sha256}
    return Result(data, [f"{out}: {family}, {layers} layers, sha256 {bundle.sha256[:16]}"])


@app.command()
def prepare(
    model: Annotated[Path, typer.Option(help="Bundle whose tokenizer and image processor are used.")],
    data: Annotated[Path, typer.Option(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="Folder to make: one case pack a group.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many groups.")] = None,
) -> Result:
    """Write case packs, which a C++ program can run without Python ('run' prepares by itself).

    Example:  modalconflict prepare --model pocket.bundle --data data --out packs
    """
    from modalconflict.runner.packs import write_packs

    with bar("packs", "groups") as advance:
        packs = write_packs(model, data, out, limit=limit, progress=advance)
    return Result({"path": str(out), "packs": len(packs)}, [f"{len(packs)} packs in {out}"])
