"""LLaVA-1.5: a CLIP or SigLIP tower read before its end, a two-layer projector, a Llama-like decoder.

References
----------
Liu, Li, Li & Lee (2024), Improved Baselines with Visual Instruction Tuning, CVPR.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts, source_name, stop_ids, take_decoder
from modalconflict.export.registry import register

_TOWERS = frozenset({"clip_vision_model", "siglip_vision_model"})


class TowerProgram(nn.Module):
    """A CLIP or SigLIP tower as far as the layers that are read; the blocks after them are neither run nor stored."""

    def __init__(self, tower: Any, layers: int | list[int], drop_class_token: bool) -> None:
        super().__init__()
        blocks = tower.encoder.layers
        count = len(blocks) + 1  # hidden states: the embeddings', then one a block
        wanted = [layers] if isinstance(layers, int) else list(layers)
        if any(not -count <= index < count for index in wanted):
            raise ModelError(f"vision_feature_layer {layers} lies outside the tower's {count} hidden states.")
        self.wanted = [index % count for index in wanted]
        self.embeddings = tower.embeddings
        if hasattr(tower, "pre_layrnorm"):
            self.pre_norm = tower.pre_layrnorm
        else:
            self.pre_norm = nn.Identity()
        self.blocks = nn.ModuleList(blocks[: max(self.wanted)])
        self.drop_class_token = drop_class_token

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Pixels (T, 3, H, W) to features (T, n, dv)."""
        states = [self.pre_norm(self.embeddings(pixel_values))]
        for block in self.blocks:
            out = block(states[-1], None)
            states.append(out[0] if isinstance(out, tuple) else out)
        chosen = [states[index] for index in self.wanted]
        if self.drop_class_token:
            chosen = [state[:, 1:] for state in chosen]
        return chosen[0] if len(chosen) == 1 else torch.cat(chosen, dim=-1)


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
    tower_kind = config.vision_config.model_type
    if tower_kind not in _TOWERS:
        raise ModelError(
            f"The vision tower '{tower_kind}' is not known to the llava recipe ({', '.join(sorted(_TOWERS))})."
        )
    tokenizer = processor.tokenizer
    image_token_id = int(config.image_token_id)
    if int(processor.image_token_id) != image_token_id:
        raise ModelError(
            f"The processor's image token '{processor.image_token}' has the id {processor.image_token_id} and the "
            f"model expects {image_token_id}; use the processor that belongs to the model."
        )
    if processor.patch_size is None:
        raise ModelError("The processor does not say its patch_size; set it to the vision tower's and export again.")
    inner = model.model
    side = config.vision_config.image_size
    prompt: dict[str, Any] = {"pixels": "processor", "image_token": processor.image_token}
    if getattr(processor, "chat_template", None):
        prompt["style"] = "chat_template"
    else:
        prompt.update(style="segments", prefix="USER: ", after_image="\n", suffix=" ASSISTANT:")

    def reference(ids: torch.Tensor, pixel_values: torch.Tensor | None) -> torch.Tensor:
        pixels = None if pixel_values is None else pixel_values.to(model.dtype)
        out = model(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids), use_cache=False)
        logits: torch.Tensor = out.logits
        return logits

    return ModelParts(
        family="llava",
        source=source_name(config, "llava"),
        decoder=take_decoder(inner.language_model, model.lm_head),
        vision=TowerProgram(
            inner.vision_tower, config.vision_feature_layer, config.vision_feature_select_strategy == "default"
        ),
        projector=inner.multi_modal_projector,
        pixel_shape=(3, side, side),
        image_token_id=image_token_id,
        stop_token_ids=stop_ids(model, tokenizer),
        prompt=prompt,
        save_processor=lambda folder: processor.save_pretrained(folder),
        reference=reference,
        original_processor=processor,
    )
