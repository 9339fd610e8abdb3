"""The contact sheet: groups × image tiers in one picture, to be looked at by a person."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from modalconflict.datasets.dataset import Dataset
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.pixels import read_image

MAX_GROUPS = 60
_THUMB = (112, 84)  # pixels: 4 : 3, as the easy tiers of Color Recognition
_GAP = 8
_HEAD = 32
_CAPTION = 46
_FEW_TIERS = 6  # so many stand in double size
_COLUMNS = 6  # of groups with one picture each
_INK, _SOFT, _LINE = (22, 24, 29), (86, 93, 105), (227, 228, 224)
_COLUMNS_READ = ["group", "d_v", "d_t", "image", "text", "answer_text", "answer_vision", "target"]


def contact_sheet(dataset: Dataset, groups: int = 6, out: str | Path | None = None) -> Image.Image:
    """Show some groups of a dataset: one row a group, one column an image tier, both answers above.

    Parameters
    ----------
    dataset : Dataset
        Groups of one picture each stand side by side instead.
    groups : int
        How many, 1 to 60, spread evenly over the dataset.
    out : path, optional
        A ``.png`` file to write, replaced if it is there.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    InvalidArgument
        If `groups` is out of range or `out` is no .png file.
    IoError
        If a picture cannot be read or the file cannot be written.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.color_recognition(groups=2).contact_sheet(groups=2).mode
    'RGB'
    """
    if not 1 <= groups <= MAX_GROUPS:
        raise InvalidArgument(f"groups is {groups}; a contact sheet shows 1 to {MAX_GROUPS}")
    target = None if out is None else Path(out)
    if target is not None and target.suffix.lower() != ".png":
        raise InvalidArgument(f"the contact sheet '{target}' is no .png file; name one, such as sheet.png")
    chosen = _chosen(dataset, groups)
    tiers = sorted({tier for group in chosen.values() for tier in group["pictures"]})
    sheet = _side_by_side(dataset, chosen) if len(tiers) == 1 else _in_rows(dataset, chosen, tiers)
    if target is not None:
        _save(sheet, target)
    return sheet


def _chosen(dataset: Dataset, groups: int) -> dict[int, dict[str, Any]]:
    """Evenly spread groups: their pictures by tier, answers and easiest text."""
    numbers = dataset.groups
    groups = min(groups, len(numbers))
    wanted = {numbers[i * len(numbers) // groups] for i in range(groups)}
    found: dict[int, dict[str, Any]] = {}
    optional = [name for name in ("control",) if name in dataset.column_names]
    for batch in dataset.batches([*_COLUMNS_READ, *optional]):
        for row in batch.to_pylist():
            if row["group"] in wanted:
                group = found.setdefault(row["group"], {"pictures": {}, **row})
                group["pictures"].setdefault(row["d_v"], row["image"])
                if row["d_t"] < group["d_t"]:
                    group.update(d_t=row["d_t"], text=row["text"], answer_text=row["answer_text"])
    return dict(sorted(found.items()))


def _in_rows(dataset: Dataset, chosen: dict[int, dict[str, Any]], tiers: list[int]) -> Image.Image:
    size = _THUMB if len(tiers) > _FEW_TIERS else (2 * _THUMB[0], 2 * _THUMB[1])
    pictures = {
        (number, tier): _thumbnail(dataset.path / image, size)
        for number, group in chosen.items()
        for tier, image in group["pictures"].items()
    }
    left, lefts = _GAP, {}
    for tier in tiers:
        lefts[tier] = left
        left += _GAP + max(picture.width for (_, of), picture in pictures.items() if of == tier)
    row = _CAPTION + max(picture.height for picture in pictures.values()) + 2 * _GAP
    sheet = Image.new("RGB", (max(left, 480), _HEAD + len(chosen) * row), "white")
    draw = ImageDraw.Draw(sheet)
    for tier in tiers:
        draw.text((lefts[tier], 6), f"d_v {tier}", _SOFT, _font(11))
    for place, (number, group) in enumerate(chosen.items()):
        top = _HEAD + place * row
        _caption(draw, (_GAP, top), sheet.width - 2 * _GAP, number, group)
        for tier in group["pictures"]:
            _paste(sheet, pictures[number, tier], (lefts[tier], top + _CAPTION))
    return sheet


def _side_by_side(dataset: Dataset, chosen: dict[int, dict[str, Any]]) -> Image.Image:
    columns = min(_COLUMNS, len(chosen))
    cell = (2 * _THUMB[0], 2 * _THUMB[1])
    rows = -(-len(chosen) // columns)
    height = _CAPTION + cell[1] + 2 * _GAP
    sheet = Image.new("RGB", (_GAP + columns * (cell[0] + _GAP), _GAP + rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (number, group) in enumerate(chosen.items()):
        left, top = _GAP + place % columns * (cell[0] + _GAP), _GAP + place // columns * height
        _caption(draw, (left, top), cell[0], number, group)
        picture = _thumbnail(dataset.path / next(iter(group["pictures"].values())), cell)
        _paste(sheet, picture, (left, top + _CAPTION))
    return sheet


def _caption(draw: ImageDraw.ImageDraw, at: tuple[int, int], width: int, number: int, group: dict[str, Any]) -> None:
    answers = f"image: {group['answer_vision']}  ·  text: {group['answer_text']}"
    what = group["target"] or f"group {number}"
    control = group.get("control", "none")
    if control != "none":
        answers += f"  ·  {control.replace('_', ' ')}"
    headline = f"{what}  ·  {answers}"
    if draw.textlength(headline, _font(14)) > width:  # the answers are what the picture is looked at for
        headline = answers
    draw.text(at, _fitted(draw, headline, width, 14), _INK, _font(14))
    draw.text((at[0], at[1] + 20), _fitted(draw, group["text"], width, 12), _SOFT, _font(12))


def _thumbnail(path: Path, size: tuple[int, int]) -> Image.Image:
    picture = read_image(path, path.name)
    picture.thumbnail(size, Image.Resampling.LANCZOS)
    return picture


def _paste(sheet: Image.Image, picture: Image.Image, at: tuple[int, int]) -> None:
    left, top = at
    ImageDraw.Draw(sheet).rectangle((left - 1, top - 1, left + picture.width, top + picture.height), outline=_LINE)
    sheet.paste(picture, at)


def _fitted(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    """The text in one line, cut where it would leave the column."""
    text = re.sub(r"[\s\x00-\x1f]", " ", text[:1000])
    if draw.textlength(text, _font(size)) <= width:
        return text
    while text and draw.textlength(text + "…", _font(size)) > width:
        text = text[: max(0, len(text) - 1 - len(text) // 20)]
    return text + "…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    import matplotlib

    # Pillow's own face knows little beyond Latin
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def _save(sheet: Image.Image, target: Path) -> None:
    partial = target.with_name(target.name + ".part")
    try:
        # no palette: it would leave out the colour of a small figure, which is what the picture is looked at for
        sheet.save(partial, "PNG", optimize=True)
        os.replace(partial, target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise IoError(f"cannot write '{target}': {error.strerror or error}; choose another place") from None
