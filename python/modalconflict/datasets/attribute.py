"""Attribute Recognition: what shape, or what material, is the red object, if the picture and the text disagree?"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modalconflict.datasets.building import DatasetBuilder
from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.generating import check_common, converted, draw_blocks, output_folder, text_templates
from modalconflict.datasets.options import ORDERS, SolidTier, checked_names, from_mapping
from modalconflict.errors import InvalidArgument, IoError

NAME = "attribute_recognition"
SUBSETS = ("shape", "material")
SCENES_FILE = "scenes.json"
_INFO = {"split": "generated", "version": "1.0", "license": "as the program that made it", "date": ""}


def attribute_recognition(
    subset: str = "shape",
    groups: int = 300,
    seed: int = 0,
    out: str | Path | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    tiers: Iterable[SolidTier | Mapping[str, Any]] | None = None,
    texts: Iterable[Iterable[str]] | None = None,
    orders: Iterable[str] = ("image_first",),
    question: str | None = None,
    width: int = 480,
    height: int = 320,
    min_visible_fraction: float = 0.6,
    min_visible_pixels: int = 150,
    min_distance: float = 0.25,
    margin: float = 0.3,
    camera_jitter: float = 0.5,
    lamp_jitter: float = 1.0,
    lamp_radius: float = 0.7,
) -> Dataset:
    """Make one subset of the Attribute Recognition dataset: 4 image tiers and 4 conflicting texts a group.

    Pictures show spheres, cubes and cylinders of metal or rubber on a grey ground, in the manner of CLEVR. The question
    names the target by its colour, which no other object of the picture has.

    Parameters
    ----------
    subset : str
        "shape" or "material": what is asked about.
    groups : int
        300 is the published size: 100 a shape, or 160 metal and 140 rubber targets.
    seed : int
        The same seed gives the same pixels and texts on any machine, for any number of threads. At least 0.
    out : path, optional
        Folder to make; a temporary one by default. It must not hold anything else; a call that was killed is gone on with. Beside the
        manifest it gets a ``scenes.json`` in CLEVR's format, with 3-D and pixel coordinates and relations.
    threads : int, optional
        Threads that draw; all cores by default.
    progress : callable, optional
        Called with the number of groups done.
    tiers : iterable of SolidTier or mapping, optional
        Visual difficulty, d_v 0 first; 3-4 large, 6-8 large, 6-8 small and 10-12 small objects by default.
    texts : iterable of iterable of str, optional
        Textual difficulty, d_t 0 first: each tier's templates, at least two, with {target} and {claim} or {thing}, and, where they
        serve, {attribute}, {helper}, {second}, {beside} and {opposite}.
    orders : iterable of str
        "image_first", "text_first" or both; the second one's cases are groups of their own.
    question : str, optional
        With {target}, and {attribute} where it serves; it ends with the command.
    width, height : int
        Canvas in pixels, 64 to 4096.
    min_visible_fraction : float
        The target's least visible share, 0 to 1.
    min_visible_pixels : int
        Of every object.
    min_distance, margin : float
        Between objects, and between their centres along each axis of the ground, in CLEVR's units: a large object has radius 0.7.
    camera_jitter, lamp_jitter : float
        By how much each coordinate of the camera's and the lamps' places varies, in the same units.
    lamp_radius : float
        Softness of the shadows; 0 makes them hard.

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
    "When Modalities Conflict" (arXiv 2511.02243) describes the tiers; CLEVR (arXiv 1612.06890) how scenes are set up.

    Examples
    --------
    >>> import modalconflict as mc
    >>> data = mc.datasets.attribute_recognition("material", groups=1, seed=0)
    >>> len(data), data.table["question"][0].as_py()
    (16, 'What material is the brown object? Answer in one word.')
    """
    from modalconflict import _dataset

    check_common(groups, seed, threads)
    if subset not in SUBSETS:
        raise InvalidArgument(f"subset '{subset}' is not known; choose one of {', '.join(SUBSETS)}")
    settings = {
        "question": question,
        "width": width,
        "height": height,
        "min_visible_fraction": min_visible_fraction,
        "min_visible_pixels": min_visible_pixels,
        "min_distance": min_distance,
        "margin": margin,
        "camera_jitter": camera_jitter,
        "lamp_jitter": lamp_jitter,
        "lamp_radius": lamp_radius,
    }
    varied = _varied(tiers, texts, settings)
    fields = dict(varied)
    if "tiers" in fields:
        fields["tiers"] = [converted(_dataset.SolidTier, tier, f"tiers[{i}]") for i, tier in enumerate(fields["tiers"])]
    options = converted(
        _dataset.AttributeRecognitionOptions, {"subset": subset, "groups": groups, "seed": seed, **fields}, NAME
    )
    names = checked_names(orders, ORDERS, "orders")
    if not names:
        raise InvalidArgument("orders is empty; give image_first, text_first or both")
    described: dict[str, Any] = {"kind": NAME, "subset": subset, "groups": groups, "seed": seed, **varied}
    if names != ("image_first",):
        described["orders"] = list(names)
    folder = output_folder(out)
    builder = DatasetBuilder(folder, described)
    if not builder.finished:

        def rows(images: list[Any]) -> list[dict[str, Any]]:
            _write_group_scenes(folder, images, len(options.tiers))
            return _rows(options, images, names)

        draw_blocks(
            builder,
            groups,
            lambda step, first, count: _dataset.write_attribute_images(
                options, str(folder), threads or 0, step, first, count
            ),
            rows,
            progress,
        )
        _join_scenes(folder, groups)
        builder.finish()
    for number in range(groups):
        _group_file(folder, number).unlink(missing_ok=True)
    return Dataset(folder)


_PUBLISHED: dict[str, Any] = {
    "question": None,
    "width": 480,
    "height": 320,
    "min_visible_fraction": 0.6,
    "min_visible_pixels": 150,
    "min_distance": 0.25,
    "margin": 0.3,
    "camera_jitter": 0.5,
    "lamp_jitter": 1.0,
    "lamp_radius": 0.7,
}


def _varied(
    tiers: Iterable[SolidTier | Mapping[str, Any]] | None,
    texts: Iterable[Iterable[str]] | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """What differs from the published settings, in values that JSON can hold."""
    varied: dict[str, Any] = {}
    if tiers is not None:
        varied["tiers"] = [asdict(from_mapping(SolidTier, tier, f"tiers[{i}]")) for i, tier in enumerate(tiers)]
    if texts is not None:
        varied["texts"] = text_templates(texts)
    for name, value in settings.items():
        usual = _PUBLISHED[name]
        if value == usual:
            continue
        kinds = str if usual is None else (int, float) if isinstance(usual, float) else int
        if not isinstance(value, kinds) or isinstance(value, bool) or value != value:
            raise InvalidArgument(f"{name} is {value!r}; give a {'string' if usual is None else 'number'}")
        varied[name] = value
    return varied


def _rows(options: Any, images: list[Any], orders: tuple[str, ...]) -> list[dict[str, Any]]:
    """Manifest rows of some groups' pictures, group by group and within it order by order."""
    from modalconflict import _dataset

    rows: list[dict[str, Any]] = []
    for number, group_images in itertools.groupby(images, key=lambda image: image.group):
        pictures = list(group_images)
        group = _dataset.attribute_group(options, number)
        texts = [_dataset.attribute_text(options, group, d_t) for d_t in range(len(options.texts))]
        for place, order in enumerate(orders):
            prefix = f"{options.subset}/{number:05d}" + (f"/{order}" if place else "")
            for image, (d_t, (text, paraphrase, entity)) in itertools.product(pictures, enumerate(texts)):
                rows.append(
                    {
                        "case_id": f"{prefix}/v{image.d_v:02d}/t{d_t}",
                        "dataset": NAME,
                        "group": number + place * options.groups,
                        "d_v": image.d_v,
                        "d_t": d_t,
                        "image": image.path,
                        "image_width": image.scene.width,
                        "image_height": image.scene.height,
                        "text": text,
                        "text_paraphrase": paraphrase,
                        "question": _dataset.attribute_question(options, group),
                        "answer_text": group.answer_text,
                        "answer_vision": group.answer_vision,
                        "target": _dataset.attribute_target(group),
                        "attribute": options.subset,
                        "distractors": len(image.scene.objects) - 1,
                        "occlusion_rate": 0.0,  # none is asked for; objects hide each other as they happen to stand
                        "occluded_count": image.scene.overlapping,
                        "visible_fraction": image.scene.visible_fraction,
                        "text_words": len(text.split()),
                        "entity": entity,
                        "order": order,
                        "seed": options.seed,
                        "pixel_sha256": image.pixel_sha256,
                    }
                )
    return rows


def scene_record(image: Any, tiers: int) -> dict[str, Any]:
    """Describe a picture in CLEVR's terms.

    Parameters
    ----------
    image
        A row of ``write_attribute_images``.
    tiers
        Pictures a group, which number them.

    Returns
    -------
    dict
        An entry of ``scenes`` in CLEVR's scenes.json; coordinates are rounded to 6 digits.
    """
    scene = image.scene
    return {
        "image_index": image.group * tiers + image.d_v,
        "image_filename": image.path.removeprefix("images/"),
        "split": _INFO["split"],
        "objects": [
            {
                "shape": one.shape,
                "size": one.size,
                "material": one.material,
                "color": one.color,
                "3d_coords": _rounded(one.coords),
                "rotation": float(one.rotation),
                "pixel_coords": [round(pixel[0]), round(pixel[1]), round(pixel[2], 6)],
            }
            for one, pixel in zip(scene.objects, scene.pixel_coords, strict=True)
        ],
        "directions": {
            **{name: _rounded(axis) for name, axis in scene.directions.items()},
            "above": [0.0, 0.0, 1.0],
            "below": [0.0, 0.0, -1.0],
        },
        "relationships": scene.relationships,
    }


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 6) + 0.0 for value in values]  # + 0.0: no -0.0


def _group_file(folder: Path, number: int) -> Path:
    return folder / "images" / f"{number:05d}" / SCENES_FILE


def _write_group_scenes(folder: Path, images: list[Any], tiers: int) -> None:
    for number, pictures in itertools.groupby(images, key=lambda image: image.group):
        path = _group_file(folder, number)
        with _writing(path):
            path.write_text(",\n".join(json.dumps(scene_record(image, tiers)) for image in pictures), encoding="utf-8")


def _join_scenes(folder: Path, groups: int) -> None:
    """Write scenes.json from the groups' parts, one in memory at a time; it gets its name when it is whole."""
    path = folder / SCENES_FILE
    partial = folder / f"{SCENES_FILE}.part"
    with _writing(path, partial):
        with open(partial, "w", encoding="utf-8") as file:
            file.write(f'{{"info": {json.dumps(_INFO)},\n"scenes": [\n')
            for number in range(groups):
                file.write(_group_file(folder, number).read_text(encoding="utf-8"))
                file.write(",\n" if number + 1 < groups else "\n")
            file.write("]}\n")
        os.replace(partial, path)


@contextmanager
def _writing(path: Path, partial: Path | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise IoError(f"cannot write '{path}': {error.strerror or error}; check free space and permissions") from None
