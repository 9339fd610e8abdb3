"""The embedded model: a convolutional tower, a projector over its grid, and a small Llama decoder with a tied head."""

from __future__ import annotations

from typing import Any

import torch

from modalconflict.errors import ModelError
from modalconflict.export.parts import ImageTensors, ModelParts, stop_ids, take_decoder
from modalconflict.export.registry import register


@register("pocket")
def pocket(model: Any, tokenizer: Any) -> ModelParts:
    """Take a `modalconflict.pocket.PocketModel`, or a model built like it, apart.

    Parameters
    ----------
    model : modalconflict.pocket.PocketModel
        Its adapter merged.
    tokenizer : transformers.PreTrainedTokenizerFast

    Returns
    -------
    ModelParts

    Raises
    ------
    ModelError
        If the tokenizer does not know the model's image token.
    """
    from modalconflict.pocket.modeling import IMAGE_MEAN, IMAGE_SIZE, IMAGE_STD
    from modalconflict.pocket.prompt import PROMPT_END, PROMPT_START

    image_token_id = int(model.image_token_id)
    image_token = tokenizer.convert_ids_to_tokens(image_token_id)
    if image_token is None or tokenizer.encode(image_token, add_special_tokens=False) != [image_token_id]:
        raise ModelError(
            f"The tokenizer does not read the image token {image_token_id} ('{image_token}') as one token."
        )
    side = int(getattr(model, "image_size", IMAGE_SIZE))
    language_model = model.language_model

    def reference(ids: torch.Tensor, inputs: ImageTensors) -> torch.Tensor:
        logits: torch.Tensor = model(ids, inputs.get("pixel_values"), use_cache=False).logits
        return logits

    return ModelParts(
        family="pocket",
        source="pocket",
        decoder=take_decoder(language_model.model, language_model.lm_head),
        vision=model.vision_tower,
        projector=model.projector,
        vision_inputs={"pixel_values": torch.zeros(2, 3, side, side)},
        image_token_id=image_token_id,
        stop_token_ids=stop_ids(language_model, tokenizer),
        prompt={
            "style": "segments",
            "prefix": PROMPT_START,
            "image_token": image_token,
            "after_image": "",
            "suffix": PROMPT_END,
            "add_special_tokens": False,
            "pixels": {
                "height": side,
                "width": side,
                "resample": "bilinear",
                "mean": list(IMAGE_MEAN),
                "std": list(IMAGE_STD),
            },
        },
        save_processor=lambda folder: tokenizer.save_pretrained(folder),
        reference=reference,
    )
