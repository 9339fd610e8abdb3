"""What happens between the layers: oscillations and the logit difference."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from modalconflict.analysis.statistics import Floats, mean_difference_interval, ratio_interval

THIRDS = ("early", "middle", "late")
AMBIGUOUS_HALF_WIDTH = 0.5
"""A case is ambiguous where it lies at most so far from the balance point, in units of ΔU_rel (arXiv 2511.02243)."""


def matrix(column: pa.ChunkedArray, dtype: Any) -> npt.NDArray[Any]:
    """A fixed-size list column as shape (n, R); rows that are null become NaN (floats) or None (strings)."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    width = array.type.list_size
    valid = np.array(array.is_valid())
    flat = array.flatten().to_numpy(zero_copy_only=False)
    if dtype is object:
        out: npt.NDArray[Any] = np.full((len(array), width), None, dtype=object)
    else:
        out = np.full((len(array), width), np.nan, dtype=dtype)
    out[valid] = flat.reshape(-1, width)
    return out


def count_switches(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Oscillations of many cases by third of the depth.

    Parameters
    ----------
    labels
        Shape (n, layers): "vision", "text" or "irrelevant" a layer; None throughout a run that failed.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3): switches completed in the early, middle and late third (layer l of L belongs to third
        ⌊3 l / L⌋); a row sums to the case's oscillations.

    References
    ----------
    arXiv 2511.02243, concept oscillation.
    """
    from modalconflict import count_oscillations

    counts = np.zeros((len(labels), 3), dtype=np.int64)
    known = np.array([row[0] is not None for row in labels], dtype=bool)
    if known.any():
        counts[known] = count_oscillations(labels[known].tolist(), by_third=True)
    return counts


@dataclass(frozen=True)
class Regions:
    """The two kinds of cases whose oscillations are compared.

    Attributes
    ----------
    basis
        "balance_point" or, without a crossing, "tertiles".
    names
        What the first and the second region are called.
    first, second
        Masks, shape (n,).
    threshold
        |ΔU_rel − balance point| (or |ΔU_rel|) that bounds the first, and where the second begins.
    """

    basis: str
    names: tuple[str, str]
    first: npt.NDArray[np.bool_]
    second: npt.NDArray[np.bool_]
    threshold: tuple[float, float]


def regions(delta: Floats, balance: float | None) -> Regions:
    """Ambiguous and clear cases, or without a crossing the lowest and highest tertile of |ΔU_rel|."""
    if balance is not None:
        near = np.abs(delta - balance) <= AMBIGUOUS_HALF_WIDTH
        return Regions(
            "balance_point", ("ambiguous", "clear"), near, ~near, (AMBIGUOUS_HALF_WIDTH, AMBIGUOUS_HALF_WIDTH)
        )
    low, high = (float(q) for q in np.quantile(np.abs(delta), [1 / 3, 2 / 3])) if len(delta) else (np.nan, np.nan)
    size = np.abs(delta)
    return Regions(
        "tertiles", ("lowest third", "highest third"), size <= low, (size >= high) & (size > low), (low, high)
    )


def lens_table(cases: pa.Table, used: npt.NDArray[np.bool_]) -> pa.Table:
    """What the lens reads at each row, over the cases that count.

    Parameters
    ----------
    cases
        With lens columns.
    used
        Shape (n,).

    Returns
    -------
    pyarrow.Table
        layer (0: the embeddings), n, mean and quartiles of KL(final ‖ layer) and of the lens' entropy (nats), and the share
        of the top-1 tokens that name the text's answer, the image's, or neither.
    """
    chosen = cases.filter(pa.array(used))
    labels = matrix(chosen["lens_label"], object)
    columns: dict[str, Any] = {"layer": np.arange(labels.shape[1])}
    for name, column in (("kl", "kl_final"), ("entropy", "lens_entropy")):
        values = matrix(chosen[column], np.float64) if column in chosen.column_names else np.full(labels.shape, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a layer without a number has no mean: NaN says so
            columns[f"{name}_mean"] = np.nanmean(values, axis=0)
            low, median, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
        columns |= {f"{name}_lower_quartile": low, f"{name}_median": median, f"{name}_upper_quartile": high}
    known = np.array([row[0] is not None for row in labels], dtype=bool)
    for label in ("text", "vision", "irrelevant"):
        share = (labels[known] == label).mean(axis=0) if known.any() else np.full(labels.shape[1], np.nan)
        columns[f"share_{label}"] = np.asarray(share, dtype=np.float64)
    columns["n"] = np.full(labels.shape[1], int(known.sum()))
    return pa.table({k: pa.array(v) for k, v in columns.items()})


def oscillation_summary(
    switches: npt.NDArray[np.int64],
    where: Regions,
    groups: npt.NDArray[np.int64],
    level: float,
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """Mean oscillations a case in each region and over all, with intervals over groups, by third, and the regions' difference."""
    total = switches.sum(axis=1).astype(np.float64)
    out: dict[str, Any] = {"basis": where.basis, "threshold": list(where.threshold), "regions": []}
    everything = np.ones(len(total), dtype=bool)
    for name, mask in zip((*where.names, "all"), (where.first, where.second, everything), strict=True):
        ones = mask.astype(np.float64)
        mean, low, high = ratio_interval(total * ones, ones, groups, level, replicates, seed)
        thirds = [float(switches[mask, i].mean()) if mask.any() else float("nan") for i in range(3)]
        out["regions"].append(
            {
                "name": name,
                "n": int(mask.sum()),
                "mean": mean,
                "low": low,
                "high": high,
                "thirds": dict(zip(THIRDS, thirds, strict=True)),
            }
        )
    out["all"] = out["regions"].pop()
    used = where.first | where.second
    difference = mean_difference_interval(total[used], where.first[used], groups[used], level, replicates, seed)
    out["difference"] = dict(zip(("estimate", "low", "high"), difference, strict=True))
    return out


def layer_bins(delta: Floats, difference: Floats, edges: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Mean logit difference (text − vision) a bin of ΔU_rel and lens row.

    Returns
    -------
    mean
        Shape (bins, R), NaN where a bin is empty.
    counts
        Shape (bins,).
    """
    index = bin_index(delta, edges)
    bins = len(edges) - 1
    usable = np.isfinite(difference).all(axis=1)
    counts = np.bincount(index[usable], minlength=bins)
    mean = np.full((bins, difference.shape[1]), np.nan)
    for i in np.flatnonzero(counts):
        mean[i] = difference[usable & (index == i)].mean(axis=0)
    return mean, counts


def bin_index(x: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    """Bin of each value; the last bin holds its upper edge."""
    return np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(edges) - 2).astype(np.int64)
