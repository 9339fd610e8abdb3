"""A model in memory: bundles run in C++, a logit-lens read of every layer, and hooks between the layers.

`docs/bundle.md` describes what a bundle holds. Preparation (tokens, pixels) is Python's, see `modalconflict.prepare`;
everything after it runs in C++ with the interpreter's lock released.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from modalconflict.errors import InvalidArgument
from modalconflict.lens_module import _lens

if TYPE_CHECKING:
    from modalconflict.prepare import Pack, Preparer, RunSpec

__all__ = ["HiddenState", "Hook", "LogitLens", "Model", "PackReads", "load_model"]

MAX_THREADS = 1024  # far beyond any machine this runs on; thousands of threads end the process
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


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
        Layers to be called after, 0 being the embedding; None: all.
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
    >>> hook = Hook(keep, layers=[0, 4])
    >>> hook.positions
    'answer'
    """

    call: Callable[[HiddenState], torch.Tensor | None]
    layers: Sequence[int] | None = None
    positions: Literal["answer", "all"] | Sequence[int] = "answer"
    generated: bool = False

    def _as_tuple(self) -> tuple[Callable[..., torch.Tensor | None], list[int], str, list[int], bool]:
        def called(layer: int, runs: IntArray, lengths: IntArray, hidden: torch.Tensor) -> torch.Tensor | None:
            return self.call(HiddenState(layer, runs, lengths, hidden))

        if self.layers is not None and not len(self.layers):
            raise InvalidArgument("A hook has an empty list of layers; name one, or pass None for all.")
        layers = [] if self.layers is None else [int(layer) for layer in self.layers]
        if isinstance(self.positions, str):
            if self.positions not in ("answer", "all"):
                raise InvalidArgument(
                    f"A hook has the unknown positions '{self.positions}'; use 'answer', 'all' or a list of positions."
                )
            return called, layers, self.positions, [], self.generated
        return called, layers, "listed", [int(position) for position in self.positions], self.generated


@dataclass
class PackReads:
    """What a pass over a pack read: n runs, R lens rows, k best tokens.

    Row 0 is the embedding's output, row l the output of layer l, each through the model's own final norm and
    unembedding; the last row is the model's logits. Entropies and divergences are in nats. A run whose logits are not
    finite has NaN throughout, ids of -1, and says so in `status`.

    Attributes
    ----------
    entropy : ndarray, shape (n, R)
        Shannon entropy over the full vocabulary.
    kl_final : ndarray, shape (n, R)
        KL divergence of the last row from this row.
    top_ids, top_logits : ndarray, shape (n, R, k)
        The largest logits, best first.
    logit_text, logit_vision : ndarray, shape (n, R)
        logsumexp over the first-token variants of the answer by text and by vision; NaN where there is none.
    max_prob, margin : ndarray, shape (n,)
        1 - p1 and 1 - (p1 - p2) of the last row.
    varentropy, gini, top_k_entropy, log_normalizer : ndarray, shape (n,)
        Further indices of the last row: variance of -log p, 1 - sum p^2, the entropy of the k best tokens and the rest
        as one, and log sum e^z.
    answer_ids : list of list of int
        Greedy tokens up to the stop token, which is left out.
    answer_stopped : list of bool
        Whether a stop token ended the answer, rather than `max_new_tokens`.
    status : list of str
        "ok", or what went wrong.
    stats : dict
        Seconds and token counts: ``prompt_tokens`` is the work without sharing, ``prefilled_tokens`` what was computed,
        ``shared_tokens`` what was saved.

    References
    ----------
    nostalgebraist (2020), interpreting GPT: the logit lens.
    """

    entropy: FloatArray
    kl_final: FloatArray
    top_ids: IntArray
    top_logits: Float32Array
    logit_text: Float32Array
    logit_vision: Float32Array
    max_prob: FloatArray
    margin: FloatArray
    varentropy: FloatArray
    gini: FloatArray
    top_k_entropy: FloatArray
    log_normalizer: FloatArray
    answer_ids: list[list[int]]
    answer_stopped: list[bool]
    status: list[str]
    stats: dict[str, float]
    _decode: Callable[[Sequence[int]], str] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        failed = sum(status != "ok" for status in self.status)
        rows = self.entropy.shape[1]
        return f"PackReads(runs={len(self)}, lens_rows={rows}, failed={failed}, seconds={self.stats['seconds']:.2f})"

    @cached_property
    def answers(self) -> list[str]:
        """The decoded answers, stripped, decoded with the bundle's tokenizer at first use.

        Raises
        ------
        IoError
            If the bundle's tokenizer cannot be read.
        """
        if self._decode is None:
            raise InvalidArgument("These reads have no tokenizer to decode with; use answer_ids.")
        return [self._decode(ids) for ids in self.answer_ids]

    def to_dict(self) -> dict[str, Any]:
        """Return the reads as plain lists, numbers and strings."""
        values = {name: value for name, value in vars(self).items() if name not in ("_decode", "answers")}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}


class Model:
    """A model loaded from a bundle; `load_model` makes one.

    Attributes
    ----------
    path
        The bundle's folder.
    info
        family, source, dtype, sizes, stop_token_ids, versions, and sha256 (of bundle.json, which lists every other file's).
    """

    def __init__(self, engine: Any, path: Path) -> None:
        self._engine = engine
        self.path = path
        self.info: dict[str, Any] = engine.info

    def __repr__(self) -> str:
        sizes = self.info["sizes"]
        return (
            f"Model({self.info['source']!r}, family={self.info['family']!r}, layers={sizes['layers']}, "
            f"hidden={sizes['hidden']}, vocab={sizes['vocab']})"
        )

    @cached_property
    def preparer(self) -> Preparer:
        """The bundle's tokenizer and image processor, opened at first use.

        Raises
        ------
        IoError
            If one of their files is missing or altered.
        """
        from modalconflict.prepare import load_preparer

        return load_preparer(self.path)

    def run(
        self,
        pack: Pack | Mapping[str, npt.NDArray[Any]] | str | os.PathLike[str],
        hooks: Sequence[Hook | Callable[[HiddenState], torch.Tensor | None]] = (),
        *,
        top_k: int = 5,
        max_new_tokens: int = 8,
        batch_size: int = 64,
        memory_limit: int = 2 << 30,
        share: bool = True,
        stop_after_layer: int | None = None,
    ) -> PackReads:
        """Run every prompt of a pack: the lens at every layer of the answer position, and the greedy answer.

        How runs are batched depends on the pack and these options alone, so the same pack gives the same numbers whenever
        it is run.

        Parameters
        ----------
        pack
            From a preparer, or its arrays by name, or the path of a saved pack.
        hooks
            Hooks, or plain functions, which are called at the answer position of every layer.
        top_k
            Best tokens kept a lens row, 1 to 1000.
        max_new_tokens
            Length of the greedy answer in tokens, at least 1.
        batch_size
            Most runs in one pass through the layers.
        memory_limit
            Most bytes for the attention's keys and values; a pass takes fewer runs when their prompts are long.
        share
            Whether runs that begin with the same image and tokens share the pass over them.
        stop_after_layer
            Stop after this layer (0: the embedding): the reads have that many rows plus one, there is no answer, and what
            is read from the last layer is NaN.

        Returns
        -------
        PackReads

        Raises
        ------
        InvalidArgument
            If the pack does not fit the model, its lengths disagree, or an option is out of range.
        IoError
            If a pack's file cannot be read.
        ModelError
            If a program of the bundle fails. Non-finite numbers do not raise: see `PackReads.status`.
        """
        source = getattr(pack, "arrays", pack)
        if not isinstance(source, (Mapping, str, os.PathLike)):
            raise InvalidArgument(f"pack is a {type(pack).__name__}; pass a Pack, a dict of arrays or a path.")
        tuples = [(hook if isinstance(hook, Hook) else Hook(hook))._as_tuple() for hook in hooks]
        reads: dict[str, Any] = self._engine.run(
            dict(source) if isinstance(source, Mapping) else Path(source),
            hooks=tuples,
            top_k=top_k,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            kv_memory_bytes=memory_limit,
            share_prefixes=share,
            stop_after_layer=stop_after_layer,
        )
        stats = reads["stats"]
        stats["prefilled_tokens"] = stats["prefix_tokens"] + stats["suffix_tokens"]
        stats["shared_tokens"] = stats["prompt_tokens"] - stats["prefilled_tokens"]
        return PackReads(**reads, _decode=lambda ids: self.preparer.decode(ids))


class LogitLens:
    """Reads one run at a time: each layer's best tokens, entropy, and the logits of the two answers.

    Parameters
    ----------
    model
        A loaded model.
    top_k
        Best tokens kept a layer.

    Examples
    --------
    >>> import modalconflict as mc                                        # doctest: +SKIP
    >>> lens = mc.LogitLens(mc.load_model("pocket.bundle"))               # doctest: +SKIP
    >>> lens.read(RunSpec("a", "text_only", None, "The star is red.", "What color is the star?")).entropy  # doctest: +SKIP
    """

    def __init__(self, model: Model, top_k: int = 5) -> None:
        self.model = model
        self.top_k = top_k

    def read(self, case: RunSpec, positions: Literal["answer"] = "answer", *, max_new_tokens: int = 8) -> PackReads:
        """Read one run.

        Parameters
        ----------
        case
            The run: image, text, question and, for `logit_text` and `logit_vision`, the two answers.
        positions
            "answer": the position that predicts the answer's first token. For others use `Model.run` with a `Hook`.
        max_new_tokens
            Length of the greedy answer in tokens.

        Returns
        -------
        PackReads
            With n = 1.

        Raises
        ------
        InvalidArgument
            If `positions` is not "answer", or the run's prompt does not fit the model.
        """
        if positions != "answer":
            raise InvalidArgument(f"positions is {positions!r}; the lens reads 'answer', for others use a Hook.")
        return self.model.run(self.model.preparer.prepare([case]), top_k=self.top_k, max_new_tokens=max_new_tokens)

    def tokens(self, reads: PackReads) -> list[list[list[str]]]:
        """Return the text of the best tokens of reads, as nested lists of shape (n, R, k)."""
        tokenizer = self.model.preparer.tokenizer
        return [
            [[str(tokenizer.decode([int(i)])) if i >= 0 else "" for i in row] for row in run] for run in reads.top_ids
        ]


def load_model(
    bundle: str | os.PathLike[str], *, trust: bool = False, threads: int | None = None, device: str = "cpu"
) -> Model:
    """Load a bundle: verify it, map its weights and bind them to its programs.

    A bundle's programs are code. Its checksums show that it is what its exporter wrote, not that the exporter meant well:
    load a bundle from a stranger as you would run a stranger's program.

    Parameters
    ----------
    bundle
        The folder that `modalconflict export` wrote.
    trust
        Skip the SHA-256 of every file and check only that each is there in its size: for a large bundle that was verified
        before and that nobody else can write to.
    threads
        Threads of the tensor library, for the whole process; None leaves them as they are.
    device
        "cpu", or "cuda" where torch has it. The lens itself reads on the CPU.

    Returns
    -------
    Model

    Raises
    ------
    IoError
        If a file of the bundle is missing, truncated or altered.
    ModelError
        If its programs, weights and description do not fit together.
    InvalidArgument
        If `threads` is below 1, or the device is not to be had.
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise InvalidArgument(f"threads is {threads}; give 1 to {MAX_THREADS}, or None to leave them as they are.")
    path = Path(bundle)
    return Model(_lens.Model(path, checksums=not trust, device=device, threads=threads or 0), path)
