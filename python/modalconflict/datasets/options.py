"""Settings of the generated datasets that a study may vary; the defaults are the paper's.

Every class can be made from a mapping, as a TOML table gives one, by :func:`from_mapping`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from modalconflict.errors import InvalidArgument

CONTROLS = ("text_irrelevant", "image_irrelevant", "blank_image")
ORDERS = ("image_first", "text_first")

T = TypeVar("T")


@dataclass(frozen=True)
class VisionTier:
    """How hard the images of one visual tier are.

    Attributes
    ----------
    width, height : int
        Canvas in pixels, 16 to 8192; models resize, so figures on a small one blur as well as shrink.
    target_side_min, target_side_max : int
        The target's side in pixels, both ends included; at most the shorter side of the canvas less 4.
    distractor_side_min, distractor_side_max : int
        The other figures' sides.
    distractors : int
        Figures beside the target, 0 to 1000.
    occlusion_percent : int
        Share of the distractors that overlap the target, rounded half up to a count.
    separate : bool
        No two figures touch; only with occlusion_percent 0.

    Examples
    --------
    >>> import modalconflict as mc
    >>> small = mc.datasets.VisionTier(128, 128, 20, 30, 10, 20, distractors=4, occlusion_percent=50)
    >>> data = mc.datasets.color_recognition(groups=1, tiers=[small])
    >>> data.table["occluded_count"].to_pylist()
    [2, 2, 2]
    """

    width: int
    height: int
    target_side_min: int
    target_side_max: int
    distractor_side_min: int = 8
    distractor_side_max: int = 16
    distractors: int = 0
    occlusion_percent: int = 0
    separate: bool = False


@dataclass(frozen=True)
class NamedColor:
    """A colour that may be an answer.

    Attributes
    ----------
    name : str
        One lower-case word, for models answer in one word.
    rgb : tuple of int
        Red, green, blue, 0 to 255; not nearly white, and apart from the other colours.
    entities : tuple of str
        Things known for the colour, with their article and without any colour's name: "a ripe tomato". Needed where a text tier has
        {thing}.
    """

    name: str
    rgb: tuple[int, int, int]
    entities: tuple[str, ...] = ()


@dataclass(frozen=True)
class SolidTier:
    """How hard the images of one visual tier of Attribute Recognition are.

    Attributes
    ----------
    objects_min, objects_max : int
        Objects in a picture, both ends included, 1 to 40.
    large : bool
        Objects of CLEVR's size 0.7, or of 0.35.
    """

    objects_min: int
    objects_max: int
    large: bool = True


def from_mapping(kind: type[T], value: T | Mapping[str, Any], where: str) -> T:
    """Return ``value`` itself, or an instance of ``kind`` made from a mapping.

    Parameters
    ----------
    kind
        One of this module's dataclasses.
    value
        An instance, or a mapping from its field names.
    where
        Name of the argument, for messages: "tiers[2]".

    Raises
    ------
    InvalidArgument
        Naming a field that is unknown or missing.
    """
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"{where} is a {type(value).__name__}; give a {kind.__name__} or a table of its fields")
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for name in value:
        if name not in known:
            raise InvalidArgument(f"{where} has no field '{name}'; its fields are {', '.join(known)}")
    for name, field in known.items():
        if field.default is MISSING and name not in value:
            raise InvalidArgument(f"{where} lacks the field '{name}'; give it")
    return kind(**value)


def checked_names(values: Iterable[str], known: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the names as a tuple, each known and given once.

    Raises
    ------
    InvalidArgument
        Naming the argument and the value.
    """
    if isinstance(values, str):
        values = (values,)
    names = tuple(values)
    for name in names:
        if name not in known:
            raise InvalidArgument(f"{where}: '{name}' is not known; choose from {', '.join(known)}")
    if len(set(names)) < len(names):
        raise InvalidArgument(f"{where}: '{next(n for n in names if names.count(n) > 1)}' stands twice; give it once")
    return names
