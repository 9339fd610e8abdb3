"""InternVL in transformers' own form: InternViT over tiles, 2 x 2 patches joined to one token, a Qwen2 or Llama decoder.

References
----------
Zhu et al. (2025), InternVL3: exploring advanced training and test-time recipes, arXiv 2504.10479.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
from modalconflict.export.registry import register


class InternTower(nn.Module):
    """InternViT on tiles of the size it was trained on, so that its positions stand as stored."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        embeddings = tower.embeddings
        self.patches = embeddings.patch_embeddings.projection
        self.cls_token = embeddings.cls_token
        if embeddings.position_embeddings is not None:
            self.positions = embeddings.position_embeddings
        else:
            self.positions = None
        self.blocks = tower.encoder.layer
        self.norm = tower.layernorm

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Pixels (T, 3, H, W) to features (T, n, dv), the class token's dropped."""
        x = self.patches(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        if self.positions is not None:
            x = x + self.positions
        for block in self.blocks:
            x = block(x)
        normed: torch.Tensor = self.norm(x)[:, 1:]
        return normed


class ShuffledProjector(nn.Module):
    """The pixel shuffle (neighbouring patches side by side in one row), then the projector."""

    def __init__(self, projector: nn.Module, side: int, factor: int) -> None:
        super().__init__()
        self.projector = projector
        self.side = side
        self.factor = factor

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (T, side², dv) to rows (T, (side / factor)², d)."""
        tiles, _, width = features.shape
        short, factor = self.side // self.factor, self.factor
        x = features.reshape(tiles, self.side, short, width * factor).permute(0, 2, 1, 3)
        x = x.reshape(tiles, short, short, width * factor * factor).permute(0, 2, 1, 3)
        rows: torch.Tensor = self.projector(x.reshape(tiles, short * short, width * factor * factor))
        return rows


@register("internvl")
def internvl(model: Any, processor: Any) -> ModelParts:
    """Take an ``InternVLForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.InternVLForConditionalGeneration
    processor : transformers.InternVLProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the tower is read before its end or its tiles are not square, or the processor does not belong to the model.
    """
    config = model.config
    if config.vision_feature_layer != -1 or config.vision_feature_select_strategy != "default":
        raise ModelError(
            f"The model reads its tower at layer {config.vision_feature_layer} "
            f"('{config.vision_feature_select_strategy}'), and the internvl recipe knows the last layer without the class "
            "token only."
        )
    (height, width), (patch, _) = config.vision_config.image_size, config.vision_config.patch_size
    factor = round(1 / config.downsample_ratio)
    if height != width or (height // patch) % factor:
        raise ModelError(f"Tiles of {height} x {width} pixels and patches of {patch} do not shuffle by {factor}.")
    inner = model.model
    return plain_parts(
        model,
        processor,
        decoder=take_decoder(inner.language_model, model.lm_head),
        vision=InternTower(inner.vision_tower),
        projector=ShuffledProjector(inner.multi_modal_projector, height // patch, factor),
        tile=height,
        prompt=("<|im_start|>user\n", "\n", "<|im_end|>\n<|im_start|>assistant\n"),
    )
