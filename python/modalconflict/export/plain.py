"""The plain recipe: a vision tower, a projector and a decoder, told apart from what the configuration already says."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.export.parts import (
    Decoder,
    ModelParts,
    check_image_token,
    original_logits,
    prompt_of,
    source_name,
    stop_ids,
)


def plain_parts(
    model: Any,
    processor: Any,
    *,
    decoder: Decoder,
    vision: nn.Module,
    projector: nn.Module | None,
    tile: int,
    prompt: tuple[str, str, str] = ("USER: ", "\n", " ASSISTANT:"),
    vision_inputs: dict[str, torch.Tensor] | None = None,
    image_inputs: dict[str, Any] | None = None,
    image_token_id: int | None = None,
) -> ModelParts:
    """Put a recipe's answer together for a model of transformers.

    Parameters
    ----------
    model
        With ``config.model_type`` and ``config.image_token_id``; called with what its own processor gives.
    processor
        The model's own, with ``tokenizer``, ``image_token`` and ``image_token_id``.
    decoder
        From `take_decoder`.
    vision
        ``vision(pixel_values[T, 3, tile, tile]) -> [T, n, dv]``.
    projector
        ``projector([T, n, dv]) -> [T, n, d]``, or None where `vision` gives the language model's rows.
    tile
        Height and width of a tile in pixels.
    prompt
        What stands before, behind the image, and behind the words, where the processor has no chat template.
    vision_inputs, image_inputs
        As in `ModelParts`, where the tower takes more than tiles.
    image_token_id
        The token the processor puts, where that is not its ``image_token_id``.

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the processor puts another image token than the model expects.
    """
    config = model.config
    check_image_token(processor, config.image_token_id, image_token_id)
    before, after_image, behind = prompt
    given = {"pixel_values": torch.zeros(2, 3, tile, tile)} if vision_inputs is None else vision_inputs
    return ModelParts(
        family=str(config.model_type),
        source=source_name(config, str(config.model_type)),
        decoder=decoder,
        vision=vision,
        projector=projector,
        vision_inputs=given,
        image_inputs={"kind": "tiles"} if image_inputs is None else image_inputs,
        image_token_id=int(config.image_token_id),
        stop_token_ids=stop_ids(model, processor.tokenizer),
        prompt=prompt_of(processor, prefix=before, after_image=after_image, suffix=behind),
        save_processor=lambda folder: processor.save_pretrained(folder),
        reference=original_logits(model),
        original_processor=processor,
    )
