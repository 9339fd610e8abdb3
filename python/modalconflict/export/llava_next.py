"""LLaVA-1.6 (LLaVA-NeXT): LLaVA-1.5's parts over tiles of any resolution.

References
----------
Liu, Li, Li, Li, Zhang, Shen & Lee (2024), LLaVA-NeXT: improved reasoning, OCR, and world knowledge.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
from modalconflict.export.registry import register
from modalconflict.export.towers import TowerProgram


class TiledTower(nn.Module):
    """Tower, projector and newline; an index list says in what order the language model reads their rows."""

    def __init__(self, tower: nn.Module, projector: nn.Module, newline: nn.Parameter) -> None:
        super().__init__()
        self.tower = tower
        self.projector = projector
        self.newline = newline

    def all_rows(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return the features of all tiles, one after the other, and the newline's row behind them."""
        features = self.projector(self.tower(pixel_values)).flatten(0, 1)
        return torch.cat([features, self.newline[None]])

    def forward(self, pixel_values: torch.Tensor, image_rows: torch.Tensor) -> torch.Tensor:
        """Pixels (T, 3, H, W) and row numbers (rows,) to rows (rows, d)."""
        return self.all_rows(pixel_values).index_select(0, image_rows)


def tile_settings(config: Any, processor: Any) -> dict[str, Any]:
    """Return what preparation must know of the tiles.

    Raises
    ------
    ModelError
        If the processor and the model disagree on the resolutions.
    """
    tile, patch = config.vision_config.image_size, config.vision_config.patch_size
    resolutions = [[int(side) for side in pair] for pair in config.image_grid_pinpoints]
    theirs = [[int(side) for side in pair] for pair in processor.image_processor.image_grid_pinpoints]
    if theirs != resolutions:
        raise ModelError(
            f"The processor's image_grid_pinpoints {theirs} are not the model's {resolutions}; use the processor that "
            "belongs to the model."
        )
    return {"tile": int(tile), "side": int(tile // patch), "resolutions": resolutions}


@register("llava_next")
def llava_next(model: Any, processor: Any) -> ModelParts:
    """Take a ``LlavaNextForConditionalGeneration`` apart.

    Parameters
    ----------
    model : transformers.LlavaNextForConditionalGeneration
    processor : transformers.LlavaNextProcessor

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the tower is not CLIP's or SigLIP's, or the processor does not belong to the model.
    """
    config = model.config
    if processor.patch_size is None:
        raise ModelError("The processor does not say its patch_size; set it to the vision tower's and export again.")
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
        vision=TiledTower(tower, inner.multi_modal_projector, inner.image_newline),
        projector=None,
        tile=tile,
        vision_inputs={"pixel_values": torch.zeros(3, 3, tile, tile), "image_rows": torch.arange(5)},
        image_inputs={"kind": "anyres"} | settings,
        prompt=("[INST] ", "\n", " [/INST]"),
    )
