"""Hugging Face ``datasets``, both ways; the package is optional."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.build import ImportOptions, Progress, build_dataset
from modalconflict.datasets.importing.rows import Table
from modalconflict.datasets.importing.table import at, check_name, resolve_columns
from modalconflict.errors import InvalidArgument, IoError


def from_hf(
    dataset: Any,
    columns: Mapping[str, str] | None = None,
    *,
    out: str | Path,
    images: str | Path | None = None,
    name: str = "hf",
    command: str | None = None,
    link: bool = False,
    skip_bad_rows: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Make a dataset of a Hugging Face one: a ``datasets.Dataset`` or ``datasets.IterableDataset``.

    Parameters
    ----------
    dataset : datasets.Dataset or datasets.IterableDataset
        One split. Pictures are taken as the bytes that were stored, not decoded and encoded again.
    images : path, optional
        Needed where the split holds paths instead of bytes: a folder that all of them lie in.
    columns, out, name, command, link, skip_bad_rows, progress
        As in :func:`modalconflict.datasets.from_table`.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidArgument
        If it is no such dataset (a DatasetDict has several: take one), or naming column and row of a value that does not fit.
    IoError
        If the folder cannot be written.
    ModuleNotFoundError
        If ``datasets`` is not installed.

    Examples
    --------
    >>> import modalconflict as mc
    >>> from datasets import load_dataset                                                # doctest: +SKIP
    >>> split = load_dataset("mgolov/Visual-Counterfact", split="color")                 # doctest: +SKIP
    >>> mc.datasets.from_hf(split, {"image": "counterfact_image"}, out="data")           # doctest: +SKIP
    """
    hf = _hf()
    if isinstance(dataset, (hf.DatasetDict, hf.IterableDatasetDict)):
        raise InvalidArgument(f"this holds several splits; give one of them: {', '.join(map(str, dataset))}")
    if not isinstance(dataset, (hf.Dataset, hf.IterableDataset)):
        raise InvalidArgument(f"a {type(dataset).__name__} is no Hugging Face dataset; give a datasets.Dataset")
    features = dataset.features
    if features is None:
        raise InvalidArgument("this iterable dataset does not know its columns; call resolve_features() on it first")
    for column, feature in features.items():
        if isinstance(feature, hf.Image):
            dataset = dataset.cast_column(column, hf.Image(decode=False))
    table = Table("the Hugging Face dataset", None, tuple(features), None)
    mapping = resolve_columns(table, columns)

    root = None if images is None else Path(images).resolve()

    def rows() -> Iterator[tuple[int, dict[str, Any]]]:
        for row, values in enumerate(dataset):
            fields = {field: at(values, column) for field, column in mapping.items()}
            if root is not None:
                fields["image"] = _below(root, fields["image"])
            yield row, fields

    options = ImportOptions(out, images, link, skip_bad_rows, command, progress)
    identity = {"format": "hf", "columns": mapping, "fingerprint": getattr(dataset, "_fingerprint", None)}
    return build_dataset(rows(), mapping, table.label, check_name(name), options, identity)


def to_hf(dataset: Dataset) -> Any:
    """Return a dataset as a Hugging Face ``datasets.Dataset``: the manifest's columns, ``image`` as an Image feature.

    Parameters
    ----------
    dataset : Dataset
        Its pictures stay where they are; ``datasets`` reads them when they are used, and takes them in when it saves.

    Returns
    -------
    datasets.Dataset

    Raises
    ------
    ModuleNotFoundError
        If ``datasets`` is not installed.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.color_recognition(groups=1).to_hf()[0]["image"].size                 # doctest: +SKIP
    (800, 600)
    """
    hf = _hf()
    table = dataset.table
    paths = [str((dataset.path / name).resolve()) for name in table["image"].to_pylist()]
    image = pa.StructArray.from_arrays(
        [pa.nulls(len(paths), pa.binary()), pa.array(paths, pa.string())], names=["bytes", "path"]
    )
    # the metadata are the manifest's; datasets would take its own from there
    table = table.set_column(table.schema.get_field_index("image"), "image", image).replace_schema_metadata(None)
    return hf.Dataset(table).cast_column("image", hf.Image())


def _below(root: Path, image: Any) -> Any:
    """Hugging Face writes whole paths: those below the image folder become relative to it, as everywhere else."""
    if isinstance(image, Mapping) and image.get("bytes") is None and isinstance(image.get("path"), str):
        path = Path(image["path"])
        if path.is_absolute() and path.is_relative_to(root):
            return str(path.relative_to(root))
    return image


def _hf() -> Any:
    try:
        import datasets
    except ImportError:
        raise ModuleNotFoundError(
            "Hugging Face datasets is not installed; install it by: pip install 'modalconflict[hf]'"
        ) from None
    if not hasattr(datasets, "IterableDatasetDict"):
        raise IoError(
            f"the module 'datasets' at {getattr(datasets, '__file__', '?')} is not Hugging Face's; rename yours"
        )
    return datasets
