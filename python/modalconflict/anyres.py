"""Images of any resolution: one tile for the whole, tiles for its parts, and the order in which their rows are read.

LLaVA-NeXT cuts an enlarged image into tiles, puts the tiles' features back on one grid, drops the padding, and ends
every line of the grid with a newline's row. All of that depends on the image's own size, and all of it is a choice of
rows: so it is an index list, made here. LLaVA-OneVision also shrinks a grid that would be too long, by bilinear
interpolation: four rows and four weights for each row of the result.

References
----------
Liu, Li, Li, Li, Zhang, Shen & Lee (2024), LLaVA-NeXT: improved reasoning, OCR, and world knowledge.
Li, Zhang, Guo, Zhang, Li, Zhang, Zhang, Zhang, Li, Liu & Li (2024), LLaVA-OneVision, arXiv 2408.03326.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from modalconflict.errors import ModelError
from modalconflict.image_inputs import ImageInputs, image_inputs_maker, tiles_of

IntArray = npt.NDArray[np.int64]


def best_resolution(size: tuple[int, int], resolutions: list[list[int]]) -> tuple[int, int]:
    """Return the resolution that keeps most of an image's pixels and, among such, wastes least.

    Parameters
    ----------
    size
        The image's height and width.
    resolutions
        Pairs (height, width).

    Examples
    --------
    >>> best_resolution((900, 300), [[336, 672], [672, 336], [672, 672]])
    (672, 336)
    """
    height, width = size

    def merit(candidate: list[int]) -> tuple[int, int]:
        scale = min(candidate[1] / width, candidate[0] / height)
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - candidate[0] * candidate[1]

    best = max(resolutions, key=merit)
    return best[0], best[1]


def unpadded(grid: IntArray, size: tuple[int, int]) -> IntArray:
    """Return a grid (rows, columns, …) without the lines that hold only the padding of an image of that size."""
    rows, columns = grid.shape[:2]
    height, width = size
    if width / height > columns / rows:
        kept = int(round(height * (columns / width), 7))
        padding = (rows - kept) // 2
        return grid[padding : rows - padding]
    kept = int(round(width * (rows / height), 7))
    padding = (columns - kept) // 2
    return grid[:, padding : columns - padding]


def tile_grid(size: tuple[int, int], settings: Mapping[str, Any], tiles: int) -> IntArray:
    """Return the rows of the tiles' features on the image's grid, padding dropped.

    Parameters
    ----------
    size
        The image's height and width.
    settings
        ``tile`` (a tile's side in pixels), ``side`` (in patches) and ``resolutions``.
    tiles
        Tiles the processor made, the whole image's included.

    Returns
    -------
    numpy.ndarray
        Shape (rows, columns), numbers of rows in the features of all tiles, one tile after the other.

    Raises
    ------
    ModelError
        If the processor made another number of tiles.
    """
    side = int(settings["side"])
    height, width = best_resolution(size, settings["resolutions"])
    down, across = height // int(settings["tile"]), width // int(settings["tile"])
    if tiles != down * across + 1:
        raise ModelError(
            f"The processor cuts an image of {size[1]} x {size[0]} pixels into {tiles} tiles and the model expects "
            f"{down * across + 1}; use the processor that belongs to the model."
        )
    numbers = np.arange(side * side, tiles * side * side, dtype=np.int64).reshape(down, across, side, side)
    return unpadded(numbers.transpose(0, 2, 1, 3).reshape(down * side, across * side), size)


@image_inputs_maker("anyres")
def anyres(processed: Mapping[str, Any], size: tuple[int, int], settings: Mapping[str, Any]) -> ImageInputs:
    """LLaVA-NeXT: ``image_rows`` [rows] picks from the tiles' features, behind which the newline's row stands."""
    pixels = tiles_of(processed)
    tile_rows = int(settings["side"]) ** 2
    newline = len(pixels) * tile_rows
    base = np.arange(tile_rows, dtype=np.int64)
    if len(pixels) == 1:
        rows = np.append(base, newline)
    else:
        grid = tile_grid(size, settings, len(pixels))
        rows = np.concatenate([base, np.pad(grid, ((0, 0), (0, 1)), constant_values=newline).ravel()])
    return ImageInputs({"pixel_values": pixels, "image_rows": rows}, len(rows))


def bilinear(length: int, wanted: int) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """Return the two source lines (wanted, 2) and their weights (wanted, 2) of bilinear resizing, as torch does it."""
    scale = np.float32(length) / np.float32(wanted)
    source = np.maximum((np.arange(wanted, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5), 0)
    low = np.minimum(source.astype(np.int64), length - 1)
    upper = np.clip(source - low.astype(np.float32), 0, 1).astype(np.float32)
    lines = np.stack([low, np.minimum(low + 1, length - 1)], axis=1)
    return lines, np.stack([np.float32(1) - upper, upper], axis=1)


@image_inputs_maker("anyres_max")
def anyres_max(processed: Mapping[str, Any], size: tuple[int, int], settings: Mapping[str, Any]) -> ImageInputs:
    """LLaVA-OneVision: ``image_rows`` and ``image_weights`` [rows, 4], a weighted sum for each row of the result."""
    pixels = tiles_of(processed)
    side = int(settings["side"])
    newline = len(pixels) * side * side

    def plain(rows: IntArray) -> tuple[IntArray, npt.NDArray[np.float32]]:
        four = np.repeat(rows.reshape(-1, 1), 4, axis=1)
        return four, np.tile(np.array([1, 0, 0, 0], np.float32), (len(four), 1))

    pieces = [plain(np.arange(side * side, dtype=np.int64))]
    if len(pixels) == 1:
        pieces.append(plain(np.array([newline])))
    else:
        grid = tile_grid(size, settings, len(pixels))
        height, width = grid.shape
        ratio = math.sqrt(height * width / (int(settings["max_tiles"]) * side**2))
        if ratio > 1.1:
            rows, weights = _resized(grid, int(height // ratio), int(width // ratio))
        else:
            rows, weights = plain(grid)
            rows, weights = rows.reshape(height, width, 4), weights.reshape(height, width, 4)
        ends = np.full((len(rows), 1, 4), newline), np.tile(np.array([1, 0, 0, 0], np.float32), (len(rows), 1, 1))
        lines = (np.concatenate([rows, ends[0]], axis=1), np.concatenate([weights, ends[1]], axis=1))
        pieces.append((lines[0].reshape(-1, 4), lines[1].reshape(-1, 4)))
    rows = np.concatenate([piece[0] for piece in pieces]).astype(np.int64)
    weights = np.concatenate([piece[1] for piece in pieces]).astype(np.float32)
    return ImageInputs({"pixel_values": pixels, "image_rows": rows, "image_weights": weights}, len(rows))


def _resized(grid: IntArray, height: int, width: int) -> tuple[IntArray, npt.NDArray[np.float32]]:
    """Return rows and weights (height, width, 4) of a grid resized bilinearly."""
    lines, line_weights = bilinear(grid.shape[0], height)
    columns, column_weights = bilinear(grid.shape[1], width)
    rows = grid[lines[:, None, :, None], columns[None, :, None, :]]
    weights = line_weights[:, None, :, None] * column_weights[None, :, None, :]
    return rows.reshape(height, width, 4), weights.reshape(height, width, 4)
