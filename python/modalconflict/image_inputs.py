"""From one prepared image to what the vision program takes: a maker a kind of model.

A bundle names its maker and the maker's settings in ``prompt.image_inputs``. What depends on an image's own size is
computed here, once, and travels in the pack as index lists; the vision program itself knows no size but its tiles'.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.errors import ModelError
from modalconflict.patch_grids import PatchGrid

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class ImageInputs:
    """One image as the vision program takes it.

    Attributes
    ----------
    tensors
        The program's inputs by name; stored in a pack as ``NAME.i`` for image i. ``pixel_values`` is always one of them.
    rows
        Rows the language model reads in place of the image: as many as the prompt has image tokens.
    grid
        Where the rows stand in the image, for models whose positions say so (`modalconflict.patch_grids`).
    """

    tensors: dict[str, Array]
    rows: int
    grid: PatchGrid | None = None


Maker = Callable[[Mapping[str, Any], tuple[int, int], Mapping[str, Any]], ImageInputs]
"""``maker(processed, (height, width), settings)``: the processor's output for one image of that original size."""

_MAKERS: dict[str, Maker] = {}
# every module here registers its makers when imported
_MAKER_MODULES = ("anyres", "patches")


def image_inputs_maker(kind: str) -> Callable[[Maker], Maker]:
    """Return a decorator that makes a maker known under the name that bundles give in ``prompt.image_inputs.kind``.

    Examples
    --------
    >>> @image_inputs_maker("halves")
    ... def halves(processed, size, settings):
    ...     pixels = tiles_of(processed)
    ...     return ImageInputs({"pixel_values": pixels}, len(pixels) * settings["tokens"] // 2)
    """

    def keep(maker: Maker) -> Maker:
        _MAKERS[kind] = maker
        return maker

    return keep


def make_image_inputs(processed: Mapping[str, Any], size: tuple[int, int], settings: Mapping[str, Any]) -> ImageInputs:
    """Return what the vision program takes for one image.

    Parameters
    ----------
    processed
        The processor's output for this image alone.
    size
        The image's original height and width.
    settings
        The bundle's ``prompt.image_inputs``: "kind" and what that kind needs.

    Returns
    -------
    ImageInputs

    Raises
    ------
    ModelError
        If the kind is unknown, or the processor's output does not fit the model.
    """
    for name in _MAKER_MODULES:
        importlib.import_module(f"modalconflict.{name}")
    kind = settings["kind"]
    if kind not in _MAKERS:
        raise ModelError(
            f"The bundle prepares images as '{kind}', which is not known (known: {', '.join(sorted(_MAKERS))}); import "
            "the module that registers it, or use a newer modalconflict."
        )
    return _MAKERS[kind](processed, size, settings)


def tiles_of(processed: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Return a processor's ``pixel_values`` for one image as tiles (T, 3, H, W), float32."""
    pixels = np.asarray(processed["pixel_values"], dtype=np.float32)
    return np.ascontiguousarray(pixels.reshape(-1, *pixels.shape[-3:]))


@image_inputs_maker("tiles")
def tiles(processed: Mapping[str, Any], size: tuple[int, int], settings: Mapping[str, Any]) -> ImageInputs:
    """Tiles of one size, each giving ``settings["tokens"]`` rows, in order: most towers with a projector."""
    pixels = tiles_of(processed)
    mask = processed.get("pixel_attention_mask")
    if mask is not None and not np.asarray(mask).all():
        raise ModelError("The processor pads within a tile, which the exported vision tower does not mask; do not pad.")
    return ImageInputs({"pixel_values": pixels}, len(pixels) * int(settings["tokens"]))
