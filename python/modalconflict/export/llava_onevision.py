"""LLaVA-OneVision: a SigLIP tower over tiles of any resolution, long grids shrunk, a Qwen2 decoder.

References
----------
Li, Zhang, Guo, Zhang, Li, Zhang, Zhang, Zhang, Li, Liu & Li (2024), LLaVA-OneVision: easy visual task transfer,
arXiv 2408.03326.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from modalconflict.errors import ModelError
from modalconflict.export.llava_next import TiledTower, tile_settings
from modalconflict.export.parts import ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
from modalconflict.export.registry import register
from modalconflict.export.towers import TowerProgram


class WeightedTiles(TiledTower):
    """A `TiledTower` whose rows are weighted sums of four: a grid too long is resized bilinearly."""

    def forward(  # type: ignore[override]
        self, pixel_values: torch.Tensor, image_rows: torch.Tensor, image_weights: torch.Tensor
    ) -> torch.Tensor:
        """Pixels (T, 3, H, W), row numbers and weights (rows, 4) to rows (rows, d); summed in float32."""
        every = self.all_rows(pixel_values)
        picked = every.index_select(0, image_rows.flatten()).view(-1, 4, every.shape[1])
        summed: torch.Tensor = (picked.float() * image_weights[:, :, None]).sum(1)
        return summed.to(every.dtype)


@register("llava_onevision")
def llava_onevision(model: Any, processor: Any) -> ModelParts:
    """Take a ``LlavaOnevisionForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.LlavaOnevisionForConditionalGeneration
    processor : transformers.LlavaOnevisionProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the tower is not CLIP's or SigLIP's, or the processor does not belong to the model.
    """
    config = model.config
    limit = re.fullmatch(r"anyres_max_(\d+)", str(config.vision_aspect_ratio))
    if limit is None or processor.vision_aspect_ratio != config.vision_aspect_ratio:
        raise ModelError(
            f"The model's vision_aspect_ratio is '{config.vision_aspect_ratio}' and the processor's "
            f"'{processor.vision_aspect_ratio}', where one 'anyres_max_N' is expected; use the processor that belongs to "
            "the model."
        )
    inner = model.model
    tower = TowerProgram(
        inner.vision_tower, config.vision_feature_layer, config.vision_feature_select_strategy == "default"
    )
    settings = tile_settings(config, processor)
    tile = settings["tile"]
    return plain_parts(
        model,
        processor,
        decoder=take_decoder(inner.language_model, model.lm_head),
        vision=WeightedTiles(tower, inner.multi_modal_projector, inner.image_newline),
        projector=None,
        tile=tile,
        vision_inputs={
            "pixel_values": torch.zeros(3, 3, tile, tile),
            "image_rows": torch.zeros(5, 4, dtype=torch.long),
            "image_weights": torch.full((5, 4), 0.25),
        },
        image_inputs={"kind": "anyres_max", "max_tiles": int(limit[1])} | settings,
        prompt=("<|im_start|>user ", "\n", "<|im_end|><|im_start|>assistant\n"),
    )
