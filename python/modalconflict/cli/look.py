"""Commands that look at a dataset: contact-sheet, card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from modalconflict.cli.app import app
from modalconflict.cli.rules import Result


@app.command()
def contact_sheet(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("sheet.png"),
    groups: Annotated[int, typer.Option(min=1, help="Groups to show, spread over the dataset.")] = 6,
) -> Result:
    """Show groups × image tiers in one picture, to be looked at.

    Example:  modalconflict contact-sheet data --groups 6 --out sheet.png
    """
    from modalconflict import datasets

    sheet = datasets.load(data).contact_sheet(groups, out)
    data_out = {"path": str(out), "width": sheet.width, "height": sheet.height}
    return Result(data_out, [f"{out}: {sheet.width} × {sheet.height} pixels"])


@app.command()
def card(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("card.html"),
    title: Annotated[str | None, typer.Option(help="Of the page; the dataset's name by default.")] = None,
) -> Result:
    """Write a data card: counts, balance, texts' lengths, occlusion as measured, example pictures, on one HTML page.

    Example:  modalconflict card data --out card.html
    """
    from modalconflict import datasets

    loaded = datasets.load(data)
    page = datasets.card(loaded, out, title)
    return Result(lambda: {"path": str(page), **datasets.summary(loaded)}, [f"The card is {page}"])
