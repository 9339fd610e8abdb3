"""The check of a bundle's fields that Python alone reads: how prompts are written and images become pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modalconflict.errors import ModelError

STYLES = ("segments", "chat_template")
RESAMPLING = ("bilinear", "bicubic")
MAX_SIDE = 16384
"""Pixels: a larger side is no vision model's input, and four bytes a channel of it would not fit a memory."""


def check_prompt(manifest: Mapping[str, Any], where: Path) -> None:
    """Check types and ranges of ``prompt``, ``ropes`` and ``image_token_id``.

    Parameters
    ----------
    manifest
        The content of ``bundle.json``; the two are dictionaries already.
    where
        Its path, for messages.

    Raises
    ------
    ModelError
        Naming the field, in one sentence.
    """
    prompt: dict[str, Any] = manifest["prompt"]
    _need(prompt.get("style") in STYLES, where, "prompt.style", " or ".join(f'"{s}"' for s in STYLES))
    texts = ["image_token"] + (["prefix", "after_image", "suffix"] if prompt["style"] == "segments" else [])
    for name in texts:
        _need(isinstance(prompt.get(name), str), where, f"prompt.{name}", "a string")
    _need(bool(prompt["image_token"]), where, "prompt.image_token", "a string that is not empty")
    _need(isinstance(prompt.get("add_special_tokens", True), bool), where, "prompt.add_special_tokens", "true or false")
    inputs = prompt.get("image_inputs")
    _need(
        isinstance(inputs, dict) and isinstance(inputs.get("kind"), str),
        where,
        "prompt.image_inputs",
        'an object with a "kind"',
    )
    pixels = prompt.get("pixels")
    if isinstance(pixels, dict):
        _check_pixels(pixels, where)
    else:
        _need(pixels == "processor", where, "prompt.pixels", '"processor" or an object')
    _need(_whole(manifest["image_token_id"], 0, 2**31 - 1), where, "image_token_id", "a token's id")
    _need(bool(manifest["ropes"]), where, "ropes", "an object of one rope or more")
    for name, rope in manifest["ropes"].items():
        _need(
            isinstance(rope, dict) and _whole(rope.get("position_dims"), 1, 3),
            where,
            f"ropes.{name}",
            'an object with "position_dims" of 1 to 3',
        )


def _check_pixels(pixels: Mapping[str, Any], where: Path) -> None:
    for name in ("height", "width"):
        _need(_whole(pixels.get(name), 1, MAX_SIDE), where, f"prompt.pixels.{name}", f"1 to {MAX_SIDE}")
    _need(
        isinstance(pixels.get("resample"), str) and pixels["resample"] in RESAMPLING,
        where,
        "prompt.pixels.resample",
        " or ".join(f'"{name}"' for name in RESAMPLING),
    )
    for name in ("mean", "std"):
        numbers = pixels.get(name)
        _need(
            isinstance(numbers, list) and len(numbers) == 3 and all(_finite(x) for x in numbers),
            where,
            f"prompt.pixels.{name}",
            "three finite numbers",
        )
    _need(all(x > 0 for x in pixels["std"]), where, "prompt.pixels.std", "three numbers above 0")


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _finite(value: Any) -> bool:
    return (
        not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) < 1e30 and math.isfinite(value)
    )


def _need(fits: bool, where: Path, field: str, wanted: str) -> None:
    if not fits:
        raise ModelError(f"'{where}' gives \"{field}\" as something else than {wanted}; export the model again.")
