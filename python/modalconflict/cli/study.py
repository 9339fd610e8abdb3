"""Commands that study: run, analyze, report, verify."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modalconflict.cli.app import app
from modalconflict.cli.display import bar, headline_table, study_data
from modalconflict.cli.rules import Result

if TYPE_CHECKING:
    from modalconflict.runner.study import StudyResult

_API = "A model behind a server"
_RAY = "A Ray cluster"


class TextKind(str, Enum):
    """Which of a case's two texts is used."""

    original = "original"
    paraphrase = "paraphrase"


class Order(str, Enum):
    """Order of image and text in the prompt."""

    image_first = "image_first"
    text_first = "text_first"


class Engine(str, Enum):
    """Where a study runs."""

    local = "local"
    ray = "ray"


class Cases(str, Enum):
    """Which cases the law is stated on."""

    both_correct = "both_correct"
    all = "all"


@app.command()
def run(
    out: Annotated[
        Path,
        typer.Option(
            help="Study folder: new or empty, or with --resume the same study. With --engine ray also s3://bucket/prefix."
        ),
    ],
    model: Annotated[Path | None, typer.Option(help="Bundle folder.")] = None,
    data: Annotated[Path | None, typer.Option(help="Dataset folder.")] = None,
    from_study: Annotated[Path | None, typer.Option("--from", help="Repeat what this study's own record says.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a study that stopped.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many groups.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Most runs in one pass through the layers.")] = None,
    text: Annotated[TextKind | None, typer.Option(help="Which text of each case.  \\[default: original]")] = None,
    order: Annotated[Order | None, typer.Option(help="Order of image and text; the dataset's by default.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer.  \\[default: 8]")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="Tokens kept a layer.  \\[default: 5]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda where torch has it.")] = "cpu",
    memory_limit: Annotated[
        float | None, typer.Option(help="Most memory for the model, in GiB; a larger model is read layer by layer.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first case that fails.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Skip the bundle's checksums.")] = False,
    tuned_lens: Annotated[
        Path | None, typer.Option(help="Folder of a tuned lens; its layers are read through their translators.")
    ] = None,
    index: Annotated[
        list[str] | None,
        typer.Option(
            help="Index recorded besides: normalized_entropy, perplexity, energy, renyi:ORDER, tsallis:ORDER."
        ),
    ] = None,
    engine: Annotated[
        Engine, typer.Option(help="local: this process; ray: a cluster's workers.", rich_help_panel=_RAY)
    ] = Engine.local,
    address: Annotated[
        str | None,
        typer.Option(help="Of the cluster; RAY_ADDRESS or this machine alone by default.", rich_help_panel=_RAY),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="One a node, or one a GPU, by default.", rich_help_panel=_RAY)
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(help="Base URL of an OpenAI-compatible server, asked in place of a bundle.", rich_help_panel=_API),
    ] = None,
    model_name: Annotated[str | None, typer.Option(help="The model's name there.", rich_help_panel=_API)] = None,
    api_key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the key.", rich_help_panel=_API)
    ] = "OPENAI_API_KEY",
    vocabulary: Annotated[
        int | None, typer.Option(help="The model's number of tokens, for an upper bound.", rich_help_panel=_API)
    ] = None,
    top_logprobs: Annotated[
        int, typer.Option(help="Tokens asked for at the first position.", rich_help_panel=_API)
    ] = 20,
    concurrency: Annotated[int, typer.Option(help="Requests under way at a time.", rich_help_panel=_API)] = 4,
    timeout: Annotated[float, typer.Option(help="Seconds a request may take.", rich_help_panel=_API)] = 60.0,
    attempts: Annotated[int, typer.Option(help="Times a busy or failing server is asked.", rich_help_panel=_API)] = 5,
) -> Result:
    """Run a model over a dataset: one record a run, one part a finished group.

    A case that fails gets its message as status and the study goes on; --strict stops instead.

    Example:  modalconflict run --model pocket.bundle --data data --out study

    After a stop:  modalconflict run --model pocket.bundle --data data --out study --resume

    A server:  modalconflict run --api http://localhost:8000/v1 --model-name llava --data data --out study
    """
    from modalconflict.runner import run as run_study
    from modalconflict.runner.study import Options, rerun_options

    if api is not None or model_name is not None:
        if api is None or model_name is None or data is None:
            raise typer.BadParameter("a study over HTTP needs --api, --model-name and --data")
        if model is not None or from_study is not None:
            raise typer.BadParameter("give --model (a bundle) or --api (a server), not both")
        from modalconflict.api import run as run_api

        with bar("runs", "groups") as advance:
            asked = run_api(
                api,
                model_name,
                data,
                out,
                key=os.environ.get(api_key_env),
                text=text.value if text else "original",
                order=order.value if order else None,
                max_new_tokens=max_new_tokens or 8,
                top_logprobs=top_logprobs,
                vocabulary=vocabulary,
                limit=limit,
                resume=resume,
                strict=strict,
                concurrency=concurrency,
                timeout=timeout,
                attempts=attempts,
                progress=lambda p: advance(p.groups_done, p.groups),
            )
        return _what_was_run(asked, out)
    options = Options()
    if from_study is not None:
        bundle, folder, options = rerun_options(from_study)
        model, data = model or Path(bundle), data or Path(folder)
    if model is None or data is None:
        raise typer.BadParameter("give --model and --data, or --from STUDY")
    if options.lens != "logit" and tuned_lens is None:
        raise typer.BadParameter("that study read by a tuned lens; name its folder by --tuned-lens")
    with bar("runs", "groups") as advance:
        result = run_study(
            model,
            data,
            out,
            text=text.value if text else options.text,
            order=order.value if order else options.order,
            max_new_tokens=max_new_tokens or options.max_new_tokens,
            top_k=top_k or options.top_k,
            batch_size=batch_size or options.batch_size,
            limit=limit,
            resume=resume,
            strict=strict,
            trust=trust,
            threads=threads,
            device=device,
            memory_limit=options.memory_limit if memory_limit is None else memory_limit,
            tuned_lens=tuned_lens,
            indices=index if index is not None else options.indices,
            engine=engine.value,
            address=address,
            workers=workers,
            progress=lambda p: advance(p.groups_done, p.groups),
        )
    return _what_was_run(result, out)


def _what_was_run(result: StudyResult, out: Path) -> Result:
    failed = f", {result.failed} failed (see the column 'status')" if result.failed else ""
    this = f"this call: {result.new_runs} runs in {result.seconds:.1f} s"
    return Result(study_data(result), [f"{result.runs} runs of {result.groups} groups in {out}{failed}; {this}"])


@app.command()
def analyze(
    records: Annotated[list[Path], typer.Argument(help="Study folders, or .parquet or .csv tables.")],
    out: Annotated[Path, typer.Option(help="Folder for summary.json and the tables.")],
    uncertainty: Annotated[str, typer.Option(help="Column of the uncertainty index.")] = "entropy",
    level: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    cases: Annotated[
        Cases, typer.Option(help="Cases whose two unimodal answers are both correct, or all conflicts.")
    ] = Cases.both_correct,
    bin_width: Annotated[float, typer.Option(help="Width of the bins of the relative uncertainty.")] = 0.25,
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
) -> Result:
    """Compute rates, relative uncertainty, balance point, tiers and oscillations.

    Example:  modalconflict analyze study --uncertainty entropy --out analysis

    A table with the columns case_id, h_text, h_vision and outcome is enough.
    """
    from modalconflict.analysis import analyze as analyze_records

    result = analyze_records(
        records,
        uncertainty=uncertainty,
        level=level,
        cases=cases.value,
        bin_width=bin_width,
        replicates=replicates,
        random_state=seed,
        out=out,
    )
    summary = out / "summary.json"
    return Result({"path": str(summary), **result.to_dict()}, [headline_table(result), str(summary)])


@app.command()
def report(
    sources: Annotated[list[Path], typer.Argument(help="Analysis or study folders; several stand side by side.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
) -> Result:
    """Write one self-contained HTML page.

    Example:  modalconflict report analysis --out report.html
    """
    from modalconflict.reporting import report as write_report

    page = write_report(list(sources), out, title=title)
    return Result({"path": str(page), "bytes": page.stat().st_size}, [str(page)])


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="A bundle, a study, or a table of records.")],
) -> Result:
    """Check a bundle or records: checksums, lens against logits, batch invariance.

    Example:  modalconflict verify pocket.bundle
    """
    from modalconflict.runner.verification import verify as verify_path

    checks = verify_path(path)  # lazy: each line is printed as its check passes
    return Result(lambda: {"path": str(path), "checks": list(checks)}, checks)
