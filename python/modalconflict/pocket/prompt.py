"""Pocket's prompt format and its image preprocessing: one definition for training, export and use."""

from __future__ import annotations

from typing import Any

import numpy as np

from modalconflict.pocket.modeling import IMAGE_MEAN, IMAGE_SIZE, IMAGE_STD, IMAGE_TOKEN

PROMPT_START = "<|im_start|>user\n"
PROMPT_END = "<|im_end|>\n<|im_start|>assistant\n"
STOP_TOKEN = "<|im_end|>"
__all__ = ["IMAGE_TOKEN", "PROMPT_END", "PROMPT_START", "STOP_TOKEN", "pixel_values"]


def pixel_values(image: Any) -> np.ndarray:
    """A PIL image or uint8 array (H, W, 3) to float32 of shape (3, 224, 224).

    The picture is squeezed to the square (Pillow's antialiased bilinear filter), not cropped: nothing may fall off.
    """
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture = picture.convert("RGB")
    if picture.size != (IMAGE_SIZE, IMAGE_SIZE):
        picture = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)
    scaled = np.asarray(picture, dtype=np.float32) / 255.0
    normalised = (scaled - np.array(IMAGE_MEAN, np.float32)) / np.array(IMAGE_STD, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))
