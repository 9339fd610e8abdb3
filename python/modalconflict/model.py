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
from modalconflict.hooks import ActivationCache, HiddenState, Hook
from modalconflict.lens_module import _lens

if TYPE_CHECKING:
    from modalconflict.prepare import Pack, Preparer, RunSpec
    from modalconflict.tuned_lens import TunedLens

__all__ = ["ActivationCache", "HiddenState", "Hook", "LogitLens", "Model", "PackReads", "load_model"]

MAX_THREADS = 1024  # far beyond any machine this runs on; thousands of threads end the process
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


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
    renyi, tsallis : ndarray, shape (n, orders)
        Of the last row, in the orders that were asked for.
    answer_ids : list of list of int
        Greedy tokens up to the stop token, which is left out.
    answer_log_probs : list of list of float
        Log-probability of each of these tokens given what precedes it, nats.
    answer_log_prob : ndarray, shape (n,)
        Their sum, log p(answer | prompt) without the stop token; 0 for an empty answer, NaN where there is none.
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
    renyi: FloatArray
    tsallis: FloatArray
    answer_ids: list[list[int]]
    answer_log_probs: list[list[float]]
    answer_log_prob: FloatArray
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
    memory_limit
        In GiB, as given to `load_model`.
    """

    def __init__(self, engine: Any, path: Path, memory_limit: float | None = None) -> None:
        self._engine = engine
        self.path = path
        self.memory_limit = memory_limit
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
        hooks: Sequence[Hook | ActivationCache | Callable[[HiddenState], torch.Tensor | None]] = (),
        *,
        top_k: int = 5,
        max_new_tokens: int = 8,
        batch_size: int = 64,
        kv_memory: float = 2.0,
        share: bool = True,
        stop_after_layer: int | None = None,
        tuned: TunedLens | None = None,
        renyi: Sequence[float] = (),
        tsallis: Sequence[float] = (),
    ) -> PackReads:
        """Run every prompt of a pack: the lens at every layer of the answer position, and the greedy answer.

        How runs are batched depends on the pack and these options alone, so the same pack gives the same numbers whenever
        it is run.

        Parameters
        ----------
        pack
            From a preparer, or its arrays by name, or the path of a saved pack.
        hooks
            Hooks, caches, or plain functions, which are called at the answer position of every layer; in this order.
        top_k
            Best tokens kept a lens row, 1 to 1000.
        max_new_tokens
            Length of the greedy answer in tokens, at least 1.
        batch_size
            Most runs in one pass through the layers.
        kv_memory
            Most memory for the attention's keys and values, in GiB; runs pass in smaller batches when their prompts are
            long. The memory limit of `load_model` may leave less.
        share
            Whether runs that begin with the same image and tokens share the pass over them.
        stop_after_layer
            Stop after this layer (0: the embedding): the reads have that many rows plus one, there is no answer, and what
            is read from the last layer is NaN.
        tuned
            Reads every layer but the last through its translator; None is the logit lens.
        renyi, tsallis
            Orders of further indices of the last row.

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
        made_for = getattr(pack, "preparation_sha256", "")
        if made_for and made_for != self.info["preparation_sha256"]:
            raise InvalidArgument(
                f"The pack was prepared for another model's bundle ({made_for[:8]}, not "
                f"{self.info['preparation_sha256'][:8]}); prepare it again with this one's preparer."
            )
        source = getattr(pack, "arrays", pack)
        if not isinstance(source, (Mapping, str, os.PathLike)):
            raise InvalidArgument(f"pack is a {type(pack).__name__}; pass a Pack, a dict of arrays or a path.")
        count = int(self.info["sizes"]["layers"])
        chosen = [hook._begin() if isinstance(hook, ActivationCache) else hook for hook in hooks]
        tuples = [(hook if isinstance(hook, Hook) else Hook(hook))._as_tuple(count) for hook in chosen]
        if tuned is not None:
            tuned.check_fits(self)
        reads: dict[str, Any] = self._engine.run(
            dict(source) if isinstance(source, Mapping) else Path(source),
            hooks=tuples,
            top_k=top_k,
            max_new_tokens=max_new_tokens,
            batch_size=batch_size,
            kv_memory_bytes=gibibytes(kv_memory, "kv_memory"),
            share_prefixes=share,
            stop_after_layer=stop_after_layer,
            tuned=None if tuned is None else tuned._arrays,
            renyi_alphas=[float(alpha) for alpha in renyi],
            tsallis_orders=[float(order) for order in tsallis],
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
    tuned
        A tuned lens of this model, `modalconflict.train_tuned_lens` or `load_tuned_lens`; None is the logit lens.

    Examples
    --------
    >>> import modalconflict as mc                                        # doctest: +SKIP
    >>> lens = mc.LogitLens(mc.load_model("pocket.bundle"))               # doctest: +SKIP
    >>> lens.read(RunSpec("a", "text_only", None, "The star is red.", "What color is the star?")).entropy  # doctest: +SKIP
    """

    def __init__(self, model: Model, top_k: int = 5, tuned: TunedLens | None = None) -> None:
        self.model = model
        self.top_k = top_k
        self.tuned = tuned
        if tuned is not None:
            tuned.check_fits(model)

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
        return self.model.run(
            self.model.preparer.prepare([case]), top_k=self.top_k, max_new_tokens=max_new_tokens, tuned=self.tuned
        )

    def tokens(self, reads: PackReads) -> list[list[list[str]]]:
        """Return the text of the best tokens of reads, as nested lists of shape (n, R, k)."""
        tokenizer = self.model.preparer.tokenizer
        return [
            [[str(tokenizer.decode([int(i)])) if i >= 0 else "" for i in row] for row in run] for run in reads.top_ids
        ]


def load_model(
    bundle: str | os.PathLike[str],
    *,
    trust: bool = False,
    threads: int | None = None,
    device: str = "cpu",
    memory_limit: float | None = None,
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
    memory_limit
        Most memory in GiB for weights, keys and values, and intermediate results together; torch and Python come on top.
        Where the weights take more than three quarters of it, layers are read from their files one by one, each once for
        all runs of a pass, the next one while the present one works: the same numbers, from a model larger than memory.

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
        If `threads` is below 1, the device is not to be had, or the memory limit is too small for any prompt (the message
        says what would do).
    """
    if threads is not None and not 1 <= threads <= MAX_THREADS:
        raise InvalidArgument(f"threads is {threads}; give 1 to {MAX_THREADS}, or None to leave them as they are.")
    path = Path(bundle)
    limit = None if memory_limit is None else gibibytes(memory_limit, "memory_limit")
    engine = _lens.Model(path, checksums=not trust, device=device, threads=threads or 0, memory_limit_bytes=limit)
    return Model(engine, path, memory_limit)


def gibibytes(amount: float, name: str) -> int:
    """Return an amount of memory in GiB as bytes.

    Raises
    ------
    InvalidArgument
        If it is not a number above 0.
    """
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 < amount < 2**30:
        raise InvalidArgument(f"{name} is {amount!r}; give an amount of memory in GiB, such as 6 or 0.5.")
    return max(1, int(amount * 2**30))
