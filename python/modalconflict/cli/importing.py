"""`modalconflict import`: other people's conflict data, one subcommand a format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from modalconflict.cli.app import app
from modalconflict.cli.display import bar, dataset_result
from modalconflict.cli.make import Subset
from modalconflict.cli.rules import App, Result
from modalconflict.errors import InvalidArgument

imports = App(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Make a dataset of conflict data from elsewhere.

Every format ends in the same manifest. Pictures are decoded and checked on the way; a value that does not fit is named by file,
column and row.

Example:  modalconflict import table cases.csv --columns image=file --out data
""",
)
app.add_typer(imports, name="import")

Out = Annotated[Path, typer.Option(help="Folder to make; absent or empty.")]
Link = Annotated[bool, typer.Option("--link", help="Hard-link image files instead of copying them.")]
Skip = Annotated[
    bool, typer.Option("--skip-bad-rows", help="Leave out rows that do not fit, with reasons in skipped.jsonl.")
]
Command = Annotated[str | None, typer.Option(help='Added to each question, such as "Answer in one word."')]
Images = Annotated[Path | None, typer.Option(help="Folder that image paths begin at; the file's own by default.")]
ImagesNeeded = Annotated[Path, typer.Option(help="Folder with the images.")]
Columns = Annotated[
    list[str] | None,
    typer.Option("--columns", metavar="FIELD=COLUMN", help="Where a field stands; may be given several times."),
]
Name = Annotated[str, typer.Option(help="The dataset's name, part of every case_id.")]


def _columns(pairs: list[str] | None) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs or []:
        # commas part pairs, so that one option may hold several
        for one in pair.split(","):
            field, sign, column = one.partition("=")
            if not sign or not field.strip() or not column.strip():
                raise InvalidArgument(f"--columns '{one}' is no FIELD=COLUMN; write for example image=file_name")
            mapping[field.strip()] = column.strip()
    return mapping


def _make(importer: str, *arguments: Any, **options: Any) -> Result:
    from modalconflict import datasets

    with bar("import", "rows") as advance:
        made = getattr(datasets, importer)(*arguments, progress=lambda done: advance(done, None), **options)
    return dataset_result(made)


@imports.command()
def table(
    path: Annotated[Path, typer.Argument(help="Parquet, CSV, TSV, JSON or JSON Lines.")],
    out: Out,
    columns: Columns = None,
    images: Images = None,
    name: Name = "table",
    command: Command = None,
    link: Link = False,
    skip_bad_rows: Skip = False,
) -> Result:
    """Any table with image, text, question, answer_text and answer_vision; optional group, d_v, d_t and more.

    Example:  modalconflict import table cases.csv --columns image=file,text=caption --images photos --out data
    """
    options = {"out": out, "images": images, "name": name, "command": command}
    return _make("from_table", path, _columns(columns), **options, link=link, skip_bad_rows=skip_bad_rows)


@imports.command()
def mc2(
    path: Annotated[Path, typer.Argument(help="MC²'s JSON file.")],
    images: ImagesNeeded,
    out: Out,
    command: Command = "Answer in one word or a short phrase.",
    link: Link = False,
    skip_bad_rows: Skip = False,
) -> Result:
    """MC²: contexts that contradict COCO 2014 photographs.

    Example:  modalconflict import mc2 evaluate.json --images coco/val2014 --out mc2
    """
    return _make("from_mc2", path, images, out=out, command=command, link=link, skip_bad_rows=skip_bad_rows)


@imports.command()
def visual_counterfact(
    path: Annotated[Path, typer.Argument(help="color-….parquet or size-….parquet.")],
    out: Out,
    task: Annotated[str | None, typer.Option(help="color or size; told by the file's name if not given.")] = None,
    skip_bad_rows: Skip = False,
) -> Result:
    """Visual CounterFact: edited photographs that contradict what everybody knows.

    Example:  modalconflict import visual-counterfact color-00000-of-00001.parquet --out counterfact
    """
    return _make("from_visual_counterfact", path, out=out, task=task, skip_bad_rows=skip_bad_rows)


@imports.command()
def lmms_eval(
    path: Annotated[Path, typer.Argument(help="A sample log: …_samples_<task>.jsonl.")],
    images: ImagesNeeded,
    out: Out,
    columns: Columns = None,
    name: Name = "lmms_eval",
    command: Command = None,
    link: Link = False,
    skip_bad_rows: Skip = False,
) -> Result:
    """A sample log of lmms-eval, which has questions and true answers; --columns names where text and answer_text stand.

    Example:  modalconflict import lmms-eval samples.jsonl --columns text=doc.context,answer_text=doc.wrong --images pictures --out data
    """
    options = {"out": out, "images": images, "name": name, "command": command}
    return _make("from_lmms_eval", path, _columns(columns), **options, link=link, skip_bad_rows=skip_bad_rows)


@imports.command()
def vlmevalkit(
    path: Annotated[Path, typer.Argument(help="A benchmark's TSV file, pictures in base64.")],
    out: Out,
    columns: Columns = None,
    images: Images = None,
    name: Name = "vlmevalkit",
    command: Command = None,
    skip_bad_rows: Skip = False,
) -> Result:
    """A VLMEvalKit benchmark with a column for the text's answer; the text is its hint by default.

    Example:  modalconflict import vlmevalkit Conflict.tsv --columns answer_text=misleading --out data
    """
    options = {"out": out, "images": images, "name": name, "command": command}
    return _make("from_vlmevalkit", path, _columns(columns), **options, skip_bad_rows=skip_bad_rows)


@imports.command()
def clevr(
    path: Annotated[Path, typer.Argument(help="The unpacked CLEVR_v1.0, or a folder with images and scenes.json.")],
    out: Out,
    subset: Annotated[Subset, typer.Option(help="What is asked about.")] = Subset.shape,
    groups: Annotated[int, typer.Option(min=1, help="Groups: 4 pictures and 4 texts each.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Chooses among the scenes that fit, and the texts.")] = 0,
    split: Annotated[str, typer.Option(help="train or val.")] = "val",
    link: Link = False,
) -> Result:
    """A CLEVR folder: its pictures by the tiers of Attribute Recognition, with this package's questions and texts.

    Example:  modalconflict import clevr CLEVR_v1.0 --subset material --out clevr
    """
    options = {"out": out, "subset": subset.value, "groups": groups, "seed": seed, "split": split, "link": link}
    return _make("from_clevr", path, **options)
