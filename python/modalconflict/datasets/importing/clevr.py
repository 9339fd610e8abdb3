"""CLEVR: scenes of a real CLEVR folder, chosen by the tier rules of Attribute Recognition."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.cells import Place
from modalconflict.datasets.importing.rows import read_json_array
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records.files import file_sha256

SHAPES = ("sphere", "cube", "cylinder")
MATERIALS = ("metal", "rubber")
SIZES = ("large", "small")
COLORS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
_KNOWN = {"shape": SHAPES, "material": MATERIALS, "size": SIZES, "color": COLORS}
# (fewest objects, most objects, the target's size), d_v 0 first.
TIERS: tuple[tuple[int, int | None, str], ...] = (
    (3, 4, "large"),
    (6, 8, "large"),
    (6, 8, "small"),
    (10, None, "small"),
)
# Published shares of the answers: 100 groups a shape; 160 metal and 140 rubber.
_SHARES = {"shape": (1, 1, 1), "material": (8, 7)}
_VALUES = {"shape": SHAPES, "material": MATERIALS}
_LABELS = {"image": "image_filename"}


@dataclass(frozen=True, slots=True)
class _Scene:
    """What choosing needs of a scene; a real folder has 15,000."""

    row: int
    filename: str
    objects: int
    alone: Mapping[str, tuple[str, str, str]]  # colour of exactly one object: its shape, material, size
    absent: frozenset[str]  # colours of none


@dataclass(frozen=True)
class _Group:
    value: str  # what the pictures show
    color: str
    absent: tuple[str, str]  # colours that none of them has, for the texts' other objects
    scenes: tuple[_Scene, ...]  # one a tier


def from_clevr(
    path: str | Path,
    *,
    out: str | Path,
    subset: str = "shape",
    groups: int = 300,
    seed: int = 0,
    split: str = "val",
    link: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Import a CLEVR folder as Attribute Recognition: its scenes, this package's groups, questions and texts.

    Parameters
    ----------
    path : path
        ``CLEVR_v1.0`` with ``images/<split>/`` and ``scenes/CLEVR_<split>_scenes.json``, or a folder with ``images/`` and
        ``scenes.json``, as :func:`modalconflict.datasets.attribute_recognition` writes it.
    out : path
        Folder to make; absent or empty.
    subset : {"shape", "material"}
        What is asked about.
    groups : int
        300 as published: 100 a shape, or 160 metal and 140 rubber.
    seed : int
        Chooses among the scenes that fit, and the texts.
    split : str
        Of CLEVR; its "val" has 15,000 scenes.
    link : bool
        Hard-link image files instead of copying them, where the file system can.
    progress : callable, optional
        Called with the number of scenes read.

    Returns
    -------
    Dataset
        Four pictures a group: d_v 0 has 3-4 objects and a large target, 1 has 6-8 and a large one, 2 has 6-8 and a small one,
        3 has 10 or more and a small one. Each picture has exactly one object of the asked colour, all four show the same
        answer, and no picture stands in two groups. Four texts each, as the generator makes them.

    Raises
    ------
    InvalidArgument
        If an argument is out of range, a scene is not CLEVR's (named by its row), or too few scenes fit.
    IoError
        If a file is missing or unreadable, or the folder cannot be written.

    Notes
    -----
    CLEVR draws each object's size by itself, so scenes of small objects alone hardly exist: "large" and "small" are read as the
    target's size. How much of the target is visible is not recorded by CLEVR and stays empty.

    References
    ----------
    Johnson et al. (2017), CLEVR: A Diagnostic Dataset for Compositional Language and Elementary Visual Reasoning (arXiv
    1612.06890).

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.from_clevr("CLEVR_v1.0", subset="material", out="clevr")        # doctest: +SKIP
    """
    if subset not in _VALUES:
        raise InvalidArgument(f"subset '{subset}' is not known; choose one of {', '.join(_VALUES)}")
    if not 1 <= groups <= 1_000_000:
        raise InvalidArgument(f"groups is {groups}; give 1 to 1000000")
    if not 0 <= seed < 2**63:
        raise InvalidArgument(f"seed is {seed}; it must lie within 0 and 2^63 - 1")
    scenes_file, images = _places(Path(path), split)
    scenes = []
    for row, record in read_json_array(scenes_file, "scenes.item"):
        scenes.append(_scene(record, scenes_file.name, row))
        if progress is not None:
            progress(row + 1)
    chosen = _choose(scenes, subset, groups, seed, scenes_file.name)
    identity = {
        "format": "clevr",
        "subset": subset,
        "groups": groups,
        "seed": seed,
        "source": scenes_file.name,
        "source_sha256": file_sha256(scenes_file),
    }
    options = ImportOptions(out, images, link)
    rows = _rows(chosen, subset, groups, seed)
    return build_dataset(rows, _LABELS, scenes_file.name, f"clevr_{subset}", options, identity)


def _places(folder: Path, split: str) -> tuple[Path, Path]:
    if not split or not split.replace("_", "").isalnum():
        raise InvalidArgument(f"split '{split[:50]}' is no split's name; give val, train or test")
    for scenes, images in (
        (folder / "scenes" / f"CLEVR_{split}_scenes.json", folder / "images" / split),
        (folder / "scenes.json", folder / "images"),
    ):
        if os.path.isfile(scenes) and os.path.isdir(images):
            return scenes, images
    raise IoError(
        f"'{folder}' is no CLEVR folder: it lacks scenes/CLEVR_{split}_scenes.json with images/{split}, and scenes.json with "
        "images; name the unpacked CLEVR_v1.0"
    )


def _scene(record: Mapping[str, Any], source: str, row: int) -> _Scene:
    filename = record.get("image_filename")
    if not isinstance(filename, str) or not filename:
        raise Place(source, row, "image_filename").error("the value is missing; give the scene's image")
    objects = record.get("objects")
    if not isinstance(objects, list):
        raise Place(source, row, "objects").error("this is no list of objects; give CLEVR's scenes.json")
    by_color: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for number, one in enumerate(objects):
        values: dict[str, str] = {}
        for key, known in _KNOWN.items():
            value = one.get(key) if isinstance(one, Mapping) else None
            if isinstance(value, str) and value in known:
                values[key] = value
            else:
                raise Place(source, row, f"objects[{number}].{key}").error(
                    f"{str(value)[:50]!r} is none of {', '.join(known)}; give CLEVR's scenes.json"
                )
        by_color[values["color"]].append((values["shape"], values["material"], values["size"]))
    alone = {color: found[0] for color, found in by_color.items() if len(found) == 1}
    return _Scene(row, filename, len(objects), alone, frozenset(COLORS) - frozenset(by_color))


def _choose(scenes: list[_Scene], subset: str, groups: int, seed: int, source: str) -> list[_Group]:
    """As many groups as asked, the answers balanced, no scene twice; scarce tiers choose first."""
    order = sorted(scenes, key=lambda scene: _hash(seed, "scene", scene.filename))
    fitting = [_fitting(order, tier, subset) for tier in TIERS]
    used: set[int] = set()
    groups_of = {
        (value, color): _groups(value, color, [tier[value, color] for tier in fitting], used, seed)
        for value in _VALUES[subset]
        for color in COLORS
    }
    found: list[_Group] = []
    turns = {value: 0 for value in _VALUES[subset]}
    for value in itertools.islice(itertools.cycle(_round(subset)), groups):
        for _ in COLORS:  # each colour in its turn
            color = COLORS[turns[value] % len(COLORS)]
            turns[value] += 1
            group = next(groups_of[value, color], None)
            if group is not None:
                found.append(group)
                break
        else:
            raise InvalidArgument(
                f"'{source}' has scenes for {len(found)} groups of the {subset} subset, not for {groups}: none is left for the "
                f"answer '{value}'; ask for fewer groups or use a larger split"
            )
    return found


def _fitting(
    scenes: list[_Scene], tier: tuple[int, int | None, str], subset: str
) -> dict[tuple[str, str], list[_Scene]]:
    """Scenes of a tier by (answer, colour) of what may be asked about."""
    fewest, most, wanted = tier
    found: dict[tuple[str, str], list[_Scene]] = defaultdict(list)
    for scene in scenes:
        if fewest <= scene.objects and (most is None or scene.objects <= most):
            for color, (shape, material, size) in scene.alone.items():
                if size == wanted:
                    found[shape if subset == "shape" else material, color].append(scene)
    return found


def _groups(value: str, color: str, tiers: list[list[_Scene]], used: set[int], seed: int) -> Iterator[_Group]:
    """Groups of one answer and colour, while the scenes last."""
    for hardest in tiers[-1]:
        if hardest.row in used:
            continue
        pairs = sorted(
            itertools.combinations(sorted(hardest.absent), 2), key=lambda pair: _hash(seed, hardest.filename, *pair)
        )
        for pair in pairs:
            scenes = [_first(tier, pair, used) for tier in tiers[:-1]]
            complete = [scene for scene in scenes if scene is not None]
            if len(complete) == len(scenes) and len({scene.row for scene in complete}) == len(complete):
                used.update(scene.row for scene in (*complete, hardest))
                yield _Group(value, color, pair, (*complete, hardest))
                break


def _first(scenes: list[_Scene], absent: tuple[str, str], used: set[int]) -> _Scene | None:
    return next((s for s in scenes if s.row not in used and s.absent.issuperset(absent)), None)


def _round(subset: str) -> list[str]:
    """The answers of consecutive groups, so that any number of them is as near to the published shares as can be."""
    values, shares = _VALUES[subset], _SHARES[subset]
    total = sum(shares)
    found: list[str] = []
    for turn in range(total):
        lacks = [share * (turn + 1) / total - found.count(value) for value, share in zip(values, shares, strict=True)]
        found.append(values[lacks.index(max(lacks))])
    return found


def _rows(chosen: list[_Group], subset: str, groups: int, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    from modalconflict import _dataset

    options = _dataset.AttributeRecognitionOptions(subset=subset, groups=groups, seed=seed)
    for number, found in enumerate(chosen):
        others = [value for value in _VALUES[subset] if value != found.value]
        answer = others[number // len(_VALUES[subset]) % len(others)]
        things = _dataset.attribute_entities(answer)
        group = _dataset.AttributeGroup(
            index=number,
            color=found.color,
            helper=found.absent[0],
            second=found.absent[1],
            answer_vision=found.value,
            answer_text=answer,
            entity=things[int(_hash(seed, "entity", number), 16) % len(things)],
        )
        texts = [_dataset.attribute_text(options, group, d_t) for d_t in range(len(options.texts))]
        for d_v, scene in enumerate(found.scenes):
            for d_t, (text, paraphrase, entity) in enumerate(texts):
                yield (
                    scene.row,
                    {
                        "image": scene.filename,
                        "text": text,
                        "text_paraphrase": paraphrase,
                        "question": _dataset.attribute_question(options, group),
                        "answer_text": answer,
                        "answer_vision": found.value,
                        "group": number,
                        "d_v": d_v,
                        "d_t": d_t,
                        "target": _dataset.attribute_target(group),
                        "attribute": subset,
                        "entity": entity,
                        "distractors": scene.objects - 1,
                    },
                )


def _hash(seed: int, *parts: object) -> str:
    """A number that is the same in every release of Python, unlike those of its own generator."""
    return hashlib.sha256("\x00".join(map(str, (seed, *parts))).encode()).hexdigest()
