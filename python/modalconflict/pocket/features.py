"""Tower features of generated scenes, computed once and kept on disk."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import torch

from modalconflict.pocket import parts, training_data
from modalconflict.pocket.modeling import CELLS, VISION_WIDTH
from modalconflict.pocket.prompt import pixel_values


class Features:
    """Scenes and their tower features, computed once a count and seed and memory-mapped."""

    def __init__(self, folder: Path, name: str, seed: int, count: int, tiers: list[int] | None = None) -> None:
        self.scenes = []
        path = folder / f"{name}-{count}.npy"
        done = path.exists()
        shape = (count, CELLS, VISION_WIDTH)
        partial = path.with_suffix(".part")
        array = np.load(path, mmap_mode="r") if done else np.lib.format.open_memmap(partial, "w+", np.float16, shape)
        tower = None if done else parts.load_vision_tower().to(memory_format=torch.channels_last)
        pixels: list[np.ndarray] = []
        start = time.time()
        for i in range(count):
            scene = training_data.make_scene(seed, i, None if tiers is None else tiers[i])
            if tower is not None:
                pixels.append(pixel_values(scene.image))
                if len(pixels) == 32 or i == count - 1:
                    batch = torch.from_numpy(np.stack(pixels)).contiguous(memory_format=torch.channels_last)
                    # bfloat16 halves the time; the adapter meets the same order of noise as it will in half precision.
                    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=tiers is None):
                        array[i + 1 - len(pixels) : i + 1] = tower(batch).half().numpy()
                    pixels = []
                if i % 2048 == 0:
                    print(f"features {name}: {i}/{count}, {time.time() - start:.0f} s", flush=True)
            scene.image = None  # type: ignore[assignment]  # 20,000 pictures would not fit beside the features
            self.scenes.append(scene)
        if not done:
            array.flush()
            os.rename(partial, path)
            array = np.load(path, mmap_mode="r")
        self.array = array

    def batch(self, indices: list[int]) -> torch.Tensor:
        """Features of shape (len(indices), 49, 1408), float32."""
        return torch.from_numpy(np.stack([self.array[i] for i in indices])).float()
