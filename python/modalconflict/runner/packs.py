"""Case packs of a whole dataset, for programs that run without Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modalconflict.errors import InvalidArgument
from modalconflict.folders import claim_folder, require_free
from modalconflict.runner.plan import TEXTS, Groups, plan_group, specification


def write_packs(
    bundle: str | Path,
    dataset: Any,
    out: str | Path,
    *,
    text: str = "original",
    order: str | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Prepare every group of a dataset as one case pack.

    Parameters
    ----------
    bundle
        Whose tokenizer and image processor are used.
    dataset
        A dataset's folder, or a loaded dataset.
    out
        Folder to make; absent or empty.
    text
        "original" or "paraphrase".
    order
        "image_first", "text_first", or None for the manifest's.
    limit
        Only the first so many groups.
    progress
        Called with (groups done, groups).

    Returns
    -------
    list of pathlib.Path
        ``group-000000.safetensors``, …, in the order of the groups.

    Raises
    ------
    InvalidArgument
        If an option is unknown or a case cannot be prepared.
    IoError
        If a file is missing or unreadable, or the folder is taken.
    """
    from modalconflict import datasets
    from modalconflict.prepare import load_preparer

    if text not in TEXTS:
        raise InvalidArgument(f"text '{text}' is none of {', '.join(TEXTS)}; choose one of them")
    out = Path(out)
    require_free(out, "packs")
    data = datasets.load(dataset) if isinstance(dataset, (str, Path)) else dataset
    preparer = load_preparer(bundle)
    claim_folder(out, "packs")
    groups = Groups(data.table, limit)
    paths = []
    for done, number in enumerate(groups, 1):
        runs = plan_group(groups.cases(number), TEXTS[text], order)
        paths.append(out / f"group-{number:06d}.safetensors")
        preparer.prepare([specification(r, Path(data.path)) for r in runs]).save(paths[-1])
        if progress is not None:
            progress(done, len(groups))
    return paths
