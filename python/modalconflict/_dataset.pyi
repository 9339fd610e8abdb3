"""Controlled conflict datasets: scenes, pictures and texts from a seed."""

import collections.abc
import typing

import numpy
import numpy.typing

class SceneObject:
    """One flat figure; coordinates and side in 1/16 pixel."""
    def __init__(
        self,
        shape: str,
        color: str,
        center_x16: typing.SupportsInt | typing.SupportsIndex,
        center_y16: typing.SupportsInt | typing.SupportsIndex,
        side_x16: typing.SupportsInt | typing.SupportsIndex,
    ) -> None: ...
    @property
    def center_x16(self) -> int: ...
    @property
    def center_y16(self) -> int: ...
    @property
    def color(self) -> str:
        """Name of one of the six colours, or its hexadecimal value."""
    @property
    def rgb(self) -> tuple[int, int, int]: ...
    @property
    def shape(self) -> str: ...
    @property
    def side_x16(self) -> int: ...

class Scene:
    """Figures on a white canvas, drawn back to front."""
    def __init__(
        self,
        width: typing.SupportsInt | typing.SupportsIndex,
        height: typing.SupportsInt | typing.SupportsIndex,
        objects: collections.abc.Sequence[SceneObject],
        target: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    @property
    def height(self) -> int: ...
    @property
    def objects(self) -> list[SceneObject]: ...
    @property
    def target(self) -> int: ...
    @property
    def width(self) -> int: ...

class VisionTier:
    """How hard the images of one visual tier are; sides in pixels."""
    def __init__(
        self,
        *,
        width: typing.SupportsInt | typing.SupportsIndex,
        height: typing.SupportsInt | typing.SupportsIndex,
        target_side_min: typing.SupportsInt | typing.SupportsIndex,
        target_side_max: typing.SupportsInt | typing.SupportsIndex,
        distractor_side_min: typing.SupportsInt | typing.SupportsIndex,
        distractor_side_max: typing.SupportsInt | typing.SupportsIndex,
        distractors: typing.SupportsInt | typing.SupportsIndex,
        occlusion_percent: typing.SupportsInt | typing.SupportsIndex,
        separate: bool,
    ) -> None: ...
    @property
    def distractor_side_max(self) -> int: ...
    @property
    def distractor_side_min(self) -> int: ...
    @property
    def distractors(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def occlusion_percent(self) -> int: ...
    @property
    def separate(self) -> bool: ...
    @property
    def target_side_max(self) -> int: ...
    @property
    def target_side_min(self) -> int: ...
    @property
    def width(self) -> int: ...

class NamedColor:
    """A colour that may be an answer."""
    def __init__(
        self,
        name: str,
        rgb: typing.Annotated[collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex], "FixedSize(3)"],
        entities: collections.abc.Sequence[str],
    ) -> None: ...
    @property
    def entities(self) -> list[str]: ...
    @property
    def name(self) -> str: ...
    @property
    def rgb(self) -> tuple[int, int, int]: ...

class ColorRecognitionOptions:
    """Settings of the Color Recognition dataset."""
    def __init__(
        self,
        groups: typing.SupportsInt | typing.SupportsIndex = 400,
        seed: typing.SupportsInt | typing.SupportsIndex = 0,
        min_visible_fraction: typing.SupportsFloat | typing.SupportsIndex = 0.6,
        *,
        tiers: collections.abc.Sequence[VisionTier] = ...,
        colors: collections.abc.Sequence[NamedColor] = ...,
        shapes: collections.abc.Sequence[str] = ...,
        texts: collections.abc.Sequence[collections.abc.Sequence[str]] = ...,
        question: str = "What color is the {target}? Answer in one word.",
    ) -> None: ...
    @property
    def colors(self) -> list[NamedColor]: ...
    @property
    def groups(self) -> int: ...
    @property
    def min_visible_fraction(self) -> float: ...
    @property
    def question(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def shapes(self) -> list[str]: ...
    @property
    def texts(self) -> list[list[str]]: ...
    @property
    def tiers(self) -> list[VisionTier]: ...

class ColorGroup:
    """What a group's images and texts share."""
    @property
    def answer_text(self) -> str: ...
    @property
    def answer_vision(self) -> str: ...
    @property
    def entity(self) -> str: ...
    @property
    def helper(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def target(self) -> str: ...

class ColorImageRow:
    """One picture as it stands on disk."""
    @property
    def d_v(self) -> int: ...
    @property
    def distractors(self) -> int: ...
    @property
    def group(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def occluded_count(self) -> int: ...
    @property
    def occlusion_rate(self) -> float: ...
    @property
    def path(self) -> str: ...
    @property
    def pixel_sha256(self) -> str: ...
    @property
    def visible_fraction(self) -> float: ...
    @property
    def width(self) -> int: ...

class SolidTier:
    """How hard the images of one visual tier are."""
    def __init__(
        self,
        *,
        objects_min: typing.SupportsInt | typing.SupportsIndex,
        objects_max: typing.SupportsInt | typing.SupportsIndex,
        large: bool,
    ) -> None: ...
    @property
    def large(self) -> bool: ...
    @property
    def objects_max(self) -> int: ...
    @property
    def objects_min(self) -> int: ...

class AttributeRecognitionOptions:
    """Settings of the Attribute Recognition dataset."""
    def __init__(
        self,
        subset: str = "shape",
        groups: typing.SupportsInt | typing.SupportsIndex = 300,
        seed: typing.SupportsInt | typing.SupportsIndex = 0,
        *,
        width: typing.SupportsInt | typing.SupportsIndex = 480,
        height: typing.SupportsInt | typing.SupportsIndex = 320,
        tiers: collections.abc.Sequence[SolidTier] = ...,
        texts: collections.abc.Sequence[collections.abc.Sequence[str]] = ...,
        question: str = ...,
        min_visible_fraction: typing.SupportsFloat | typing.SupportsIndex = 0.6,
        min_visible_pixels: typing.SupportsInt | typing.SupportsIndex = 150,
        min_distance: typing.SupportsFloat | typing.SupportsIndex = 0.25,
        margin: typing.SupportsFloat | typing.SupportsIndex = 0.3,
        camera_jitter: typing.SupportsFloat | typing.SupportsIndex = 0.5,
        lamp_jitter: typing.SupportsFloat | typing.SupportsIndex = 1.0,
        lamp_radius: typing.SupportsFloat | typing.SupportsIndex = 0.7,
    ) -> None: ...
    @property
    def groups(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def subset(self) -> str: ...
    @property
    def texts(self) -> list[list[str]]: ...
    @property
    def tiers(self) -> list[SolidTier]: ...
    @property
    def width(self) -> int: ...

class SolidObject:
    """One solid on the ground; lengths in CLEVR's units."""
    @property
    def color(self) -> str: ...
    @property
    def coords(self) -> tuple[float, float, float]: ...
    @property
    def footprint(self) -> float: ...
    @property
    def material(self) -> str: ...
    @property
    def rotation(self) -> int: ...
    @property
    def shape(self) -> str: ...
    @property
    def size(self) -> str: ...

class AttributeScene:
    """A placed scene and what its picture holds of each object."""
    @property
    def directions(self) -> dict[str, tuple[float, float, float]]: ...
    @property
    def height(self) -> int: ...
    @property
    def objects(self) -> list[SolidObject]: ...
    @property
    def overlapping(self) -> int: ...
    @property
    def pixel_coords(self) -> list[tuple[float, float, float]]:
        """Column, row and depth of each object's centre."""
    @property
    def relationships(self) -> dict[str, list[list[int]]]: ...
    @property
    def target(self) -> int: ...
    @property
    def visible_fraction(self) -> float: ...
    @property
    def visible_pixels(self) -> list[int]:
        """Of each object."""
    @property
    def width(self) -> int: ...

class AttributeGroup:
    """What a group's images and texts share."""
    def __init__(
        self,
        *,
        index: typing.SupportsInt | typing.SupportsIndex,
        color: str,
        helper: str,
        second: str,
        answer_vision: str,
        answer_text: str,
        entity: str,
    ) -> None: ...
    @property
    def answer_text(self) -> str: ...
    @property
    def answer_vision(self) -> str: ...
    @property
    def color(self) -> str: ...
    @property
    def entity(self) -> str: ...
    @property
    def helper(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def second(self) -> str: ...

class AttributeImageRow:
    """One picture as it stands on disk, with its scene."""
    @property
    def d_v(self) -> int: ...
    @property
    def group(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def pixel_sha256(self) -> str: ...
    @property
    def scene(self) -> AttributeScene: ...

def attribute_entities(answer: str) -> list[str]:
    """Things of the world known for a shape or a material, with their article."""

def attribute_group(
    options: AttributeRecognitionOptions, index: typing.SupportsInt | typing.SupportsIndex
) -> AttributeGroup: ...
def attribute_question(options: AttributeRecognitionOptions, group: AttributeGroup) -> str: ...
def attribute_scene(
    options: AttributeRecognitionOptions, group: AttributeGroup, d_v: typing.SupportsInt | typing.SupportsIndex
) -> AttributeScene: ...
def attribute_target(group: AttributeGroup) -> str: ...
def attribute_text(
    options: AttributeRecognitionOptions, group: AttributeGroup, d_t: typing.SupportsInt | typing.SupportsIndex
) -> tuple[str, str, str]:
    """(text, paraphrase, entity) of a text tier."""

def color_group(options: ColorRecognitionOptions, index: typing.SupportsInt | typing.SupportsIndex) -> ColorGroup: ...
def color_question(options: ColorRecognitionOptions, group: ColorGroup, control: str = "none") -> str: ...
def color_scene(
    options: ColorRecognitionOptions, group: ColorGroup, d_v: typing.SupportsInt | typing.SupportsIndex
) -> Scene: ...
def color_target(options: ColorRecognitionOptions, group: ColorGroup, control: str = "none") -> str:
    """The shape that the question names."""

def color_text(
    options: ColorRecognitionOptions,
    group: ColorGroup,
    d_t: typing.SupportsInt | typing.SupportsIndex,
    control: str = "none",
) -> tuple[str, str, str]:
    """(text, paraphrase, entity) of a text tier; entity is empty where the tier names none."""

def entities(color: str) -> list[str]:
    """Things of the world known for a colour, with their article."""

def measure(scene: Scene) -> tuple[int, float]:
    """(distractors that overlap the target, visible share of the target's pixels)."""

def render(scene: Scene) -> numpy.typing.NDArray[numpy.uint8]:
    """Draw a scene: uint8 array of shape (height, width, 3), RGB."""

def render_attribute_scene(scene: AttributeScene) -> numpy.typing.NDArray[numpy.uint8]:
    """Draw a scene: uint8 array of shape (height, width, 3), RGB."""

def write_attribute_images(
    options: AttributeRecognitionOptions,
    folder: str,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    progress: collections.abc.Callable[[int], bool] | None = None,
    first: typing.SupportsInt | typing.SupportsIndex = 0,
    count: typing.SupportsInt | typing.SupportsIndex = -1,
) -> list[AttributeImageRow]: ...
def write_color_images(
    options: ColorRecognitionOptions,
    folder: str,
    threads: typing.SupportsInt | typing.SupportsIndex = 0,
    progress: collections.abc.Callable[[int], bool] | None = None,
    first: typing.SupportsInt | typing.SupportsIndex = 0,
    count: typing.SupportsInt | typing.SupportsIndex = -1,
) -> list[ColorImageRow]: ...
def write_scene(scene: Scene, path: str) -> str:
    """Draw a scene into a PNG file; returns the pixels' SHA-256."""

COLORS: collections.abc.Sequence[str]
COLOR_TEXT_TIERS: int = 3
COLOR_VISION_TIERS: int = 14
CONTROLS: collections.abc.Sequence[str]
SHAPES: collections.abc.Sequence[str]
SUBPIXELS: int = 16
