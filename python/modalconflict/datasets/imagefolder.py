"""ImageFolder out: a folder with pictures and metadata.jsonl, which Hugging Face loads as it is."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from modalconflict.datasets.dataset import Dataset
from modalconflict.errors import IoError
from modalconflict.folders import require_free

METADATA_FILE = "metadata.jsonl"


def to_imagefolder(dataset: Dataset, out: str | Path) -> Path:
    """Write an ImageFolder: the pictures, and one line a case in ``metadata.jsonl`` with ``file_name`` and the manifest's columns.

    Parameters
    ----------
    dataset : Dataset
        Read in pieces.
    out : path
        Folder to make; absent or empty. It is whole or not there.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    IoError
        If the folder is taken or cannot be written, or a picture is missing.

    Notes
    -----
    A picture that several cases share is written once and named by each of their lines.

    Examples
    --------
    >>> import tempfile, modalconflict as mc
    >>> folder = mc.datasets.color_recognition(groups=1).to_imagefolder(tempfile.mkdtemp() + "/folder")
    >>> sorted(p.name for p in folder.iterdir())
    ['images', 'metadata.jsonl']
    """
    target = Path(out)
    require_free(target, "image folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise IoError(f"cannot make the folder '{target}': {error.strerror or error}; name another folder") from None
    try:
        with open(partial / METADATA_FILE, "w", encoding="utf-8") as lines:
            for batch in dataset.batches():
                for row in batch.to_pylist():
                    name = row.pop("image")
                    if not (partial / name).exists():
                        (partial / name).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(dataset.path / name, partial / name)
                    lines.write(json.dumps({"file_name": name, **row}, ensure_ascii=False) + "\n")
        partial.chmod(0o755)
        os.rename(partial, target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise IoError(f"cannot write '{target}': {error.strerror or error}; check free space and permissions") from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target
