"""Color Recognition: what colour is the circle, if the picture and the text disagree?"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.datasets.dataset import MANIFEST_FILE, OPTIONS_KEY, VERSION_KEY, Dataset
from modalconflict.datasets.manifest import MANIFEST_SCHEMA, MANIFEST_VERSION
from modalconflict.errors import InvalidArgument, IoError

NAME = "color_recognition"
MAX_GROUPS = 10_000_000


def color_recognition(
    groups: int = 400,
    seed: int = 0,
    out: str | Path | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Make the Color Recognition dataset: 14 image tiers and 3 conflicting texts a group.

    Parameters
    ----------
    groups : int
        Each group has a target shape, a colour in its pictures and another in its texts. 400 is the published size:
        16,800 multimodal, 5,600 vision-only and 1,200 text-only runs.
    seed : int
        The same seed gives the same pixels and texts on any machine, for any number of threads. At least 0.
    out : path, optional
        Folder to make; a temporary one by default. It must not hold anything yet.
    threads : int, optional
        Threads that draw; all cores by default.
    progress : callable, optional
        Called with the number of groups done.

    Returns
    -------
    Dataset
        One row a case (d_v, d_t).

    Raises
    ------
    InvalidArgument
        If groups is below 1 or seed below 0.
    IoError
        If the folder holds something already or cannot be written.

    References
    ----------
    "When Modalities Conflict" (arXiv 2511.02243) describes the tiers; the reading of its table is documented.

    Examples
    --------
    >>> import modalconflict as mc
    >>> data = mc.datasets.color_recognition(groups=2, seed=0)
    >>> len(data), data.table["d_v"].to_pylist()[-1]
    (84, 13)
    """
    from modalconflict import _dataset

    if groups < 1:
        raise InvalidArgument(f"groups is {groups}; it must be at least 1")
    if groups > MAX_GROUPS:
        raise InvalidArgument(f"groups is {groups}; it must be at most {MAX_GROUPS}")
    if threads is not None and not 0 <= threads <= 1024:
        raise InvalidArgument(f"threads is {threads}; give 1 to 1024, or none for all cores")
    if not 0 <= seed < 2**63:
        raise InvalidArgument(f"seed is {seed}; it must lie within 0 and 2^63 - 1")
    folder = Path(tempfile.mkdtemp(prefix="modalconflict-")) if out is None else Path(out)
    claim_folder(folder)
    options = _dataset.ColorRecognitionOptions(groups=groups, seed=seed)

    def step(done: int) -> bool:
        if progress is not None:
            progress(done)
        return True

    images = _dataset.write_color_images(options, str(folder), threads or 0, step)
    rows: list[dict[str, Any]] = []
    # Texts belong to the group, not to its fourteen pictures: made once.
    for number, pictures in itertools.groupby(images, key=lambda image: image.group):
        group = _dataset.color_group(options, number)
        question = _dataset.color_question(group)
        texts = [_dataset.color_text(options, group, d_t) for d_t in range(_dataset.COLOR_TEXT_TIERS)]
        for image, (d_t, (text, paraphrase)) in itertools.product(pictures, enumerate(texts)):
            rows.append(
                {
                    "case_id": f"color/{image.group:05d}/v{image.d_v:02d}/t{d_t}",
                    "dataset": NAME,
                    "group": image.group,
                    "d_v": image.d_v,
                    "d_t": d_t,
                    "image": image.path,
                    "image_width": image.width,
                    "image_height": image.height,
                    "text": text,
                    "text_paraphrase": paraphrase,
                    "question": question,
                    "answer_text": group.answer_text,
                    "answer_vision": group.answer_vision,
                    "target": group.target,
                    "attribute": "color",
                    "distractors": image.distractors,
                    "occlusion_rate": image.occlusion_rate,
                    "occluded_count": image.occluded_count,
                    "visible_fraction": image.visible_fraction,
                    "text_words": len(text.split()),
                    "entity": group.entity if d_t == 2 else "",
                    "order": "image_first",
                    "seed": seed,
                    "pixel_sha256": image.pixel_sha256,
                }
            )
    described = json.dumps({"kind": NAME, "groups": groups, "seed": seed}, sort_keys=True)
    table = pa.Table.from_pylist(rows, schema=MANIFEST_SCHEMA).replace_schema_metadata(
        {VERSION_KEY: MANIFEST_VERSION, OPTIONS_KEY: described}
    )
    write_manifest(table, folder)
    return Dataset(folder, table)


def claim_folder(folder: Path) -> None:
    """Make the folder; refuse one that holds anything.

    Raises
    ------
    IoError
        Naming the folder.
    """
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise IoError(f"'{folder}' exists and is not empty; name another folder or remove it")
        folder.mkdir(parents=True, exist_ok=True)
    except PermissionError:
        raise IoError(f"cannot make the folder '{folder}': permission denied; name a folder you can write to") from None
    except (FileExistsError, NotADirectoryError):
        raise IoError(f"cannot make the folder '{folder}': a file is in its way; name another folder") from None
    except IoError:
        raise
    except OSError as error:
        raise IoError(f"cannot make the folder '{folder}': {error.strerror}; name another folder") from None


def write_manifest(table: pa.Table, folder: Path) -> None:
    """Write the manifest whole or not at all; it comes last, so a folder with one is complete."""
    partial = folder / f"{MANIFEST_FILE}.part"
    try:
        pq.write_table(table, partial)
        os.replace(partial, folder / MANIFEST_FILE)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise IoError(
            f"cannot write '{folder / MANIFEST_FILE}': {error.strerror or error}; check free space and permissions"
        ) from None
