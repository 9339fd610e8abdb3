"""A plain Python reading of a bundle: the exporter's check on its own work, and the engine's contract in 100 lines.

It loads programs through ``torch.jit.load``, binds the stored weights and walks the layers with a past, exactly as the
C++ engine does, but one prompt at a time and without sharing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from safetensors import safe_open
from torch.jit._fuser import optimized_execution

from modalconflict.bundle import Bundle
from modalconflict.export import programs
from modalconflict.export.parts import ImageTensors

Past = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Walk:
    """What one prompt gave.

    Attributes
    ----------
    hidden
        Shape (layers + 1, S, d): the embedding output, then each layer's.
    logits
        Shape (S, V), float32.
    """

    hidden: torch.Tensor
    logits: torch.Tensor


class BundleRunner:
    """Runs a bundle's prompts one at a time on the CPU.

    Parameters
    ----------
    bundle
        A bundle; verify it first if it may be a stranger's.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.manifest: dict[str, Any] = bundle.manifest
        self.dtype: torch.dtype = getattr(torch, self.manifest["dtype"])
        self.tensors: dict[str, torch.Tensor] = {}
        for name in self.manifest["weights"]:
            with safe_open(bundle.path / name, framework="pt") as shard:
                self.tensors.update({key: shard.get_tensor(key) for key in shard.keys()})
        self._files = {name: bundle.path / entry["file"] for name, entry in self.manifest["programs"].items()}
        self._ropes = {name: self._program(entry) for name, entry in self.manifest["ropes"].items()}
        self._vision = self._program(self.manifest["vision"])
        projector = self.manifest["projector"]
        self._projector = None if projector is None else self._program(projector)
        self._layers = [self._program(entry) for entry in self.manifest["layers"]]

    def _program(self, entry: dict[str, Any]) -> torch.jit.ScriptModule:
        program = programs.load(self._files[entry["program"]])
        programs.bind(program, self.tensors, entry["prefix"])
        return program

    def image_rows(self, image: ImageTensors) -> torch.Tensor:
        """Return the rows (n, d) that the language model reads for one image, given the vision program's inputs."""
        names = self.manifest["vision"]["inputs"]
        rows: torch.Tensor = self._vision(*(programs.vision_input(name, image[name], self.dtype) for name in names))
        if self._projector is not None:
            rows = self._projector(rows)
        return rows.reshape(-1, rows.shape[-1])

    def embed(self, ids: torch.Tensor, image: ImageTensors | None) -> torch.Tensor:
        """Return the first layer's input (1, S, d): token rows, the image's rows in the place of its tokens."""
        entry = self.manifest["embed"]
        places = ids == self.manifest["image_token_id"]
        # an image token may stand outside the embedding's rows
        h: torch.Tensor = self.tensors[entry["weight"]][ids.masked_fill(places, 0)] * entry["scale"]
        if image is not None:
            h[places] = self.image_rows(image)
        return h

    def unembed(self, h: torch.Tensor) -> torch.Tensor:
        """Return float32 logits of un-normed hidden states (..., d)."""
        entry = self.manifest["unembed"]
        norm = entry["norm"]
        weight = self.tensors[norm["weight"]]
        if norm["kind"] == "rms":
            x = h.float()
            x = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + norm["eps"])).to(h.dtype) * (weight + norm["offset"])
        else:
            bias = self.tensors[norm["bias"]] if norm["bias"] else None
            x = torch.nn.functional.layer_norm(h, h.shape[-1:], weight, bias, norm["eps"])
        bias = self.tensors[entry["bias"]] if entry["bias"] else None
        logits = torch.nn.functional.linear(x, self.tensors[entry["weight"]], bias).float() * entry["scale"]
        cap = entry["softcap"]
        capped: torch.Tensor = logits if cap is None else torch.tanh(logits / cap) * cap
        return capped

    def mask(self, entry: dict[str, Any], begin: int, end: int, ids: torch.Tensor | None = None) -> torch.Tensor:
        """Return the additive mask (1, 1, end - begin, end) of the queries begin..end over all keys so far.

        `ids` (S,) is needed where the tokens of an image see each other.
        """
        query = torch.arange(begin, end)[:, None]
        key = torch.arange(end)[None, :]
        seen = key <= query
        if entry["mask"].endswith("_bidirectional_image"):
            assert ids is not None
            image = ids == self.manifest["image_token_id"]
            starts = image & ~torch.nn.functional.pad(image, (1, 0))[:-1]
            block = torch.where(image, starts.cumsum(0), -1)
            seen |= (block[begin:end, None] == block[None, :end]) & image[begin:end, None]
        if entry["mask"].startswith("sliding"):
            seen &= key > query - entry["window"]
        mask = torch.zeros(seen.shape, dtype=self.dtype).masked_fill(~seen, torch.finfo(self.dtype).min)
        return mask[None, None]

    @torch.no_grad()
    def run(self, ids: torch.Tensor, image: ImageTensors | None = None, cut: int = 0) -> Walk:
        """Run one prompt, its first `cut` positions as a prefix whose keys and values the rest reads.

        Parameters
        ----------
        ids
            Shape (S,), int64, image placeholders included.
        image
            The image's inputs of the vision program by name (`modalconflict.image_inputs`), or None.
        cut
            Length of the prefix, within [0, S).

        Returns
        -------
        Walk
        """
        sizes = self.manifest["sizes"]
        empty = torch.zeros(1, sizes["kv_heads"], 0, sizes["head_dim"], dtype=self.dtype)
        past: Past = [(empty, empty)] * sizes["layers"]
        # every program runs a few times on other shapes: letting the executor specialise each costs far more
        with optimized_execution(False):
            hidden = self._walk(self.embed(ids[None], image), ids, past, cut)
        return Walk(hidden, self.unembed(hidden[-1]))

    def _walk(self, x: torch.Tensor, ids: torch.Tensor, past: Past, cut: int) -> torch.Tensor:
        """Walk prefix and rest; return every layer's states, shape (layers + 1, S, d)."""
        pieces = []
        for begin, end in ((0, cut), (cut, x.shape[1])):
            if begin == end:
                continue
            h = x[:, begin:end]
            positions = torch.arange(begin, end)[None]
            angles = {name: rope(positions) for name, rope in self._ropes.items()}
            states, held = [h], []
            for entry, program, (key, value) in zip(self.manifest["layers"], self._layers, past, strict=True):
                h, key, value = program(h, *angles[entry["rope"]], self.mask(entry, begin, end, ids), key, value)
                states.append(h)
                held.append((key, value))
            past = held
            pieces.append(torch.stack(states)[:, 0])
        return torch.cat(pieces, dim=1)
