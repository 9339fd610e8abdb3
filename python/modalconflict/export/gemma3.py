"""Gemma 3: a SigLIP tower pooled to a small grid, sliding and full layers with a rotary table each.

The tokens of one image see each other, the later ones too. Embedding rows, but not the image's, are multiplied by
√hidden; norms hold their weight's distance from one.

References
----------
Gemma Team (2025), Gemma 3 technical report, arXiv 2503.19786.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError
from modalconflict.export.parts import Decoder, ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
from modalconflict.export.registry import register
from modalconflict.export.towers import TowerProgram


class RotaryTable(nn.Module):
    """One of a rotary module's tables, called as the others are: ``(x, position_ids) -> (cos, sin)``."""

    inv_freq: torch.Tensor

    def __init__(self, rotary: Any, kind: str) -> None:
        super().__init__()
        self.register_buffer("inv_freq", getattr(rotary, f"{kind}_inv_freq"))
        self.scaling = float(getattr(rotary, f"{kind}_attention_scaling"))

    def forward(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cos and sin (B, S, head_dim) in the dtype of `x`."""
        half = position_ids[..., None].float() * self.inv_freq.float()
        angles = torch.cat([half, half], dim=-1)
        return (angles.cos() * self.scaling).to(x.dtype), (angles.sin() * self.scaling).to(x.dtype)


def gemma_decoder(language_model: Any, head: nn.Module) -> Decoder:
    """Name the pieces of a Gemma 3 language model.

    Raises
    ------
    ModelError
        If the model attends to later words, which a bundle cannot express.
    """
    decoder = take_decoder(language_model, head)
    if getattr(decoder.config, "use_bidirectional_attention", False):
        raise ModelError(
            "This Gemma attends to later words (use_bidirectional_attention), which a bundle cannot express."
        )
    kinds = list(decoder.config.layer_types)
    decoder.ropes = {kind: RotaryTable(language_model.rotary_emb, kind) for kind in sorted(set(kinds))}
    decoder.layer_ropes = kinds
    decoder.embed_scale = float(language_model.embed_tokens.embed_scale)
    decoder.norm_offset = 1.0
    decoder.image_blocks = True
    return decoder


@register("gemma3")
def gemma3(model: Any, processor: Any) -> ModelParts:
    """Take a ``Gemma3ForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.Gemma3ForConditionalGeneration
    processor : transformers.Gemma3Processor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the tower is not SigLIP's, or the processor does not belong to the model or cuts images into crops.
    """
    config = model.config
    if getattr(processor.image_processor, "do_pan_and_scan", False):
        raise ModelError(
            "The processor cuts images into crops between words (do_pan_and_scan); switch it off and export again."
        )
    inner = model.model
    tower = inner.vision_tower
    return plain_parts(
        model,
        processor,
        decoder=gemma_decoder(inner.language_model, model.lm_head),
        vision=TowerProgram(tower, -1, False, tower.post_layernorm),
        projector=inner.multi_modal_projector,
        tile=config.vision_config.image_size,
        prompt=("<start_of_turn>user\n", "", "<end_of_turn>\n<start_of_turn>model\n"),
        image_token_id=processor.tokenizer.image_token_id,
    )
