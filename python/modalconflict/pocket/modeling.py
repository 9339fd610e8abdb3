"""The modules of pocket: vision tower, projector, decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

IMAGE_SIZE = 224
GRID = 7
CELLS = GRID * GRID
TOKENS_PER_CELL = 2  # read like two words, a colour and a shape: what the decoder knows how to bind
NUM_IMAGE_TOKENS = CELLS * TOKENS_PER_CELL
VISION_WIDTH = 1408  # 40 channels x 16 + 112 x 4 + 320: three scales brought to one 7 x 7 grid
IMAGE_TOKEN = "<filename>"  # a special token of SmolLM2 that its chat format never uses
IMAGE_TOKEN_ID = 6
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


class PocketVisionTower(nn.Module):
    """EfficientNet-lite0 read at strides 8, 16 and 32, each folded into the 7 x 7 grid of the coarsest.

    Small figures live in the fine scale, what they are in the coarse one; folding (pixel_unshuffle) keeps both
    without more tokens.
    """

    def __init__(self, efficientnet: Any) -> None:
        super().__init__()
        self.stem: nn.Module = efficientnet._conv_stem
        self.stem_norm: nn.Module = efficientnet._bn0
        self.blocks: nn.ModuleList = efficientnet._blocks

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Pixels of shape (B, 3, 224, 224), normalised, to features of shape (B, 49, 1408)."""
        x = nn.functional.relu6(self.stem_norm(self.stem(pixel_values)))
        stages = []
        for block in self.blocks:
            before, x = x, block(x)
            if x.shape[-1] != before.shape[-1]:
                stages.append(before)
        fine, middle = stages[-2], stages[-1]
        unshuffle = nn.functional.pixel_unshuffle
        grid = torch.cat([unshuffle(fine, 4), unshuffle(middle, 2), x], dim=1)
        return grid.flatten(2).transpose(1, 2)


class GridMixer(nn.Module):
    """Lets a cell see its eight neighbours: a figure on the border of two cells is otherwise in neither."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.spatial = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Cells of shape (B, 49, width) to the same shape."""
        grid = self.norm(x).transpose(1, 2).unflatten(2, (GRID, GRID))
        mixed = self.spatial(grid).flatten(2).transpose(1, 2)
        out: torch.Tensor = x + self.pointwise(nn.functional.gelu(mixed))
        return out


class PocketProjector(nn.Module):
    """Features of the tower to vectors in the decoder's embedding space, two a cell."""

    def __init__(self, out_features: int = 576, width: int = 768) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(VISION_WIDTH)
        self.reduce = nn.Linear(VISION_WIDTH, width)
        self.mixers = nn.ModuleList(GridMixer(width) for _ in range(2))
        self.expand = nn.Linear(width, TOKENS_PER_CELL * out_features)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features of shape (B, 49, 1408) to embeddings of shape (B, 98, 576)."""
        x = nn.functional.gelu(self.reduce(self.norm(features)))
        for mixer in self.mixers:
            x = mixer(x)
        out: torch.Tensor = self.expand(x).unflatten(2, (TOKENS_PER_CELL, -1)).flatten(1, 2)
        return out


class PocketModel(nn.Module):
    """A LLaVA-style model: image features replace the image tokens' embeddings.

    Parameters
    ----------
    vision_tower, projector
        The modules above.
    language_model
        A transformers ``LlamaForCausalLM``.
    """

    image_token_id = IMAGE_TOKEN_ID
    num_image_tokens = NUM_IMAGE_TOKENS

    def __init__(self, vision_tower: nn.Module, projector: nn.Module, language_model: Any) -> None:
        super().__init__()
        self.vision_tower = vision_tower
        self.projector = projector
        self.language_model = language_model

    @property
    def config(self) -> Any:
        """The decoder's configuration."""
        return self.language_model.config

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """Run a prompt.

        Parameters
        ----------
        input_ids : torch.Tensor
            Shape (B, S), int64. Each image fills 98 consecutive image tokens.
        pixel_values : torch.Tensor, optional
            Shape (images, 3, 224, 224), in the order of their tokens.
        **kwargs
            Passed to the decoder (``attention_mask``, ``output_hidden_states``...).
        """
        embeddings = self.language_model.get_input_embeddings()(input_ids)
        if pixel_values is not None:
            features = self.projector(self.vision_tower(pixel_values)).to(embeddings.dtype)
            places = (input_ids == self.image_token_id).unsqueeze(-1).expand_as(embeddings)
            embeddings = embeddings.masked_scatter(places, features)
        return self.language_model(inputs_embeds=embeddings, **kwargs)
