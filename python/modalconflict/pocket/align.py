"""The first stage of training: the projector alone."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import nn

from modalconflict.pocket.features import Features
from modalconflict.pocket.modeling import PocketProjector
from modalconflict.pocket.packing import Packer
from modalconflict.pocket.training_data import COLORS, SHAPES


def align(projector: PocketProjector, features: Features, embedding: torch.Tensor, packer: Packer, steps: int) -> None:
    """Stage 1: cells learn to hold the words for their figures; a linear read-out says which, the embeddings say where to."""
    words = torch.stack(
        [
            embedding[packer.ids(" " + shape)].mean(0) + embedding[packer.ids(" " + color)].mean(0)
            for shape in SHAPES
            for color in COLORS
        ]
    )
    empty = embedding[packer.ids(" white")].mean(0)
    readout = nn.Linear(words.shape[1], words.shape[0])
    optimizer = torch.optim.AdamW([*projector.parameters(), *readout.parameters()], lr=1.5e-3, weight_decay=0.01)
    rng = random.Random(1)
    scale = words.norm(dim=1).mean()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1.0, (step + 1) / 50) * (1 - 0.95 * step / steps)
        indices = [rng.randrange(len(features.scenes)) for _ in range(64)]
        labels = torch.from_numpy(np.stack([features.scenes[i].cells for i in indices])).float()
        with torch.autocast("cpu", torch.bfloat16):
            tokens = projector(features.batch(indices))
        tokens = tokens.float()
        found = readout(nn.functional.layer_norm(tokens, tokens.shape[-1:]))
        recognise = nn.functional.binary_cross_entropy_with_logits(found, labels, pos_weight=torch.tensor(3.0))
        count = labels.sum(-1, keepdim=True)
        wanted = torch.where(count > 0, labels @ words / count.clamp_min(1), empty)
        crowded = (count > 2).squeeze(-1)
        speak = ((tokens - wanted) / scale).square().sum(-1)[~crowded].mean()
        loss = 20 * recognise + speak
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            single = (count == 1).squeeze(-1)
            right = (found[single].argmax(-1) == labels[single].argmax(-1)).float().mean()
            print(f"align {step}: loss {loss.item():.3f}, cells named {right.item():.3f}", flush=True)
