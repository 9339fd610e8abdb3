"""The model families the exporter knows.

A family is one function in one small file: it takes a model and its processor and returns `ModelParts`. Most
multimodal models are a vision tower, a projector and a decoder, and differ only in where these hang.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from modalconflict.errors import ModelError
from modalconflict.export.parts import ModelParts

Recipe = Callable[[Any, Any], ModelParts]

_RECIPES: dict[str, Recipe] = {}
# every module here registers its family when imported
_FAMILY_MODULES = (
    "gemma3",
    "idefics3",
    "internvl",
    "llava",
    "llava_next",
    "llava_onevision",
    "pocket",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
)


def register(family: str) -> Callable[[Recipe], Recipe]:
    """Return a decorator that makes a recipe known under a family's name (transformers' ``config.model_type``).

    Examples
    --------
    >>> @register("my_family")                                            # doctest: +SKIP
    ... def my_family(model, processor) -> ModelParts: ...
    """

    def keep(recipe: Recipe) -> Recipe:
        _RECIPES[family] = recipe
        return recipe

    return keep


def known_families() -> list[str]:
    """Return the names of the known families, sorted."""
    for name in _FAMILY_MODULES:
        importlib.import_module(f"modalconflict.export.{name}")
    return sorted(_RECIPES)


# the embedded model's own attributes: its configuration is its decoder's and says nothing of the whole
_POCKET_PIECES = ("vision_tower", "projector", "language_model", "num_image_tokens")


def family_of(model: Any) -> str:
    """Return a model's family: its configuration's ``model_type``, or "pocket" for a model built like that one."""
    if all(hasattr(model, piece) for piece in _POCKET_PIECES):
        return "pocket"
    return str(getattr(getattr(model, "config", None), "model_type", "") or type(model).__name__)


def recipe_for(family: str) -> Recipe:
    """Return the recipe of a family.

    Raises
    ------
    ModelError
        If the family is unknown; the message names the known ones and how to add one.
    """
    known = known_families()
    if family not in _RECIPES:
        raise ModelError(
            f"The model family '{family}' is not known (known: {', '.join(known)}); add a recipe with "
            "modalconflict.export.register, most often one call of plain_parts: see docs/export.md, 'A new family'."
        )
    return _RECIPES[family]
