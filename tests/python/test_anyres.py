"""Tiles of any resolution: index lists against transformers' own cutting, unpadding and interpolating."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.image_processing_utils import select_best_resolution
from transformers.models.llava_next.modeling_llava_next import LlavaNextModel
from transformers.models.llava_onevision.modeling_llava_onevision import LlavaOnevisionModel

from modalconflict.anyres import anyres, anyres_max, best_resolution, bilinear
from modalconflict.errors import ModelError
from modalconflict.image_inputs import make_image_inputs

TILE, SIDE, WIDTH = 8, 4, 3
RESOLUTIONS = [[8, 16], [16, 8], [16, 16], [8, 24], [24, 8], [32, 32], [8, 48]]
SETTINGS = {"tile": TILE, "side": SIDE, "resolutions": RESOLUTIONS, "max_tiles": 3}
sizes = st.tuples(st.integers(1, 900), st.integers(1, 900))


def theirs(
    kind: Any, size: tuple[int, int], features: torch.Tensor, newline: torch.Tensor, **more: Any
) -> torch.Tensor:
    config = SimpleNamespace(
        image_grid_pinpoints=RESOLUTIONS, vision_config=SimpleNamespace(image_size=TILE, patch_size=TILE // SIDE)
    )
    packed, _ = kind.pack_image_features(
        SimpleNamespace(config=config), [features], torch.tensor([size]), image_newline=newline, **more
    )
    return packed[0]


def example(size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    height, width = select_best_resolution(size, RESOLUTIONS)
    tiles = height // TILE * (width // TILE) + 1
    generator = torch.Generator().manual_seed(tiles)
    features = torch.randn(tiles, SIDE * SIDE, WIDTH, generator=generator)
    return features, torch.randn(WIDTH, generator=generator), {"pixel_values": np.zeros((1, tiles, 3, TILE, TILE))}


@given(sizes)
def test_best_resolution_is_transformers(size: tuple[int, int]) -> None:
    assert list(best_resolution(size, RESOLUTIONS)) == list(select_best_resolution(size, RESOLUTIONS))


@given(sizes)
@settings(deadline=None)
def test_next_rows_are_the_packed_features(size: tuple[int, int]) -> None:
    features, newline, processed = example(size)
    inputs = anyres(processed, size, SETTINGS)
    table = torch.cat([features.flatten(0, 1), newline[None]])
    expected = theirs(LlavaNextModel, size, features, newline, vision_feature_select_strategy="default")
    assert inputs.rows == len(expected)
    torch.testing.assert_close(table[inputs.tensors["image_rows"]], expected, atol=0, rtol=0)


@given(sizes)
@settings(deadline=None)
def test_onevision_sums_are_the_packed_features(size: tuple[int, int]) -> None:
    features, newline, processed = example(size)
    inputs = anyres_max(processed, size, SETTINGS)
    table = torch.cat([features.flatten(0, 1), newline[None]])
    weights = torch.from_numpy(inputs.tensors["image_weights"])
    ours = (table[inputs.tensors["image_rows"]] * weights[:, :, None]).sum(1)
    expected = theirs(LlavaOnevisionModel, size, features, newline, vision_aspect_ratio="anyres_max_3")
    assert inputs.rows == len(expected) == len(ours)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_some_of_these_grids_are_shrunk() -> None:
    _, _, processed = example((900, 900))
    weights = anyres_max(processed, (900, 900), SETTINGS).tensors["image_weights"]
    assert np.any((weights > 0) & (weights < 1)), "or the test above would compare copies only"
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)


@given(st.integers(1, 60), st.integers(1, 60))
@settings(deadline=None)
def test_bilinear_lines_are_torchs(length: int, wanted: int) -> None:
    line = torch.randn(1, 1, length, 1, generator=torch.Generator().manual_seed(length))
    lines, weights = bilinear(length, wanted)
    ours = (line[0, 0, :, 0][torch.from_numpy(lines)] * torch.from_numpy(weights)).sum(1)
    expected = torch.nn.functional.interpolate(line, [wanted, 1], mode="bilinear")[0, 0, :, 0]
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_one_tile_is_followed_by_one_newline() -> None:
    processed = {"pixel_values": np.zeros((1, 1, 3, TILE, TILE))}
    assert anyres(processed, (8, 8), SETTINGS).tensors["image_rows"].tolist() == list(range(17))
    inputs = anyres_max(processed, (8, 8), SETTINGS)
    assert inputs.tensors["image_rows"][:, 0].tolist() == list(range(17)) and inputs.rows == 17


def test_another_number_of_tiles_is_refused() -> None:
    processed = {"pixel_values": np.zeros((1, 4, 3, TILE, TILE))}
    with pytest.raises(ModelError, match="image of 8 x 16 pixels into 4 tiles and the model expects 3"):
        anyres(processed, (16, 8), SETTINGS)


def test_unknown_kind_and_padded_tiles_are_one_sentence() -> None:
    processed = {"pixel_values": np.zeros((1, 1, 3, 8, 8)), "pixel_attention_mask": np.zeros((1, 1, 8, 8))}
    with pytest.raises(ModelError, match=r"'spirals', which is not known \(known: anyres, anyres_max, .*tiles"):
        make_image_inputs(processed, (8, 8), {"kind": "spirals"})
    with pytest.raises(ModelError, match="pads within a tile"):
        make_image_inputs(processed, (8, 8), {"kind": "tiles", "tokens": 4})
