"""What Qwen2-VL, Qwen2.5-VL and Qwen3-VL share: a tower over patches of any number, positions in time, height and width.

The tower sees one image at a time, so that attention within an image needs no mask. What depends on the image's size (where
a patch stands, which patches share a window) is an input, made at preparation by `modalconflict.patch_grids`.

References
----------
Wang et al. (2024), Qwen2-VL: enhancing vision-language model's perception of the world at any resolution, arXiv 2409.12191.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from modalconflict.errors import ModelError
from modalconflict.export.parts import (
    ModelParts,
    check_image_token,
    original_logits,
    prompt_of,
    source_name,
    stop_ids,
    take_decoder,
)
from modalconflict.image_inputs import make_image_inputs


class PatchTower(nn.Module):
    """The blocks of a Qwen vision tower over one image's patches; a family adds what stands before and behind them."""

    inv_freq: torch.Tensor

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.patch_embed = tower.patch_embed
        self.blocks = tower.blocks
        self.merger = tower.merger
        self.register_buffer("inv_freq", tower.rotary_pos_emb.inv_freq, persistent=False)

    def angles(self, patch_places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows and columns (n, 2) to cosines and sines (n, 1, head_dim), float32."""
        angles = (patch_places[:, :, None].float() * self.inv_freq).flatten(1)
        angles = torch.cat([angles, angles], dim=-1)[:, None]
        return angles.cos(), angles.sin()

    @staticmethod
    def rotated(x: torch.Tensor, angles: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Turn queries or keys (n, heads, head_dim) by their patches' angles, in float32."""
        cos, sin = angles
        wide = x.float()
        first, second = wide.chunk(2, dim=-1)
        return (wide * cos + torch.cat([-second, first], dim=-1) * sin).to(x.dtype)

    def attend(
        self,
        attention: Any,
        x: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        windows: tuple[torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        """Attention of all patches (n, d) with one another, or of each window's."""
        n = x.shape[0]
        q, k, v = attention.qkv(x).reshape(n, 3, attention.num_heads, -1).unbind(1)
        q, k = self.rotated(q, angles), self.rotated(k, angles)
        if windows is None:
            whole = [tensor.transpose(0, 1)[None] for tensor in (q, k, v)]
            seen = scaled_dot_product_attention(whole[0], whole[1], whole[2])[0].transpose(0, 1)
        else:
            patches, places = windows
            slots = patches.clamp(min=0)
            cut = [tensor[slots].transpose(1, 2) for tensor in (q, k, v)]
            held = (patches >= 0)[:, None, None]
            seen = (
                scaled_dot_product_attention(cut[0], cut[1], cut[2], attn_mask=held)
                .transpose(1, 2)
                .flatten(0, 1)[places]
            )
        mixed: torch.Tensor = attention.proj(seen.reshape(n, -1))
        return mixed

    def block(
        self,
        block: Any,
        x: torch.Tensor,
        angles: tuple[torch.Tensor, torch.Tensor],
        windows: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """One transformer block over patches (n, d)."""
        x = x + self.attend(block.attn, block.norm1(x), angles, windows)
        changed: torch.Tensor = x + block.mlp(block.norm2(x))
        return changed


def qwen_parts(
    model: Any,
    processor: Any,
    *,
    vision: PatchTower,
    settings: dict[str, int] | None = None,
    inject: tuple[int, ...] = (),
) -> ModelParts:
    """Name the pieces of a Qwen vision-language model.

    Parameters
    ----------
    model, processor
        Of transformers.
    vision
        The tower.
    settings
        What preparation must know to make the tower's inputs; see `modalconflict.patches`.
    inject
        As in `ModelParts`.

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the processor cuts or merges patches otherwise than the model, puts another image token, or has no chat template.
    """
    config, sees = model.config, model.config.vision_config
    check_image_token(processor, config.image_token_id)
    cuts = processor.image_processor
    for name, ours in (
        ("patch_size", sees.patch_size),
        ("merge_size", sees.spatial_merge_size),
        ("temporal_patch_size", sees.temporal_patch_size),
    ):
        if int(getattr(cuts, name)) != int(ours):
            raise ModelError(
                f"The processor's {name} is {getattr(cuts, name)} and the model's {ours}; use the processor that belongs to "
                "the model."
            )
    if not getattr(processor, "chat_template", None):
        raise ModelError(
            "The processor has no chat template, which this family's prompts are made by; give it the model's."
        )
    merge = int(sees.spatial_merge_size)
    image_inputs = {"kind": "patches", "merge": merge, **(settings or {})}
    values = sees.in_channels * sees.temporal_patch_size * sees.patch_size**2
    strip = {"pixel_values": np.zeros((6 * merge**2, values)), "image_grid_thw": np.array([[1, merge, 6 * merge]])}
    example = make_image_inputs(strip, (merge, 6 * merge), image_inputs).tensors
    return ModelParts(
        family=config.model_type,
        source=source_name(config, config.model_type),
        decoder=take_decoder(model.model.language_model, model.lm_head),
        vision=vision,
        projector=None,
        vision_inputs={name: torch.from_numpy(tensor) for name, tensor in example.items()},
        image_inputs=image_inputs,
        image_token_id=int(config.image_token_id),
        stop_token_ids=stop_ids(model, processor.tokenizer),
        prompt=prompt_of(processor, prefix="", after_image="", suffix=""),
        save_processor=lambda folder: processor.save_pretrained(folder),
        reference=original_logits(model),
        original_processor=processor,
        position_dims=3,
        inject=inject,
    )
