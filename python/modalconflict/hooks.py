"""Hooks: functions called between the layers, which read the hidden state or replace it, and a cache that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from modalconflict.errors import InvalidArgument

__all__ = ["ActivationCache", "HiddenState", "Hook", "state_name"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HiddenState:
    """What a hook is shown: the hidden states of one batch of runs between two layers.

    Attributes
    ----------
    layer
        0 for the embedding's output, l for the output of layer l (the first layer is 1).
    runs
        The pack's number of each row's run, shape (B,).
    lengths
        Tokens of each row's prompt, shape (B,).
    hidden
        Shape (B, d) for the answer position, (B, S, d) for all positions (padded on the right), (B, p, d) for p listed
        ones. A view of the engine's own memory, not a copy; it stays valid for as long as it is kept.
    """

    layer: int
    runs: IntArray
    lengths: IntArray
    hidden: torch.Tensor


@dataclass(frozen=True)
class Hook:
    """A function called between two layers, which may read the hidden state or replace it.

    Hooks see the pass over the prompt, batch by batch, in the order given. A hook on other positions than the answer's
    sees whole prompts, so runs then share no prefix and the pass takes longer.

    Attributes
    ----------
    call
        Called with a `HiddenState`. A tensor it returns (a new one, or the state's own after editing it in place) of the
        state's shape is what the next layer reads; None leaves the state as it is. An exception ends the run.
    layers
        Layers to be called after: their numbers, 0 being the embedding; or which names it wants of "embed.h", "layers.1.h",
        …, as a shell pattern ("layers.*.h") or a function from a name to a bool; None: all.
    positions
        "answer" (the last position of the prompt, which predicts the answer's first token), "all", or a sequence of token
        positions, negative ones counted from the prompt's end.
    generated
        Whether to call it for each generated token too, shown as the answer position.

    Examples
    --------
    >>> states = {}
    >>> def keep(state):
    ...     states[state.layer] = state.hidden
    >>> hook = Hook(keep, layers="layers.[1-4].h")
    >>> hook.positions
    'answer'

    See Also
    --------
    ActivationCache : a hook that keeps what it is shown.
    """

    call: Callable[[HiddenState], torch.Tensor | None]
    layers: Sequence[int] | str | Callable[[str], bool] | None = None
    positions: Literal["answer", "all"] | Sequence[int] = "answer"
    generated: bool = False

    def _layers(self, count: int) -> list[int]:
        if self.layers is None:
            return []
        if not isinstance(self.layers, str) and not callable(self.layers):
            if not len(self.layers):
                raise InvalidArgument("A hook has an empty list of layers; name one, or pass None for all.")
            return [int(layer) for layer in self.layers]
        names = [state_name(layer) for layer in range(count + 1)]
        if isinstance(self.layers, str):
            wanted = [fnmatchcase(name, self.layers) for name in names]
        else:
            wanted = [bool(self.layers(name)) for name in names]
        if not any(wanted):
            raise InvalidArgument(
                f"A hook's layers {self.layers!r} name no state; the names are embed.h and layers.1.h to layers.{count}.h."
            )
        return [layer for layer, chosen in enumerate(wanted) if chosen]

    def _as_tuple(self, count: int) -> tuple[Callable[..., torch.Tensor | None], list[int], str, list[int], bool]:
        def called(layer: int, runs: IntArray, lengths: IntArray, hidden: torch.Tensor) -> torch.Tensor | None:
            return self.call(HiddenState(layer, runs, lengths, hidden))

        layers = self._layers(count)
        if isinstance(self.positions, str):
            if self.positions not in ("answer", "all"):
                raise InvalidArgument(
                    f"A hook has the unknown positions '{self.positions}'; use 'answer', 'all' or a list of positions."
                )
            return called, layers, self.positions, [], self.generated
        return called, layers, "listed", [int(position) for position in self.positions], self.generated


def state_name(layer: int) -> str:
    """Return the name of a layer's output: "embed.h" for 0, "layers.l.h" for layer l, the first layer being 1."""
    return "embed.h" if layer == 0 else f"layers.{layer}.h"


class ActivationCache(Mapping[str, Any]):
    """A hook that keeps the hidden states it is shown, by name.

    Parameters
    ----------
    layers
        Which states, as in `Hook`: numbers, a shell pattern over "embed.h", "layers.1.h", …, a function from a name to a
        bool, or None for all.
    positions
        As in `Hook`.

    Notes
    -----
    ``cache["layers.3.h"]`` is a tensor of shape (n, d) for the answer position, (n, p, d) for p listed ones, and for all
    positions a list of n tensors, each (tokens of the run, d). Each `Model.run` begins anew. Where another hook of the same
    run replaces a state, the cache keeps what it is at the cache's own place among the hooks.

    Examples
    --------
    >>> model = load_model("pocket.bundle")                               # doctest: +SKIP
    >>> cache = ActivationCache("layers.*.h")                             # doctest: +SKIP
    >>> reads = model.run(pack, [cache], stop_after_layer=12)             # doctest: +SKIP
    >>> cache["layers.12.h"].shape                                        # doctest: +SKIP
    torch.Size([74, 576])
    """

    def __init__(
        self,
        layers: Sequence[int] | str | Callable[[str], bool] | None = None,
        positions: Literal["answer", "all"] | Sequence[int] = "answer",
    ) -> None:
        self._hook = Hook(self._keep, layers, positions)
        self._states: dict[int, dict[int, torch.Tensor]] = {}

    def _begin(self) -> Hook:
        self._states = {}
        return self._hook

    def _keep(self, state: HiddenState) -> None:
        kept = self._states.setdefault(state.layer, {})
        whole = self._hook.positions == "all"
        for row, (run, length) in enumerate(zip(state.runs.tolist(), state.lengths.tolist(), strict=True)):
            kept[run] = state.hidden[row, :length].clone() if whole else state.hidden[row].clone()

    def __getitem__(self, name: str) -> Any:
        layer = next((layer for layer in self._states if state_name(layer) == name), None)
        if layer is None:
            raise KeyError(f"{name!r} is not in the cache, which holds {', '.join(self) or 'nothing yet'}")
        states = [self._states[layer][run] for run in sorted(self._states[layer])]
        return states if self._hook.positions == "all" else torch.stack(states)

    def __iter__(self) -> Iterator[str]:
        return iter([state_name(layer) for layer in sorted(self._states)])

    def __len__(self) -> int:
        return len(self._states)

    def __repr__(self) -> str:
        return f"ActivationCache({', '.join(self) or 'empty'})"
