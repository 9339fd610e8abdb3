"""LLaVA-1.5: a CLIP or SigLIP tower read before its end, a two-layer projector, a Llama-like decoder.

References
----------
Liu, Li, Li & Lee (2024), Improved Baselines with Visual Instruction Tuning, CVPR.
"""

from __future__ import annotations

from typing import Any

import torch

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
from modalconflict.export.registry import register
from modalconflict.export.towers import TowerProgram


@register("llava")
def llava(model: Any, processor: Any) -> ModelParts:
    """Take a ``LlavaForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.LlavaForConditionalGeneration
    processor : transformers.LlavaProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the tower is not CLIP's or SigLIP's, or the processor lacks its patch size or names another image token than
        the model.
    """
    config = model.config
    check_image_token(processor, config.image_token_id)
    if processor.patch_size is None:
        raise ModelError("The processor does not say its patch_size; set it to the vision tower's and export again.")
    inner = model.model
    side = config.vision_config.image_size
    return ModelParts(
        family="llava",
        source=source_name(config, "llava"),
        decoder=take_decoder(inner.language_model, model.lm_head),
        vision=TowerProgram(
            inner.vision_tower, config.vision_feature_layer, config.vision_feature_select_strategy == "default"
        ),
        projector=inner.multi_modal_projector,
        vision_inputs={"pixel_values": torch.zeros(2, 3, side, side)},
        image_token_id=int(config.image_token_id),
        stop_token_ids=stop_ids(model, processor.tokenizer),
        prompt=prompt_of(processor, prefix="USER: ", after_image="\n", suffix=" ASSISTANT:"),
        save_processor=lambda folder: processor.save_pretrained(folder),
        reference=original_logits(model),
        original_processor=processor,
    )
