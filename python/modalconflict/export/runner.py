"""A plain Python reading of a bundle: the exporter's check on its own work, and the engine's contract in 100 lines.

It loads programs through ``torch.jit.load``, binds the stored weights and walks the layers with a past, exactly as the
C++ engine does, but one prompt at a time and without sharing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.jit._fuser import optimized_execution

from modalconflict.bundle import Bundle
from modalconflict.export import programs
from modalconflict.export.aoti import AotiProgram
from modalconflict.export.mapped import MappedTensors
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


def unembed(h: torch.Tensor, entry: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return float32 logits of un-normed hidden states.

    Parameters
    ----------
    h
        Shape (..., d), in the dtype of the weights.
    entry
        The manifest's ``unembed``.
    tensors
        At least the tensors it names.

    Returns
    -------
    torch.Tensor
        Shape (..., V), float32.
    """
    norm = entry["norm"]
    weight = tensors[norm["weight"]]
    if norm["kind"] == "rms":
        x = h.float()
        x = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + norm["eps"])).to(h.dtype) * (weight + norm["offset"])
    else:
        bias = tensors[norm["bias"]] if norm["bias"] else None
        x = torch.nn.functional.layer_norm(h, h.shape[-1:], weight, bias, norm["eps"])
    bias = tensors[entry["bias"]] if entry["bias"] else None
    logits = torch.nn.functional.linear(x, tensors[entry["weight"]], bias).float() * entry["scale"]
    cap = entry["softcap"]
    capped: torch.Tensor = logits if cap is None else torch.tanh(logits / cap) * cap
    return capped


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
        self._mapped = MappedTensors(bundle.path / name for name in self.manifest["weights"])
        self.tensors = self._mapped.tensors
        self._files = {name: bundle.path / entry["file"] for name, entry in self.manifest["programs"].items()}
        self._ropes = {name: self._program(entry) for name, entry in self.manifest["ropes"].items()}
        self._vision = self._program(self.manifest["vision"])
        projector = self.manifest["projector"]
        self._projector = None if projector is None else self._program(projector)
        self._layers = [self._program(entry) for entry in self.manifest["layers"]]

    def _program(self, entry: dict[str, Any]) -> torch.jit.ScriptModule | AotiProgram:
        program = programs.load(self._files[entry["program"]])
        programs.bind(program, self.tensors, entry["prefix"])
        return program

    def image_rows(self, image: ImageTensors) -> list[torch.Tensor]:
        """Return what the language model reads of one image, given the vision program's inputs.

        Returns
        -------
        list of torch.Tensor
            Each of shape (n, d): the rows in the place of the image's tokens, then those to add between layers.
        """
        names = self.manifest["vision"]["inputs"]
        out = self._vision(*(programs.vision_input(name, image[name], self.dtype) for name in names))
        rows, *injected = out if isinstance(out, tuple) else (out,)
        if self._projector is not None:
            rows = self._projector(rows)
        return [rows.reshape(-1, rows.shape[-1]), *injected]

    def embed(self, ids: torch.Tensor, rows: torch.Tensor | None) -> torch.Tensor:
        """Return the first layer's input (1, S, d): token rows, the image's rows in the place of its tokens."""
        entry = self.manifest["embed"]
        places = ids == self.manifest["image_token_id"]
        # an image token may stand outside the embedding's rows
        h: torch.Tensor = self.tensors[entry["weight"]][ids.masked_fill(places, 0)] * entry["scale"]
        if rows is not None:
            h[places] = rows
        return h

    def unembed(self, h: torch.Tensor) -> torch.Tensor:
        """Return float32 logits of un-normed hidden states (..., d)."""
        return unembed(h, self.manifest["unembed"], self.tensors)

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
    def run(
        self,
        ids: torch.Tensor,
        image: ImageTensors | None = None,
        cut: int = 0,
        positions: torch.Tensor | None = None,
    ) -> Walk:
        """Run one prompt, its first `cut` positions as a prefix whose keys and values the rest reads.

        Parameters
        ----------
        ids
            Shape (S,), int64, image placeholders included.
        image
            The image's inputs of the vision program by name (`modalconflict.image_inputs`), or None.
        cut
            Length of the prefix, within [0, S).
        positions
            Rotary positions, shape (1 or 3, S); None counts from 0.

        Returns
        -------
        Walk
        """
        sizes = self.manifest["sizes"]
        empty = torch.zeros(1, sizes["kv_heads"], 0, sizes["head_dim"], dtype=self.dtype)
        past: Past = [(empty, empty)] * sizes["layers"]
        # every program runs a few times on other shapes: letting the executor specialise each costs far more
        if positions is None:
            positions = torch.arange(len(ids))[None]
        with optimized_execution(False):
            rows = [] if image is None else self.image_rows(image)
            x = self.embed(ids[None], rows[0] if rows else None)
            added = {}
            for entry in self.manifest["inject"] if rows else []:
                places = (ids == self.manifest["image_token_id"])[:, None]
                added[entry["layer"]] = torch.zeros_like(x[0]).masked_scatter(places, rows[entry["output"]])
            hidden = self._walk(x, added, positions, ids, past, cut)
        return Walk(hidden, self.unembed(hidden[-1]))

    def _walk(
        self,
        x: torch.Tensor,
        added: dict[int, torch.Tensor],
        positions: torch.Tensor,
        ids: torch.Tensor,
        past: Past,
        cut: int,
    ) -> torch.Tensor:
        """Walk prefix and rest; return every layer's states, shape (layers + 1, S, d)."""
        pieces = []
        for begin, end in ((0, cut), (cut, x.shape[1])):
            if begin == end:
                continue
            h = x[:, begin:end]
            here = positions[:, begin:end]
            angles = {name: rope(here if len(here) == 1 else here[:, None]) for name, rope in self._ropes.items()}
            states, held = [h], []
            for number, (entry, program, (key, value)) in enumerate(
                zip(self.manifest["layers"], self._layers, past, strict=True), start=1
            ):
                h, key, value = program(h, *angles[entry["rope"]], self.mask(entry, begin, end, ids), key, value)
                if number in added:
                    h = h + added[number][begin:end]
                states.append(h)
                held.append((key, value))
                self._mapped.release()
            past = held
            pieces.append(torch.stack(states)[:, 0])
        return torch.cat(pieces, dim=1)
