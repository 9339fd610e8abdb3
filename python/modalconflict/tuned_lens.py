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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from modalconflict.errors import InvalidArgument, IoError

if TYPE_CHECKING:
    from modalconflict.model import HiddenState, Model

__all__ = ["TunedLens", "TunedLensReport", "load_tuned_lens", "train_tuned_lens"]

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


class _States:
    """A hook that keeps the states of every layer, whole prompts without their padding or the answer's position alone."""

    def __init__(self, layers: int) -> None:
        self.rows: list[list[torch.Tensor]] = [[] for _ in range(layers + 1)]
        self.runs: list[int] = []

    def __call__(self, state: HiddenState) -> None:
        hidden, runs = state.hidden.float().clone(), [int(run) for run in state.runs]
        if hidden.ndim == 3:
            runs = [run for run, n in zip(runs, state.lengths, strict=True) for _ in range(int(n))]
            hidden = torch.cat([h[: int(n)] for h, n in zip(hidden, state.lengths, strict=True)])
        self.rows[state.layer].append(hidden)
        if state.layer == 0:
            self.runs += runs


def train_tuned_lens(
    model: Model,
    packs: Iterable[Any],
    *,
    positions: Literal["answer", "all"] = "answer",
    epochs: int = 20,
    batch_rows: int = 128,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-3,
    held_out: float = 0.2,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TunedLens:
    """Train a translator a layer by the KL divergence of the last layer's distribution from the layer's.

    The engine runs the packs once and hands out the hidden states; the rest is a small optimisation a layer (Adam,
    a rate that falls linearly to 0, weight decay towards the logit lens). All states of the packs are held in memory.

    Parameters
    ----------
    model
        A loaded model.
    packs
        Case packs. More rows than the hidden size make a lens that generalises.
    positions
        "answer": the position that records read. "all": every position, many more rows.
    epochs, batch_rows, learning_rate, weight_decay
        Of the optimisation.
    held_out
        Share of the runs, whole ones, that the report is computed on; within (0, 1).
    seed
        Of the choice of held-out runs and of the order of rows.
    progress
        Called with (layers done, layers).

    Returns
    -------
    TunedLens
        Float32, with its report.

    Raises
    ------
    InvalidArgument
        If an option is out of range, or there are fewer than two runs.

    References
    ----------
    Belrose et al. (2023), Eliciting Latent Predictions from Transformers with the Tuned Lens, section 3.

    Examples
    --------
    >>> import modalconflict as mc                                        # doctest: +SKIP
    >>> lens = mc.train_tuned_lens(model, packs)                          # doctest: +SKIP
    >>> lens.save("my-lens")                                              # doctest: +SKIP
    >>> model.run(pack, tuned=lens)                                       # doctest: +SKIP
    """
    if positions not in ("answer", "all"):
        raise InvalidArgument(f"positions is {positions!r}; use 'answer' or 'all'")
    if not 0.0 < held_out < 1.0:
        raise InvalidArgument(f"held_out is {held_out}; give a share between 0 and 1")
    if epochs < 1 or batch_rows < 1 or not learning_rate > 0 or not weight_decay >= 0:
        raise InvalidArgument("epochs and batch_rows start at 1, learning_rate above 0, weight_decay at 0")
    states, runs = _capture(model, packs, positions)
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.randperm(int(runs.max()) + 1, generator=generator)
    if len(kinds) < 2:
        raise InvalidArgument("the packs hold fewer than two runs; give more, some are held out")
    chosen = kinds[: max(1, min(len(kinds) - 1, round(held_out * len(kinds))))]
    test = torch.isin(runs, chosen)
    read = _unembedding(model)
    layers, width = len(states) - 1, states[0].shape[1]
    weight, bias = torch.zeros(layers, width, width), torch.zeros(layers, width)
    before, after = np.zeros(layers), np.zeros(layers)
    final_train, final_test = states[-1][~test], states[-1][test]
    for layer in range(layers):
        rows, kept = states[layer][~test], states[layer][test]
        before[layer] = _divergence(read, kept, final_test, batch_rows)
        weight[layer], bias[layer] = _fit(
            read, rows, final_train, epochs, batch_rows, learning_rate, weight_decay, generator
        )
        translated = kept + torch.nn.functional.linear(kept, weight[layer], bias[layer])
        after[layer] = _divergence(read, translated, final_test, batch_rows)
        if progress is not None:
            progress(layer + 1, layers)
    report = TunedLensReport(before, after, int((~test).sum()), int(test.sum()))
    return TunedLens(weight, bias, str(model.info.get("source") or ""), report)


def _capture(
    model: Model, packs: Iterable[Any], positions: Literal["answer", "all"]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """States of every layer, each of shape (rows, d), and each row's run, counted over all packs."""
    from modalconflict.model import Hook

    layers = int(model.info["sizes"]["layers"])
    everything: list[list[torch.Tensor]] = [[] for _ in range(layers + 1)]
    numbers: list[torch.Tensor] = []
    first = 0
    for pack in packs:
        kept = _States(layers)
        reads = model.run(pack, [Hook(kept, positions=positions)], max_new_tokens=1)
        for layer in range(layers + 1):
            everything[layer] += kept.rows[layer]
        numbers.append(torch.tensor(kept.runs) + first)
        first += len(reads)
    if not numbers:
        raise InvalidArgument("there are no packs to train on; give at least one")
    states = [torch.cat(rows) for rows in everything]
    finite = torch.stack([s.isfinite().all(-1) for s in states]).all(0)
    return [s[finite] for s in states], torch.cat(numbers)[finite]


def _unembedding(model: Model) -> Callable[[torch.Tensor], torch.Tensor]:
    """The bundle's own final norm and head in float32: hidden states (n, d) to log-probabilities (n, V)."""
    from safetensors import safe_open

    from modalconflict.bundle import load_bundle
    from modalconflict.export.runner import unembed

    bundle = load_bundle(model.path, verify=False)
    entry = bundle.manifest["unembed"]
    names = {entry["weight"], entry["bias"], entry["norm"]["weight"], entry["norm"]["bias"]} - {None}
    tensors = {}
    for file in bundle.manifest["weights"]:
        with safe_open(bundle.path / file, framework="pt") as shard:
            tensors.update({name: shard.get_tensor(name).float() for name in names & set(shard.keys())})
    return lambda hidden: torch.log_softmax(unembed(hidden, entry, tensors), -1)


def _batches(rows: int, size: int) -> Sequence[slice]:
    return [slice(begin, begin + size) for begin in range(0, rows, size)]


def _kl(final: torch.Tensor, layer: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.kl_div(layer, final, log_target=True, reduction="none").sum(-1)


@torch.no_grad()
def _divergence(
    read: Callable[[torch.Tensor], torch.Tensor], hidden: torch.Tensor, final: torch.Tensor, batch_rows: int
) -> float:
    parts = [_kl(read(final[b]), read(hidden[b])) for b in _batches(len(hidden), batch_rows)]
    return float(torch.cat(parts).mean())


def _fit(
    read: Callable[[torch.Tensor], torch.Tensor],
    rows: torch.Tensor,
    final: torch.Tensor,
    epochs: int,
    batch_rows: int,
    learning_rate: float,
    weight_decay: float,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    width = rows.shape[1]
    # A rate fits one scale of numbers: states are brought to unit mean square, and the translator back at the end.
    scale = rows.pow(2).mean().sqrt().clamp_min(1e-12)
    translator = torch.nn.Linear(width, width)
    torch.nn.init.zeros_(translator.weight)
    torch.nn.init.zeros_(translator.bias)
    optimiser = torch.optim.AdamW(translator.parameters(), lr=learning_rate, weight_decay=weight_decay)
    steps = epochs * len(_batches(len(rows), batch_rows))
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 1.0 / steps, steps)
    with torch.enable_grad():
        for _ in range(epochs):
            order = torch.randperm(len(rows), generator=generator)
            for batch in _batches(len(rows), batch_rows):
                h = rows[order[batch]]
                with torch.no_grad():
                    target = read(final[order[batch]])
                loss = _kl(target, read(h + scale * translator(h / scale))).mean()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                falling.step()
    return translator.weight.detach(), translator.bias.detach() * scale
