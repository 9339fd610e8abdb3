"""pocket: a real multimodal language model small enough to ship, made of packaged parts and one trained adapter.

SmolLM2-135M-Instruct reads, EfficientNet-lite0 sees, and a projector with LoRA weights that were trained on generated
scenes and texts (never on a conflict) joins them. See the model card in the documentation.
"""

from modalconflict.pocket.modeling import PocketModel, PocketProjector, PocketVisionTower
from modalconflict.pocket.parts import load_pocket, missing_parts

__all__ = ["PocketModel", "PocketProjector", "PocketVisionTower", "load_pocket", "missing_parts"]
