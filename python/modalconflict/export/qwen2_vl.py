"""Qwen2-VL: a tower over any number of patches, four patches a token, a Qwen2 decoder with multimodal rotary positions.

References
----------
Wang et al. (2024), Qwen2-VL: enhancing vision-language model's perception of the world at any resolution, arXiv 2409.12191.
"""

from __future__ import annotations

from typing import Any

import torch

from modalconflict.export.parts import ModelParts
from modalconflict.export.qwen import PatchTower, qwen_parts
from modalconflict.export.registry import register


class Qwen2Tower(PatchTower):
    """Every block attends to the whole image."""

    def forward(self, pixel_values: torch.Tensor, patch_places: torch.Tensor) -> torch.Tensor:
        """Patches (n, values) and their rows and columns (n, 2) to the language model's rows (tokens, d)."""
        angles = self.angles(patch_places)
        x = self.patch_embed(pixel_values)
        for block in self.blocks:
            x = self.block(block, x, angles)
        rows: torch.Tensor = self.merger(x)
        return rows


@register("qwen2_vl")
def qwen2_vl(model: Any, processor: Any) -> ModelParts:
    """Take a ``Qwen2VLForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.Qwen2VLForConditionalGeneration
    processor : transformers.Qwen2VLProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the processor does not belong to the model.
    """
    return qwen_parts(model, processor, vision=Qwen2Tower(model.model.visual))
