"""Bundles run in C++, and the logit lens over their hidden states."""

import collections.abc
import os
import typing

import numpy
import numpy.typing

class Model:
    """A model loaded from a bundle."""
    def __init__(
        self,
        bundle: os.PathLike[str] | str | bytes,
        checksums: bool = True,
        device: str = "cpu",
        threads: typing.SupportsInt | typing.SupportsIndex = 0,
        memory_limit_bytes: typing.SupportsInt | typing.SupportsIndex | None = None,
    ) -> None: ...
    def run(
        self,
        pack: typing.Any,
        hooks: collections.abc.Sequence[
            tuple[
                typing.Any,
                collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
                str,
                collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
                bool,
            ]
        ],
        top_k: typing.SupportsInt | typing.SupportsIndex,
        max_new_tokens: typing.SupportsInt | typing.SupportsIndex,
        batch_size: typing.SupportsInt | typing.SupportsIndex,
        kv_memory_bytes: typing.SupportsInt | typing.SupportsIndex,
        share_prefixes: bool,
        stop_after_layer: typing.SupportsInt | typing.SupportsIndex | None,
        tuned: typing.Any = None,
        renyi_alphas: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [],
        tsallis_orders: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [],
    ) -> dict[str, typing.Any]:
        """Run a pack (a dict of arrays, or the path of a pack file) and return its reads as a dict of arrays."""
    @property
    def info(self) -> dict[str, typing.Any]: ...

class LensOptions:
    def __init__(
        self,
        *,
        top_k: typing.SupportsInt | typing.SupportsIndex = 5,
        renyi_alphas: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [],
        tsallis_orders: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [],
        vocabulary: typing.SupportsInt | typing.SupportsIndex = 0,
        drop_padding: bool = False,
        threads: typing.SupportsInt | typing.SupportsIndex = 0,
        block_rows: typing.SupportsInt | typing.SupportsIndex = 0,
        tile: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...

def read_lens(
    hidden: typing.Annotated[numpy.typing.ArrayLike, numpy.float32],
    weight: numpy.typing.NDArray[typing.Any],
    weight_type: str,
    bias: typing.Annotated[numpy.typing.ArrayLike, numpy.float32] | None,
    scale: typing.SupportsFloat | typing.SupportsIndex,
    softcap: typing.SupportsFloat | typing.SupportsIndex | None,
    norm_kind: str,
    norm_weight: typing.Annotated[numpy.typing.ArrayLike, numpy.float32] | None,
    norm_bias: typing.Annotated[numpy.typing.ArrayLike, numpy.float32] | None,
    norm_eps: typing.SupportsFloat | typing.SupportsIndex,
    norm_offset: typing.SupportsFloat | typing.SupportsIndex,
    normed: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8],
    final_row: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    tokens: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    group_offsets: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    row_groups: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    options: LensOptions,
) -> dict[str, typing.Any]:
    """Rows of hidden states through the unembedding; see modalconflict.lens_kernel.read_lens."""

def reduce_logits(
    logits: typing.Annotated[numpy.typing.ArrayLike, numpy.float32],
    final_row: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    tokens: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    group_offsets: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    row_groups: typing.Annotated[numpy.typing.ArrayLike, numpy.int64],
    options: LensOptions,
) -> dict[str, typing.Any]:
    """The same reads of logits; see modalconflict.lens_kernel.reduce_logits."""

def verify_bundle(bundle: os.PathLike[str] | str | bytes) -> None:
    """Hold every file of a bundle against its size and SHA-256."""
