"""An image as a list of patches of any number: the inputs of Qwen's vision towers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from modalconflict.errors import ModelError
from modalconflict.image_inputs import ImageInputs, image_inputs_maker
from modalconflict.patch_grids import PatchGrid


@image_inputs_maker("patches")
def patches(processed: Mapping[str, Any], size: tuple[int, int], settings: Mapping[str, Any]) -> ImageInputs:
    """Patches (n, values) with the numbers the tower needs of each, as ``settings`` ask for.

    ``merge`` is the side of the square of patches that becomes one row; ``window``, where the tower attends in windows,
    a window's side in rows; ``position_grid``, where positions are learned on a grid, that grid's side.
    """
    pixels = np.ascontiguousarray(processed["pixel_values"], dtype=np.float32)
    frames, rows, columns = np.asarray(processed["image_grid_thw"]).reshape(-1, 3)[0].tolist()
    merge = int(settings["merge"])
    if frames != 1 or rows % merge or columns % merge or rows * columns != len(pixels):
        raise ModelError(
            f"The processor makes {len(pixels)} patches in {frames} x {rows} x {columns}, which the model cannot merge by "
            f"{merge}; use the processor that belongs to the model."
        )
    grid = PatchGrid(rows, columns, merge)
    tensors: dict[str, Any] = {"pixel_values": pixels, "patch_places": grid.places()}
    if settings.get("window"):
        tensors["window_patches"], tensors["window_places"] = grid.windows(int(settings["window"]))
    if settings.get("position_grid"):
        tensors["grid_points"], tensors["grid_weights"] = grid.interpolation(int(settings["position_grid"]))
    return ImageInputs(tensors, grid.tokens, grid)
