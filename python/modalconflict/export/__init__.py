"""Making a model runnable by the C++ engine: from transformers to a bundle.

See `docs/export.md` for the format of a bundle and for how to add a model family.
"""

from __future__ import annotations

from modalconflict.export.loading import export_path
from modalconflict.export.parts import Decoder, ModelParts, take_decoder
from modalconflict.export.registry import known_families, register
from modalconflict.export.writer import export_model

__all__ = ["Decoder", "ModelParts", "export_model", "export_path", "known_families", "register", "take_decoder"]
