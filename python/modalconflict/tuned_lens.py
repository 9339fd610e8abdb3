"""The tuned lens: an affine translator a layer, trained so that the unembedding says of a layer what it says of the last.

The logit lens reads a middle layer as if it were the last, which it is not: its states may be rotated, shifted or stretched
against the last ones'. A translator h + A h + b undoes what of this is affine.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from modalconflict.errors import InvalidArgument, IoError

if TYPE_CHECKING:
    from modalconflict.model import Model

__all__ = ["TunedLens", "TunedLensReport", "load_tuned_lens"]

CONFIG, PARAMS = "config.json", "params.pt"
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class TunedLensReport:
    """How well a lens predicts the last layer on runs that it was not trained on.

    Attributes
    ----------
    kl_before, kl_after : ndarray, shape (layers,)
        Mean KL(last || layer) in nats, by the logit lens and by the tuned one.
    trained_rows, held_out_rows : int
        Hidden states of either kind.
    """

    kl_before: npt.NDArray[np.float64]
    kl_after: npt.NDArray[np.float64]
    trained_rows: int
    held_out_rows: int

    def __repr__(self) -> str:
        return (
            f"TunedLensReport(mean KL to the last layer {self.kl_before.mean():.3f} -> {self.kl_after.mean():.3f} nats "
            f"on {self.held_out_rows} held-out rows)"
        )


@dataclass(frozen=True, repr=False, eq=False)
class TunedLens:
    """Translators h + A h + b, applied to a layer's state before the final norm.

    Translator l reads the state after layer l, l = 0 being the embedding's output; the last layer has none.

    Attributes
    ----------
    weight : torch.Tensor, shape (layers, d, d)
        A: float32, bfloat16 or float16.
    bias : torch.Tensor, shape (layers, d)
        b, of the same dtype.
    base_model : str
        The model it was trained for, as its file says.
    report : TunedLensReport, optional
        Of the training.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    base_model: str = ""
    report: TunedLensReport | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        layers, width = (self.weight.shape[0], self.weight.shape[-1]) if self.weight.ndim == 3 else (0, 0)
        if self.weight.shape != (layers, width, width) or self.bias.shape != (layers, width) or not layers:
            raise InvalidArgument(
                f"a tuned lens takes a weight of shape (layers, d, d) and a bias of shape (layers, d), not "
                f"{tuple(self.weight.shape)} and {tuple(self.bias.shape)}"
            )
        if self.weight.dtype not in _DTYPES or self.bias.dtype != self.weight.dtype:
            raise InvalidArgument(
                f"a tuned lens holds float32, bfloat16 or float16, not {self.weight.dtype} and {self.bias.dtype}"
            )

    @property
    def layers(self) -> int:
        """Number of translators."""
        return int(self.weight.shape[0])

    @property
    def width(self) -> int:
        """Hidden size d."""
        return int(self.weight.shape[-1])

    def __repr__(self) -> str:
        return f"TunedLens(layers={self.layers}, width={self.width}, base_model={self.base_model!r})"

    @property
    def sha256(self) -> str:
        """Checksum of the numbers, which records name the lens by."""
        digest = hashlib.sha256()
        for tensor in (self.weight, self.bias):
            digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @cached_property
    def _arrays(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], str]:
        """Weight, bias and type as the engine takes them, without a copy: bfloat16 by its bits."""
        kind = str(self.weight.dtype).removeprefix("torch.")
        tensors = [t.detach().contiguous() for t in (self.weight, self.bias)]
        weight, bias = (t.view(torch.uint16).numpy() if kind == "bfloat16" else t.numpy() for t in tensors)
        return weight, bias, kind

    def transform(self, hidden: torch.Tensor, layer: int) -> torch.Tensor:
        """Translate states of one layer.

        Parameters
        ----------
        hidden
            Shape (..., d), un-normed.
        layer
            0 for the embedding's output, up to the number of translators.

        Returns
        -------
        torch.Tensor
            The same shape; float32. The last layer's states come back as they are.
        """
        if not 0 <= layer <= self.layers:
            raise InvalidArgument(f"layer is {layer}; the lens knows layers 0 to {self.layers}")
        h = hidden.float()
        if layer == self.layers:
            return h
        return h + torch.nn.functional.linear(h, self.weight[layer].float(), self.bias[layer].float())

    def check_fits(self, model: Model) -> None:
        """Raise `InvalidArgument` unless the lens has the model's layers and width."""
        sizes = model.info["sizes"]
        if (self.layers, self.width) != (sizes["layers"], sizes["hidden"]):
            raise InvalidArgument(
                f"the tuned lens has {self.layers} layers of width {self.width}, the model {sizes['layers']} of width "
                f"{sizes['hidden']}; use the lens that was trained for this model"
            )

    def export_safetensors(self, path: str | os.PathLike[str]) -> None:
        """Write the lens for a C++ program (``TunedLens::load``): tensors "weight" and "bias" in one safetensors file."""
        from safetensors.torch import save_file

        try:
            save_file({"weight": self.weight.contiguous(), "bias": self.bias.contiguous()}, path)
        except OSError as error:
            raise IoError(f"cannot write {path}: {error.strerror or error}; choose another place") from error

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and ``params.pt`` in the format of the tuned-lens package.

        Raises
        ------
        IoError
            If the folder cannot be written.
        """
        target = Path(folder)
        config = {
            "base_model_name_or_path": self.base_model,
            "d_model": self.width,
            "num_hidden_layers": self.layers,
            "bias": True,
            "base_model_revision": None,
            "unembed_hash": None,
            "lens_type": "linear_tuned_lens",
        }
        state = {}
        for layer in range(self.layers):
            state[f"{layer}.weight"] = self.weight[layer].clone()
            state[f"{layer}.bias"] = self.bias[layer].clone()
        try:
            target.mkdir(parents=True, exist_ok=True)
            partial = target / (PARAMS + ".part")
            torch.save(state, partial)
            os.replace(partial, target / PARAMS)
            (target / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise IoError(
                f"cannot write the lens to {target}: {error.strerror or error}; choose another folder"
            ) from error


def load_tuned_lens(folder: str | os.PathLike[str]) -> TunedLens:
    """Read a lens that the tuned-lens package, or `TunedLens.save`, wrote.

    Parameters
    ----------
    folder
        Holds ``config.json`` and ``params.pt``. Tensors alone are read from the latter: no code of it runs.

    Returns
    -------
    TunedLens

    Raises
    ------
    IoError
        If a file is missing, unreadable, or holds anything else than the translators that the configuration tells of.

    References
    ----------
    Belrose et al. (2023), Eliciting Latent Predictions from Transformers with the Tuned Lens.
    """
    source = Path(folder)
    for name in (CONFIG, PARAMS):
        if not (source / name).is_file():
            raise IoError(
                f"{source} holds no {name}; name a folder that the tuned-lens package or TunedLens.save wrote"
            )
    try:
        config = json.loads((source / CONFIG).read_text(encoding="utf-8"))
        layers, width = int(config["num_hidden_layers"]), int(config["d_model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IoError(
            f"{source / CONFIG} tells no num_hidden_layers and d_model ({error}); restore the file"
        ) from error
    kind = config.get("lens_type", "linear_tuned_lens")
    if kind != "linear_tuned_lens" or not 1 <= layers <= 4096 or not 1 <= width <= 1 << 20:
        raise IoError(
            f"{source / CONFIG} describes a '{kind}' of {layers} layers, which cannot be read; use a linear one"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what such a file may hold; what cannot be read is said below
            state = torch.load(source / PARAMS, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise IoError(f"{source / PARAMS} is unreadable ({reason}); restore the file") from error
    weights, biases = [], []
    for layer in range(layers):
        weight = state.get(f"{layer}.weight") if isinstance(state, dict) else None
        bias = state.get(f"{layer}.bias") if isinstance(state, dict) else None
        if not isinstance(weight, torch.Tensor) or weight.shape != (width, width) or not weight.is_floating_point():
            raise IoError(f"{source / PARAMS} holds no matrix of {width} x {width} for layer {layer}; restore the file")
        if bias is None and not config.get("bias", True):
            bias = torch.zeros(width, dtype=weight.dtype)
        if not isinstance(bias, torch.Tensor) or bias.shape != (width,):
            raise IoError(f"{source / PARAMS} holds no bias of {width} numbers for layer {layer}; restore the file")
        dtype = weight.dtype if weight.dtype in _DTYPES else torch.float32
        weights.append(weight.to(dtype))
        biases.append(bias.to(dtype))
    return TunedLens(torch.stack(weights), torch.stack(biases), str(config.get("base_model_name_or_path", "")))
