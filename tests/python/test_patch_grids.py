"""Places, windows, learned positions and positions of time, height and width against transformers' own functions."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.vision_utils import (
    get_vision_interpolation_indices_and_weights,
    get_vision_position_ids,
    get_vision_window_index,
)

from modalconflict.errors import ModelError
from modalconflict.image_inputs import make_image_inputs
from modalconflict.patch_grids import PatchGrid, multimodal_positions
from tiny_qwen import QWEN_FAMILIES, tiny_qwen

sides = st.integers(1, 9)


@given(sides, sides, st.integers(1, 3))
def test_places_are_those_of_transformers(rows: int, columns: int, merge: int) -> None:
    grid = PatchGrid(rows * merge, columns * merge, merge)
    theirs = get_vision_position_ids(torch.tensor([[1, grid.rows, grid.columns]]), merge)
    np.testing.assert_array_equal(grid.places(), theirs)
    assert grid.tokens == rows * columns


@given(sides, sides, st.integers(1, 3), st.integers(1, 4))
def test_windows_hold_the_patches_that_transformers_puts_together(
    rows: int, columns: int, merge: int, side: int
) -> None:
    grid = PatchGrid(rows * merge, columns * merge, merge)
    patches, places = grid.windows(side)
    order, ends = get_vision_window_index(
        torch.tensor([[1, grid.rows, grid.columns]]), merge, window_size=side * merge * 5, patch_size=5
    )
    tokens = (order[:, None] * merge**2 + torch.arange(merge**2)).flatten().tolist()
    theirs = [tokens[begin:end] for begin, end in pairwise(ends.tolist())]
    assert [[patch for patch in window if patch >= 0] for window in patches.tolist()] == theirs
    assert patches.shape[1] == side**2 * merge**2
    np.testing.assert_array_equal(patches.ravel()[places], np.arange(rows * columns * merge**2))
    held = (patches >= 0).sum(1)
    assert all((row[:n] >= 0).all() for row, n in zip(patches, held, strict=True)), "what is missing stands behind"


@given(sides, sides, st.integers(1, 3), st.integers(2, 7))
def test_learned_positions_are_read_as_transformers_reads_them(rows: int, columns: int, merge: int, side: int) -> None:
    grid = PatchGrid(rows * merge, columns * merge, merge)
    points, weights = grid.interpolation(side)
    table = torch.randn(side * side, 3, generator=torch.Generator().manual_seed(0))
    theirs = get_vision_interpolation_indices_and_weights(
        torch.tensor([[1, grid.rows, grid.columns]]), side, "bilinear", True, merge
    )
    read = [(table[torch.as_tensor(p)] * torch.as_tensor(w)[:, :, None]).sum(1) for p, w in ((points, weights), theirs)]
    torch.testing.assert_close(read[0], read[1], atol=1e-5, rtol=0)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert weights.dtype == np.float32


@cache
def inner_model(family: str) -> Any:
    return tiny_qwen(family)[0].model


@pytest.mark.parametrize("family", QWEN_FAMILIES)
@given(st.integers(0, 5), sides, sides, st.integers(0, 5))
def test_positions_are_the_models_own(family: str, before: int, rows: int, columns: int, after: int) -> None:
    grid = PatchGrid(2 * rows, 2 * columns, 2)
    ids = torch.tensor([[1] * before + [9] * grid.tokens + [2] * after])
    theirs, _ = inner_model(family).get_rope_index(
        ids, mm_token_type_ids=(ids == 9).int(), image_grid_thw=torch.tensor([[1, grid.rows, grid.columns]])
    )
    np.testing.assert_array_equal(multimodal_positions(ids[0], 9, grid), theirs[:, 0])


def test_a_text_counts_on() -> None:
    assert multimodal_positions([4, 5, 6], 9, None).tolist() == [[0, 1, 2]] * 3


@pytest.mark.parametrize(
    ("patches", "grid", "found"),
    [
        (6, (1, 2, 3), "6 patches in 1 x 2 x 3"),
        (8, (2, 2, 2), "8 patches in 2 x 2 x 2"),
        (7, (1, 2, 4), "7 patches in"),
    ],
)
def test_patches_that_cannot_be_merged_are_refused(patches: int, grid: tuple[int, ...], found: str) -> None:
    processed = {"pixel_values": np.zeros((patches, 12)), "image_grid_thw": np.array([grid])}
    with pytest.raises(ModelError, match=found):
        make_image_inputs(processed, (20, 30), {"kind": "patches", "merge": 2})


def test_only_what_the_tower_takes_is_made() -> None:
    processed = {"pixel_values": np.zeros((8, 12)), "image_grid_thw": np.array([[1, 2, 4]])}
    plain = make_image_inputs(processed, (20, 30), {"kind": "patches", "merge": 2})
    assert list(plain.tensors) == ["pixel_values", "patch_places"] and plain.rows == 2
    more = make_image_inputs(processed, (20, 30), {"kind": "patches", "merge": 2, "window": 3, "position_grid": 4})
    assert list(more.tensors)[2:] == ["window_patches", "window_places", "grid_points", "grid_weights"]
