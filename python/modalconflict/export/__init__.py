"""Making a model runnable by the C++ engine: from transformers to a bundle.

See `docs/export.md` for the format of a bundle and for how to add a model family.
"""

from __future__ import annotations

from modalconflict.export.loading import export_path
from modalconflict.export.parts import Decoder, ModelParts, take_decoder
from modalconflict.export.plain import plain_parts
from modalconflict.export.registry import known_families, register
from modalconflict.export.towers import TowerProgram
from modalconflict.export.writer import export_model

__all__ = [
    "Decoder",
    "ModelParts",
    "TowerProgram",
    "export_model",
    "export_path",
    "known_families",
    "plain_parts",
    "register",
    "take_decoder",
]
