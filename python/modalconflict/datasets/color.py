"""Color Recognition: what colour is the circle, if the picture and the text disagree?"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modalconflict.datasets.building import DatasetBuilder
from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.generating import check_common, converted, draw_blocks, output_folder, text_templates
from modalconflict.datasets.options import CONTROLS, ORDERS, NamedColor, VisionTier, checked_names, from_mapping
from modalconflict.errors import InvalidArgument

NAME = "color_recognition"


def color_recognition(
    groups: int = 400,
    seed: int = 0,
    out: str | Path | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    tiers: Iterable[VisionTier | Mapping[str, Any]] | None = None,
    colors: Iterable[NamedColor | Mapping[str, Any]] | None = None,
    shapes: Iterable[str] | None = None,
    texts: Iterable[Iterable[str]] | None = None,
    question: str | None = None,
    min_visible_fraction: float = 0.6,
    controls: Iterable[str] = (),
    orders: Iterable[str] = ("image_first",),
) -> Dataset:
    """Make the Color Recognition dataset: 14 image tiers and 3 conflicting texts a group.

    Parameters
    ----------
    groups : int
        Each group has a target shape, a colour in its pictures and another in its texts. 400 is the published size:
        16,800 multimodal, 5,600 vision-only and 1,200 text-only runs.
    seed : int
        The same seed gives the same pixels and texts on any machine, for any number of threads. At least 0.
    out : path, optional
        Folder to make; a temporary one by default. It must not hold anything else; a call that was killed is gone on with.
    threads : int, optional
        Threads that draw; all cores by default.
    progress : callable, optional
        Called with the number of groups done.
    tiers : iterable of VisionTier or mapping, optional
        Visual difficulty, d_v 0 first; the published 14 by default.
    colors : iterable of NamedColor or mapping, optional
        Possible answers; red, yellow, blue, green, purple and orange by default. Three or more.
    shapes : iterable of str, optional
        Names of the shapes that are used; all by default. Three or more.
    texts : iterable of iterable of str, optional
        Textual difficulty, d_t 0 first: each tier's templates, at least two, with the placeholders {target}, {answer} or {thing},
        and {helper}.
    question : str, optional
        With {target}; it ends with the command.
    min_visible_fraction : float
        The target's least visible share, 0 to 1.
    controls : iterable of str
        Cases in which one modality has nothing to say, added as groups of their own: "text_irrelevant", "image_irrelevant",
        "blank_image". None by default, as published.
    orders : iterable of str
        "image_first", "text_first" or both; the second one's cases are groups of their own.

    Returns
    -------
    Dataset
        One row a case (d_v, d_t).

    Raises
    ------
    InvalidArgument
        Naming the argument, and the place in it, that is out of range.
    IoError
        If the folder holds something else or cannot be written.

    References
    ----------
    "When Modalities Conflict" (arXiv 2511.02243) describes the tiers; the reading of its table is documented.

    Examples
    --------
    >>> import modalconflict as mc
    >>> data = mc.datasets.color_recognition(groups=2, seed=0)
    >>> len(data), data.table["d_v"].to_pylist()[-1]
    (84, 13)
    """
    from modalconflict import _dataset

    check_common(groups, seed, threads)
    varied = _varied(tiers, colors, shapes, texts, question, min_visible_fraction)
    options = _core_options(groups, seed, varied)
    blocks = _case_blocks(checked_names(controls, CONTROLS, "controls"), checked_names(orders, ORDERS, "orders"))
    folder = output_folder(out)
    described: dict[str, Any] = {"kind": NAME, "groups": groups, "seed": seed, **varied}
    if blocks != [("none", "image_first")]:
        described["cases"] = [list(block) for block in blocks]
    controlled = any(control != "none" for control, _ in blocks)
    builder = DatasetBuilder(folder, described, optional=("control",) if controlled else ())
    if builder.finished:
        return Dataset(folder)
    draw_blocks(
        builder,
        groups,
        lambda step, first, count: _dataset.write_color_images(options, str(folder), threads or 0, step, first, count),
        lambda images: _rows(options, folder, images, blocks),
        progress,
    )
    return builder.finish()


def _varied(
    tiers: Iterable[VisionTier | Mapping[str, Any]] | None,
    colors: Iterable[NamedColor | Mapping[str, Any]] | None,
    shapes: Iterable[str] | None,
    texts: Iterable[Iterable[str]] | None,
    question: str | None,
    min_visible_fraction: float,
) -> dict[str, Any]:
    """What differs from the published settings, in values that JSON can hold."""
    varied: dict[str, Any] = {}
    if tiers is not None:
        varied["tiers"] = [asdict(from_mapping(VisionTier, tier, f"tiers[{i}]")) for i, tier in enumerate(tiers)]
    if colors is not None:
        varied["colors"] = [asdict(from_mapping(NamedColor, color, f"colors[{i}]")) for i, color in enumerate(colors)]
    if shapes is not None:
        varied["shapes"] = list(shapes)
    if texts is not None:
        varied["texts"] = text_templates(texts)
    if question is not None:
        varied["question"] = question
    if min_visible_fraction != 0.6:
        varied["min_visible_fraction"] = min_visible_fraction
    return varied


def _core_options(groups: int, seed: int, varied: dict[str, Any]) -> Any:
    from modalconflict import _dataset

    fields = dict(varied)
    for name, kind in (("tiers", _dataset.VisionTier), ("colors", _dataset.NamedColor)):
        if name in fields:
            fields[name] = [converted(kind, one, f"{name}[{i}]") for i, one in enumerate(fields[name])]
    return converted(_dataset.ColorRecognitionOptions, {"groups": groups, "seed": seed, **fields}, "color_recognition")


def _case_blocks(controls: tuple[str, ...], orders: tuple[str, ...]) -> list[tuple[str, str]]:
    """(control, order) of each block of cases; the first one's groups keep their numbers."""
    if not orders:
        raise InvalidArgument("orders is empty; give image_first, text_first or both")
    return [(control, order) for control in ("none", *controls) for order in orders]


def _rows(options: Any, folder: Path, images: list[Any], blocks: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Manifest rows of some groups' pictures, group by group and within it block by block."""
    from modalconflict import _dataset

    rows: list[dict[str, Any]] = []
    # Texts belong to the group, not to its pictures: made once.
    for number, group_images in itertools.groupby(images, key=lambda image: image.group):
        pictures = list(group_images)
        group = _dataset.color_group(options, number)
        for place, (control, order) in enumerate(blocks):
            texts = [_dataset.color_text(options, group, d_t, control) for d_t in range(len(options.texts))]
            shared = {
                "dataset": NAME,
                # Runs are shared inside a group, so cases with other texts or another order are a group of their own.
                "group": number + place * options.groups,
                "question": _dataset.color_question(options, group, control),
                "answer_text": group.answer_text,
                "answer_vision": group.answer_vision,
                "target": _dataset.color_target(options, group, control),
                "attribute": "color",
                "order": order,
                "seed": options.seed,
                "control": control,
            }
            parts = [
                "color",
                f"{number:05d}",
                *([control] if control != "none" else []),
                *([order] if place and order != blocks[0][1] else []),
            ]
            prefix = "/".join(parts)
            for shown in _shown(pictures, control, folder):
                for d_t, (text, paraphrase, entity) in enumerate(texts):
                    rows.append(
                        {
                            **shared,
                            **shown,
                            "case_id": f"{prefix}/v{shown['d_v']:02d}/t{d_t}",
                            "d_t": d_t,
                            "text": text,
                            "text_paraphrase": paraphrase,
                            "text_words": len(text.split()),
                            "entity": entity,
                        }
                    )
    return rows


def _shown(pictures: list[Any], control: str, folder: Path) -> Iterator[dict[str, Any]]:
    """Columns that tell of each picture that a control uses: all of them, or one empty canvas of each size."""
    blank: set[tuple[int, int]] = set()
    for image in pictures:
        columns = {
            "d_v": image.d_v,
            "image": image.path,
            "image_width": image.width,
            "image_height": image.height,
            "distractors": image.distractors,
            "occlusion_rate": image.occlusion_rate,
            "occluded_count": image.occluded_count,
            "visible_fraction": image.visible_fraction,
            "pixel_sha256": image.pixel_sha256,
        }
        absent = {"occlusion_rate": 0.0, "occluded_count": 0, "visible_fraction": 0.0}
        if control == "blank_image":
            size = (image.width, image.height)
            if size in blank:
                continue
            blank.add(size)
            name, sha256 = _blank_picture(folder, *size)
            yield {**columns, **absent, "image": name, "distractors": 0, "pixel_sha256": sha256}
        elif control == "image_irrelevant":
            yield {**columns, **absent, "distractors": image.distractors + 1}
        else:
            yield columns


def _blank_picture(folder: Path, width: int, height: int) -> tuple[str, str]:
    from modalconflict import _dataset

    name = f"images/blank-{width}x{height}.png"
    return name, _dataset.write_scene(_dataset.Scene(width, height, []), str(folder / name))
