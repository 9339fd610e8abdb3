"""What towers over patches of any number read besides pixels, and positions in time, height and width.

Qwen's vision towers see one image as a list of patches, sorted by squares of ``merge`` x ``merge`` patches that become
one image token. Where each patch stands, which patches share an attention window and where between the points of a
learned grid it lies follow from the image's numbers of rows and columns alone; they are computed here, at preparation,
and are inputs of the vision program, so that one program serves every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PatchGrid:
    """One image as rows and columns of patches.

    Attributes
    ----------
    rows, columns
        Patches; multiples of `merge`.
    merge
        Side of the square of patches that becomes one image token.

    Examples
    --------
    >>> grid = PatchGrid(2, 4, 2)
    >>> grid.places().tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3], [1, 2], [1, 3]]
    >>> grid.tokens
    2
    """

    rows: int
    columns: int
    merge: int

    @property
    def token_rows(self) -> int:
        """Rows of image tokens."""
        return self.rows // self.merge

    @property
    def token_columns(self) -> int:
        """Columns of image tokens."""
        return self.columns // self.merge

    @property
    def tokens(self) -> int:
        """Image tokens."""
        return self.token_rows * self.token_columns

    def places(self) -> IntArray:
        """Return each patch's row and column, shape (patches, 2)."""
        m = self.merge
        shape = (self.token_rows, m, self.token_columns, m)
        row, column = np.indices((self.rows, self.columns))
        return np.stack([axis.reshape(shape).swapaxes(1, 2).ravel() for axis in (row, column)], axis=-1).astype(
            np.int64
        )

    def windows(self, side: int) -> tuple[IntArray, IntArray]:
        """Cut the image into attention windows.

        Parameters
        ----------
        side
            A window's side, in image tokens; windows at the right and lower edge may be smaller.

        Returns
        -------
        window_patches : numpy.ndarray
            Shape (windows, side**2 * merge**2): the patches of each window, -1 behind the last.
        window_places : numpy.ndarray
            Shape (patches,): where each patch stands in the flattened `window_patches`.
        """
        row, column = np.indices((self.token_rows, self.token_columns)).reshape(2, -1)
        window = (row // side) * -(-self.token_columns // side) + column // side
        per_token = self.merge**2
        order = np.argsort(window, kind="stable")
        sizes = np.bincount(window)
        rank = np.arange(self.tokens) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        token_places = np.empty(self.tokens, np.int64)
        token_places[order] = window[order] * side**2 + rank
        window_places = (token_places[:, None] * per_token + np.arange(per_token)).ravel()
        window_patches = np.full(len(sizes) * side**2 * per_token, -1, np.int64)
        window_patches[window_places] = np.arange(len(window_places))
        return window_patches.reshape(len(sizes), -1), window_places

    def interpolation(self, side: int) -> tuple[IntArray, npt.NDArray[np.float32]]:
        """Place the patches in a learned grid of side x side positions, corner on corner.

        Returns
        -------
        grid_points : numpy.ndarray
            Shape (patches, 4): the flattened grid's points around each patch.
        grid_weights : numpy.ndarray
            Shape (patches, 4), float32: their bilinear weights.
        """
        axes = []
        for place, size in zip(self.places().T, (self.rows, self.columns), strict=True):
            at = place.astype(np.float32) * np.float32(side - 1) / np.float32(max(size - 1, 1))
            low = np.floor(at)
            share = at - low
            points = np.stack([low, low + 1], axis=-1).astype(np.int64).clip(0, side - 1)
            axes.append((points, np.stack([1 - share, share], axis=-1)))
        (rows, row_weights), (columns, column_weights) = axes
        points = (rows[:, :, None] * side + columns[:, None, :]).reshape(-1, 4)
        weights = (row_weights[:, :, None] * column_weights[:, None, :]).reshape(-1, 4)
        return points, weights.astype(np.float32)


def multimodal_positions(ids: npt.ArrayLike, image_token_id: int, grid: PatchGrid | None) -> IntArray:
    """Return a prompt's positions in time, height and width.

    Words advance in all three together. An image's tokens share one time and take their rows and columns; words go on
    behind the largest of these.

    Parameters
    ----------
    ids
        Shape (S,), image tokens in one block at their full count.
    image_token_id
        The image token.
    grid
        The image; None for a prompt without one.

    Returns
    -------
    numpy.ndarray
        Shape (3, S), int64.

    References
    ----------
    Wang et al. (2024), Qwen2-VL, arXiv:2409.12191, section 2.1 (multimodal rotary position embedding).

    Examples
    --------
    >>> multimodal_positions([5, 9, 9, 6], 9, PatchGrid(2, 4, 2)).tolist()
    [[0, 1, 1, 3], [0, 1, 1, 3], [0, 1, 2, 3]]
    """
    tokens = np.asarray(ids)
    positions = np.tile(np.arange(len(tokens), dtype=np.int64), (3, 1))
    if grid is None:
        return positions
    first = int(np.argmax(tokens == image_token_id))
    end = first + grid.tokens
    rows, columns = np.indices((grid.token_rows, grid.token_columns)).reshape(2, -1)
    positions[:, first:end] = first + np.stack([np.zeros_like(rows), rows, columns])
    positions[:, end:] += max(grid.token_rows, grid.token_columns) - grid.tokens
    return positions
