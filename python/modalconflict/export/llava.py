"""LLaVA-1.5: a CLIP or SigLIP tower read before its end, a two-layer projector, a Llama-like decoder.

References
----------
Liu, Li, Li & Lee (2024), Improved Baselines with Visual Instruction Tuning, CVPR.
"""

from __future__ import annotations

from typing import Any

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
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
    if processor.patch_size is None:
        raise ModelError("The processor does not say its patch_size; set it to the vision tower's and export again.")
    inner = model.model
    return plain_parts(
        model,
        processor,
        decoder=take_decoder(inner.language_model, model.lm_head),
        vision=TowerProgram(
            inner.vision_tower, config.vision_feature_layer, config.vision_feature_select_strategy == "default"
        ),
        projector=inner.multi_modal_projector,
        tile=config.vision_config.image_size,
    )
