"""The logit lens over hidden states that are there already: one pass over the vocabulary, no rows x vocabulary array.

`LogitLens` reads a model's layers; this module is the kernel below it, for hidden states from anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from modalconflict.errors import InvalidArgument
from modalconflict.lens_module import _lens

__all__ = ["FinalNorm", "LensReads", "read_lens", "reduce_logits"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FinalNorm:
    """The normalisation between the last layer and the unembedding matrix.

    Attributes
    ----------
    kind : str
        "rms" or "layer".
    weight : array_like, shape (d,), optional
        Ones when left out.
    bias : array_like, shape (d,), optional
        Of a layer norm; zeros when left out.
    eps : float
        Added to the mean square, or to the variance.
    offset : float
        Added to the weight: 1 for models that store it minus one.
    """

    kind: str
    weight: Any = None
    bias: Any = None
    eps: float = 1e-6
    offset: float = 0.0


@dataclass(frozen=True, repr=False)
class LensReads:
    """What the lens reads from n rows; entropies in nats.

    A row whose logits hold NaN or +inf, or nothing but -inf, has ``finite`` False, NaN everywhere and -1 as its
    top ids; it touches no other row.

    Attributes
    ----------
    finite : ndarray of bool, shape (n,)
    entropy, varentropy : ndarray, shape (n,)
        Mean and variance of -log p.
    max_logit, log_normalizer : ndarray, shape (n,)
        Largest logit; log of the sum of exponentials.
    max_probability, one_minus_max, one_minus_margin, gini : ndarray, shape (n,)
        p1, 1 - p1, 1 - (p1 - p2), 1 - sum p^2; the last three keep their small values on nearly certain rows.
    top_k_entropy : ndarray, shape (n,)
        Entropy of the k best tokens and the rest as one outcome.
    padding_mass : ndarray, shape (n,)
        Probability of the tokens from `vocabulary` on, before they are dropped.
    renyi, tsallis : ndarray, shape (n, orders)
    kl_final : ndarray, shape (n,)
        KL(final row || row); NaN where there is no final row.
    top_ids, top_logits : ndarray, shape (n, k)
        Best first, the lower id first in a tie; -1 and -inf where fewer tokens are above -inf.
    chosen : ndarray, shape (n, g)
        logsumexp of the logits of each chosen group; NaN where there is none.
    """

    finite: npt.NDArray[np.bool_]
    entropy: FloatArray
    varentropy: FloatArray
    max_logit: FloatArray
    log_normalizer: FloatArray
    max_probability: FloatArray
    one_minus_max: FloatArray
    one_minus_margin: FloatArray
    gini: FloatArray
    top_k_entropy: FloatArray
    padding_mass: FloatArray
    renyi: FloatArray
    tsallis: FloatArray
    kl_final: FloatArray
    top_ids: npt.NDArray[np.int64]
    top_logits: npt.NDArray[np.float32]
    chosen: FloatArray

    @property
    def energy(self) -> FloatArray:
        """Minus the log normalizer, shape (n,); shifts with the logits."""
        return -self.log_normalizer

    @property
    def chosen_log_probability(self) -> FloatArray:
        """Log of each chosen group's probability, shape (n, g)."""
        return self.chosen - self.log_normalizer[:, None]

    def __repr__(self) -> str:
        n, k = self.top_ids.shape
        bad = int(n - self.finite.sum())
        return f"LensReads({n} rows, top_k={k}, {self.chosen.shape[1]} chosen groups a row, {bad} not finite)"


@dataclass(frozen=True)
class _Chosen:
    """Ragged groups of tokens as flat arrays."""

    tokens: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    offsets: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


def _flatten(groups: Sequence[Sequence[int]]) -> _Chosen:
    if not groups:
        return _Chosen()
    lengths = [len(group) for group in groups]
    tokens = np.array([token for group in groups for token in group], np.int64)
    return _Chosen(tokens, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


def _row_groups(row_groups: npt.ArrayLike | None, groups: Sequence[Sequence[int]], rows: int) -> npt.NDArray[np.int64]:
    if row_groups is None:
        return np.tile(np.arange(len(groups), dtype=np.int64), (rows, 1))
    array = np.asarray(row_groups, np.int64)
    if array.ndim != 2 or array.shape[0] != rows:
        raise InvalidArgument(
            f"row_groups has shape {array.shape}; pass one row of group numbers for each of {rows} rows"
        )
    return array


def _weight(weight: Any) -> tuple[npt.NDArray[Any], str]:
    """The matrix without a copy where it can be, and the name of its element type (bfloat16 as its bits)."""
    if isinstance(weight, torch.Tensor):
        tensor = weight.detach().cpu().contiguous()
        if tensor.dtype == torch.bfloat16:
            return tensor.view(torch.uint16).numpy(), "bfloat16"
        weight = tensor.numpy()
    array = np.ascontiguousarray(weight)
    if array.dtype.name == "bfloat16":
        return array.view(np.uint16), "bfloat16"
    if array.dtype.name not in ("float32", "float16"):
        raise InvalidArgument(f"weight is {array.dtype.name}; pass float32, float16 or bfloat16")
    return array, array.dtype.name


def _vector(values: Any) -> npt.NDArray[np.float32] | None:
    if values is None:
        return None
    if isinstance(values, torch.Tensor):
        values = values.detach().float().cpu().numpy()
    return np.ascontiguousarray(values, np.float32)


def _rows(hidden: Any, name: str) -> npt.NDArray[np.float32]:
    array = _vector(hidden)
    if array is None or array.ndim != 2:
        raise InvalidArgument(
            f"{name} has {0 if array is None else array.ndim} axes; pass an array of two, a row a read"
        )
    return array


def _integers(values: npt.ArrayLike | None) -> npt.NDArray[np.int64]:
    return np.empty(0, np.int64) if values is None else np.ascontiguousarray(values, np.int64)


def _options(
    top_k: int,
    renyi: Sequence[float],
    tsallis: Sequence[float],
    vocabulary: int | None,
    drop_padding: bool,
    threads: int | None,
    block_rows: int,
    tile: int,
) -> Any:
    return _lens.LensOptions(
        top_k=top_k,
        renyi_alphas=list(renyi),
        tsallis_orders=list(tsallis),
        vocabulary=vocabulary or 0,
        drop_padding=drop_padding,
        threads=threads or 0,
        block_rows=block_rows,
        tile=tile,
    )


def read_lens(
    hidden: Any,
    weight: Any,
    *,
    norm: FinalNorm | None = None,
    bias: Any = None,
    scale: float = 1.0,
    softcap: float | None = None,
    normed: npt.ArrayLike | None = None,
    final_row: npt.ArrayLike | None = None,
    groups: Sequence[Sequence[int]] = (),
    row_groups: npt.ArrayLike | None = None,
    top_k: int = 5,
    renyi: Sequence[float] = (),
    tsallis: Sequence[float] = (),
    vocabulary: int | None = None,
    drop_padding: bool = False,
    threads: int | None = None,
    block_rows: int = 0,
    tile: int = 0,
) -> LensReads:
    """Read hidden states through the unembedding: logits z = cap(scale (W norm(h) + bias)), never all at once.

    Parameters
    ----------
    hidden : array_like, shape (n, d)
        Rows of layers and cases, float32.
    weight : ndarray or torch.Tensor, shape (V, d)
        Float32, float16 or bfloat16; the products accumulate in float32 in every case.
    norm : FinalNorm, optional
        Applied to every row that is not `normed`.
    bias : array_like, shape (V,), optional
    scale, softcap : float
        A softcap c caps the logits by c tanh(z / c).
    normed : array_like of bool, shape (n,), optional
        Rows that have been through the norm already.
    final_row : array_like of int, shape (n,), optional
        The row each row is compared with by KL(that row || this row); -1 for none.
    groups : sequence of sequences of int
        Groups of chosen tokens.
    row_groups : array_like of int, shape (n, g), optional
        The groups that each row asks for, -1 for none; left out, every row asks for every group.
    top_k : int
        Best tokens kept a row.
    renyi, tsallis : sequence of float
        Orders of further entropies; order 1 is the Shannon entropy.
    vocabulary : int, optional
        Tokens from this id on are padding of the matrix: their mass is reported.
    drop_padding : bool
        Leave the padding out of the distribution.
    threads : int, optional
        At most so many of torch's threads. The results do not depend on it.
    block_rows, tile : int
        Rows that share one walk over the weights, tokens a tile; 0 chooses them.

    Returns
    -------
    LensReads

    Raises
    ------
    InvalidArgument
        If a shape, an index or an option is out of range; the message names it.

    References
    ----------
    nostalgebraist (2020), interpreting GPT: the logit lens.
    Milakov & Gimelshein (2018), Online normalizer calculation for softmax.

    Examples
    --------
    >>> import numpy as np
    >>> reads = read_lens(np.eye(2, dtype=np.float32), np.zeros((4, 2), np.float32), top_k=1)
    >>> reads.entropy.round(6), reads.top_ids.ravel()
    (array([1.386294, 1.386294]), array([0, 0]))
    """
    rows = _rows(hidden, "hidden")
    matrix, weight_type = _weight(weight)
    chosen = _flatten(groups)
    form = norm or FinalNorm("none")
    return LensReads(
        **_lens.read_lens(
            hidden=rows,
            weight=matrix,
            weight_type=weight_type,
            bias=_vector(bias),
            scale=scale,
            softcap=softcap,
            norm_kind=form.kind,
            norm_weight=_vector(form.weight),
            norm_bias=_vector(form.bias),
            norm_eps=form.eps,
            norm_offset=form.offset,
            normed=np.empty(0, np.uint8) if normed is None else np.asarray(normed, bool).astype(np.uint8),
            final_row=_integers(final_row),
            tokens=chosen.tokens,
            group_offsets=chosen.offsets,
            row_groups=_row_groups(row_groups, groups, len(rows)),
            options=_options(top_k, renyi, tsallis, vocabulary, drop_padding, threads, block_rows, tile),
        )
    )


def reduce_logits(
    logits: Any,
    *,
    final_row: npt.ArrayLike | None = None,
    groups: Sequence[Sequence[int]] = (),
    row_groups: npt.ArrayLike | None = None,
    top_k: int = 5,
    renyi: Sequence[float] = (),
    tsallis: Sequence[float] = (),
    vocabulary: int | None = None,
    drop_padding: bool = False,
    threads: int | None = None,
    block_rows: int = 0,
    tile: int = 0,
) -> LensReads:
    """Read the same from logits that are there already.

    Parameters
    ----------
    logits : array_like, shape (n, V)
        Float32; -inf is a token of probability 0.
    final_row, groups, row_groups, top_k, renyi, tsallis, vocabulary, drop_padding, threads, block_rows, tile
        As in `read_lens`.

    Returns
    -------
    LensReads

    Raises
    ------
    InvalidArgument
        If a shape, an index or an option is out of range; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> reads = reduce_logits(np.log([[0.5, 0.25, 0.25]]), top_k=2)
    >>> reads.entropy.round(4), reads.top_ids
    (array([1.0397]), array([[0, 1]]))
    """
    rows = _rows(logits, "logits")
    chosen = _flatten(groups)
    return LensReads(
        **_lens.reduce_logits(
            logits=rows,
            final_row=_integers(final_row),
            tokens=chosen.tokens,
            group_offsets=chosen.offsets,
            row_groups=_row_groups(row_groups, groups, len(rows)),
            options=_options(top_k, renyi, tsallis, vocabulary, drop_padding, threads, block_rows, tile),
        )
    )
