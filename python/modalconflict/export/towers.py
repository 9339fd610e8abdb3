"""Vision towers that several families share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError

KNOWN_TOWERS = frozenset({"clip_vision_model", "siglip_vision_model"})


class TowerProgram(nn.Module):
    """A CLIP or SigLIP tower as far as the layers that are read; the blocks after them are neither run nor stored.

    Parameters
    ----------
    tower
        The vision model: ``embeddings``, ``encoder.layers``, perhaps ``pre_layrnorm``.
    layers
        Hidden states to read, 0 being the embeddings', negative ones counted from the last; several are put side by side.
    drop_class_token
        Whether the first row, the class token's, is left out.
    final_norm
        A norm behind the last block, None where the states are read without it.

    Raises
    ------
    ModelError
        If the tower is of another kind, or a layer lies outside it.
    """

    def __init__(
        self, tower: Any, layers: int | list[int], drop_class_token: bool, final_norm: nn.Module | None = None
    ) -> None:
        super().__init__()
        kind = tower.config.model_type
        if kind not in KNOWN_TOWERS:
            raise ModelError(
                f"The vision tower '{kind}' is not known to this family's recipe ({', '.join(sorted(KNOWN_TOWERS))})."
            )
        blocks = tower.encoder.layers
        count = len(blocks) + 1  # hidden states: the embeddings', then one a block
        wanted = [layers] if isinstance(layers, int) else list(layers)
        if any(not -count <= index < count for index in wanted):
            raise ModelError(f"vision_feature_layer {layers} lies outside the tower's {count} hidden states.")
        self.wanted = [index % count for index in wanted]
        self.embeddings = tower.embeddings
        if hasattr(tower, "pre_layrnorm"):
            self.pre_norm = tower.pre_layrnorm
        else:
            self.pre_norm = nn.Identity()
        self.blocks = nn.ModuleList(blocks[: max(self.wanted)])
        self.drop_class_token = drop_class_token
        self.final_norm = nn.Identity() if final_norm is None else final_norm

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Pixels (T, 3, H, W) to features (T, n, dv)."""
        states = [self.pre_norm(self.embeddings(pixel_values))]
        for block in self.blocks:
            out = block(states[-1], None)
            states.append(out[0] if isinstance(out, tuple) else out)
        chosen = [states[index] for index in self.wanted]
        if self.drop_class_token:
            chosen = [state[:, 1:] for state in chosen]
        joined: torch.Tensor = self.final_norm(chosen[0] if len(chosen) == 1 else torch.cat(chosen, dim=-1))
        return joined
