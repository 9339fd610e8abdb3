"""Idefics3 and SmolVLM: SigLIP over tiles in rows and columns, patches joined by a pixel shuffle, a Llama decoder.

References
----------
Laurençon, Marafioti, Sanh & Tronchon (2024), Building and better understanding vision-language models, arXiv 2408.12637.
Marafioti et al. (2025), SmolVLM: redefining small and efficient multimodal models, arXiv 2504.05299.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
from modalconflict.export.registry import register


class WholeTileTower(nn.Module):
    """The tower on tiles without padding, where every tile's positions are the same list.

    The original looks positions up by fractional coordinates, in float32; the list is what it finds for a whole tile.
    """

    positions: torch.Tensor

    def __init__(self, tower: Any, tile: int) -> None:
        super().__init__()
        self.patches = tower.embeddings.patch_embedding
        self.position_embedding = tower.embeddings.position_embedding
        self.register_buffer("positions", whole_tile_positions(tower.embeddings, tile))
        self.blocks = tower.encoder.layers
        self.norm = tower.post_layernorm

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Pixels (T, 3, H, W) to features (T, n, dv)."""
        x: torch.Tensor = self.patches(pixel_values).flatten(2).transpose(1, 2) + self.position_embedding(
            self.positions
        )
        for block in self.blocks:
            out = block(x, None)
            x = out[0] if isinstance(out, tuple) else out
        x = self.norm(x)
        return x


def whole_tile_positions(embeddings: Any, tile: int) -> torch.Tensor:
    """Return the position numbers (n,) that the original finds for a tile of `tile` pixels without padding."""
    patches = tile // embeddings.patch_size
    side = embeddings.num_patches_per_side
    boundaries = torch.arange(1 / side, 1.0, 1 / side)
    along = torch.arange(patches, dtype=torch.float32) * (1.0 / torch.tensor(patches))
    bucket = torch.bucketize(along.clamp(max=1.0 - 1e-6), boundaries, right=True)
    numbers: torch.Tensor = bucket[:, None] * side + bucket[None, :]
    return numbers.flatten()


@register("smolvlm")
@register("idefics3")
def idefics3(model: Any, processor: Any) -> ModelParts:
    """Take an ``Idefics3ForConditionalGeneration``, or a ``SmolVLMForConditionalGeneration``, apart.

    Parameters
    ----------
    model : transformers.Idefics3ForConditionalGeneration or transformers.SmolVLMForConditionalGeneration
    processor : transformers.Idefics3Processor or transformers.SmolVLMProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the processor does not belong to the model.
    """
    config = model.config
    tile = int(processor.image_processor.max_image_size["longest_edge"])
    inner = model.model
    patch = int(inner.vision_model.patch_size)
    if tile % patch or (tile // patch) % int(config.scale_factor):
        raise ModelError(
            f"The processor's tiles of {tile} pixels do not fit patches of {patch} shuffled by {config.scale_factor}; use "
            "the processor that belongs to the model."
        )
    return plain_parts(
        model,
        processor,
        decoder=take_decoder(inner.text_model, model.lm_head),
        vision=WholeTileTower(inner.vision_model, tile),
        projector=inner.connector,
        tile=tile,
        prompt=("<|im_start|>User:", "", "<end_of_utterance>\nAssistant:"),
    )
