"""The first stage of training: the projector alone."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from modalconflict.pocket.features import Features
from modalconflict.pocket.modeling import CELLS, TOKENS_PER_CELL, PocketProjector
from modalconflict.pocket.packing import Packer
from modalconflict.pocket.training_data import COLORS, SHAPES

EMPTY_WORD = " ."
RATE = 1.5e-3


def align(projector: PocketProjector, features: Features, embedding: torch.Tensor, packer: Packer, steps: int) -> None:
    """Teach each cell to hold the embeddings of the words for its figure: " red", " circle", or twice the empty word.

    A cell with several figures is left free in this, but a linear read-out must find them all.
    """
    colors = torch.stack([embedding[packer.ids(" " + color)].mean(0) for color in COLORS])
    shapes = torch.stack([embedding[packer.ids(" " + shape)].mean(0) for shape in SHAPES])
    # Label s * 6 + c becomes the two words' embeddings, side by side.
    words = torch.cat([colors.repeat(len(SHAPES), 1), shapes.repeat_interleave(len(COLORS), 0)], dim=1)
    empty = embedding[packer.ids(EMPTY_WORD)].mean(0).repeat(TOKENS_PER_CELL)
    readout = nn.Linear(words.shape[1], words.shape[0])
    optimizer = torch.optim.AdamW([*projector.parameters(), *readout.parameters()], lr=RATE, weight_decay=0.01)
    rng = random.Random(1)
    scale = words.norm(dim=1).mean()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50) * (1 - 0.95 * step / steps)
        indices = [rng.randrange(len(features.scenes)) for _ in range(64)]
        labels = torch.from_numpy(np.stack([features.scenes[i].cells for i in indices])).float()
        with torch.autocast("cpu", torch.bfloat16):
            tokens = projector(features.batch(indices))
        cells = tokens.float().unflatten(1, (CELLS, TOKENS_PER_CELL)).flatten(2)
        found = readout(nn.functional.layer_norm(cells, cells.shape[-1:]))
        recognise = nn.functional.binary_cross_entropy_with_logits(found, labels, pos_weight=torch.tensor(3.0))
        count = labels.sum(-1)
        one, none = count == 1, count == 0
        # Most cells are empty: each kind has its own mean, or the figures would be lost among them.
        named = ((cells - labels @ words) / scale).square().sum(-1)
        blank = ((cells - empty) / scale).square().sum(-1)
        loss = 20 * recognise + 2 * named[one].mean() + blank[none].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 0:
            with torch.no_grad():
                nearest = torch.cdist(cells[one], words).argmin(-1)
                right = (nearest == labels[one].argmax(-1)).float().mean()
            print(f"align {step}: loss {loss.item():.3f}, cells named {right.item():.3f}", flush=True)
