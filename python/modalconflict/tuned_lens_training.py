"""Training a tuned lens on hidden states that the engine's hooks hand out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from modalconflict.errors import InvalidArgument
from modalconflict.tuned_lens import TunedLens, TunedLensReport

if TYPE_CHECKING:
    from modalconflict.model import HiddenState, Model

__all__ = ["train_tuned_lens"]


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
