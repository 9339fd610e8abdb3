"""Commands that look at a dataset: contact-sheet, card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from modalconflict.cli.app import app


@app.command()
def contact_sheet(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("sheet.png"),
    groups: Annotated[int, typer.Option(min=1, help="Groups to show, spread over the dataset.")] = 6,
) -> None:
    """Show groups × image tiers in one picture, to be looked at.

    Example:  modalconflict contact-sheet data --groups 6 --out sheet.png
    """
    from modalconflict import datasets

    sheet = datasets.load(data).contact_sheet(groups, out)
    typer.echo(f"{out}: {sheet.width} × {sheet.height} pixels")


@app.command()
def card(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("card.html"),
    title: Annotated[str | None, typer.Option(help="Of the page; the dataset's name by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON and write no page.")] = False,
) -> None:
    """Write a data card: counts, balance, texts' lengths, occlusion as measured, example pictures, on one HTML page.

    Example:  modalconflict card data --out card.html
    """
    from modalconflict import datasets

    loaded = datasets.load(data)
    if as_json:
        typer.echo(json.dumps(datasets.summary(loaded), ensure_ascii=False, indent=1))
        return
    typer.echo(f"The card is {datasets.card(loaded, out, title)}")
