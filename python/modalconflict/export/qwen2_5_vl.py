"""Qwen2.5-VL: as Qwen2-VL, but most of the tower's blocks attend within windows of the image.

References
----------
Bai et al. (2025), Qwen2.5-VL technical report, arXiv 2502.13923.
"""

from __future__ import annotations

from typing import Any

import torch

from modalconflict.export.parts import ModelParts
from modalconflict.export.qwen import PatchTower, qwen_parts
from modalconflict.export.registry import register


class WindowedTower(PatchTower):
    """Some blocks attend to the whole image, the others within windows.

    transformers sorts the patches by window and back; here they keep their order and each window gathers its own, which
    gives the same sums.
    """

    def __init__(self, tower: Any) -> None:
        super().__init__(tower)
        self.whole = frozenset(tower.fullatt_block_indexes)

    def forward(
        self,
        pixel_values: torch.Tensor,
        patch_places: torch.Tensor,
        window_patches: torch.Tensor,
        window_places: torch.Tensor,
    ) -> torch.Tensor:
        """Patches (n, values), their places (n, 2) and windows to the language model's rows (tokens, d).

        `window_patches` (windows, patches a window) names each window's patches, -1 where it has fewer; `window_places` (n,)
        is where each patch stands in that list.
        """
        angles = self.angles(patch_places)
        x = self.patch_embed(pixel_values)
        for index, block in enumerate(self.blocks):
            x = self.block(block, x, angles, None if index in self.whole else (window_patches, window_places))
        rows: torch.Tensor = self.merger(x)
        return rows


@register("qwen2_5_vl")
def qwen2_5_vl(model: Any, processor: Any) -> ModelParts:
    """Take a ``Qwen2_5_VLForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.Qwen2_5_VLForConditionalGeneration
    processor : transformers.Qwen2_5_VLProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the processor does not belong to the model.
    """
    sees = model.config.vision_config
    side = int(sees.window_size) // int(sees.spatial_merge_size) // int(sees.patch_size)
    return qwen_parts(model, processor, vision=WindowedTower(model.model.visual), settings={"window": side})
