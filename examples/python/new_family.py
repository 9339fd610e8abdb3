"""A model family that modalconflict does not know, added in one function: ViP-LLaVA.

ViP-LLaVA reads its CLIP tower at five layers and puts them side by side before the projector. Everything else is as in
most multimodal models, so the plain recipe does the rest. Run it on a folder that holds such a model:

    python examples/python/new_family.py vip-llava-7b-hf vip-llava.bundle

The export compares the bundle with the original at every layer before the bundle takes its name; if the recipe were
wrong, it would say at which layer.

Cai et al. (2024), ViP-LLaVA: making large multimodal models understand arbitrary visual prompts, CVPR.
"""

from __future__ import annotations

import sys
from typing import Any

from modalconflict.export import ModelParts, TowerProgram, export_path, plain_parts, register, take_decoder


@register("vipllava")  # transformers' config.model_type
def vipllava(model: Any, processor: Any) -> ModelParts:
    """Name the model's pieces."""
    config, inner = model.config, model.model
    layers = config.vision_feature_layer
    return plain_parts(
        model,
        processor,
        decoder=take_decoder(inner.language_model, model.lm_head),
        vision=TowerProgram(
            inner.vision_tower, layers if isinstance(layers, int) else list(layers), drop_class_token=True
        ),
        projector=inner.multi_modal_projector,
        tile=config.vision_config.image_size,
    )


if __name__ == "__main__":
    folder, bundle = sys.argv[1:]
    made = export_path(folder, bundle, progress=lambda stage, done, total: print(f"\r{stage}: {done}/{total}", end=""))
    print(f"\n{made.path}: {made.manifest['family']}, {made.sizes['layers']} layers")
