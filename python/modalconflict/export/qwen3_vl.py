"""Qwen3-VL: learned positions read between the points of a grid, and features of early tower blocks added in the decoder.

DeepStack: what the tower holds after some of its blocks is merged, too, and added to the states of the image's tokens behind
the decoder's first layers.

References
----------
Qwen team (2025), Qwen3-VL technical report, arXiv 2511.21631.
Meng et al. (2024), DeepStack: deeply stacking visual tokens is surprisingly simple and effective for LMMs, arXiv 2406.04334.
"""

from __future__ import annotations

from typing import Any

import torch

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts
from modalconflict.export.qwen import PatchTower, qwen_parts
from modalconflict.export.registry import register


class DeepStackTower(PatchTower):
    """The last block's features and those of earlier ones, each through a merger of its own."""

    def __init__(self, tower: Any) -> None:
        super().__init__(tower)
        self.pos_embed = tower.pos_embed
        self.depths = list(tower.deepstack_visual_indexes)
        self.deep_mergers = tower.deepstack_merger_list

    def forward(
        self,
        pixel_values: torch.Tensor,
        patch_places: torch.Tensor,
        grid_points: torch.Tensor,
        grid_weights: torch.Tensor,
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Patches (n, values), their places (n, 2), points of the grid and weights (n, 4) to rows (tokens, d), each."""
        angles = self.angles(patch_places)
        x = self.patch_embed(pixel_values)
        x = x + (self.pos_embed(grid_points) * grid_weights[:, :, None]).sum(1).to(x.dtype)
        injected = {}
        for index, block in enumerate(self.blocks):
            x = self.block(block, x, angles)
            if index in self.depths:
                number = self.depths.index(index)
                injected[number] = self.deep_mergers[number](x)
        rows: torch.Tensor = self.merger(x)
        return (rows, *(injected[number] for number in range(len(self.depths)))) if injected else rows


@register("qwen3_vl")
def qwen3_vl(model: Any, processor: Any) -> ModelParts:
    """Take a ``Qwen3VLForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.Qwen3VLForConditionalGeneration
    processor : transformers.Qwen3VLProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the processor does not belong to the model, or its learned positions are read otherwise than bilinearly.
    """
    tower = model.model.visual
    mode = getattr(tower, "interpolation_mode", "bilinear"), getattr(tower, "interpolation_align_corners", True)
    if mode != ("bilinear", True):
        raise ModelError(
            f"The tower reads its learned positions by {mode[0]} interpolation, which the recipe does not know."
        )
    return qwen_parts(
        model,
        processor,
        vision=DeepStackTower(tower),
        settings={"position_grid": int(model.config.vision_config.num_position_embeddings**0.5)},
        inject=tuple(range(1, 1 + len(tower.deepstack_visual_indexes))),
    )
