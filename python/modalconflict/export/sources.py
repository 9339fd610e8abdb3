"""Where a model's files are: a local folder, or the Hugging Face cache; never the network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from modalconflict.errors import IoError

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"


@dataclass(frozen=True)
class Source:
    """A model's folder.

    Attributes
    ----------
    name
        What the user called it.
    folder
        Where it is.
    shards
        Its safetensors files; empty where its weights are stored otherwise.
    """

    name: str
    folder: Path
    shards: tuple[Path, ...]

    def fingerprint(self) -> str:
        """Return what changes when a weight file or the configuration does: names, sizes, times, and config.json."""
        digest = hashlib.sha256((self.folder / "config.json").read_bytes())
        for shard in self.shards:
            state = shard.stat()
            digest.update(f"{shard.name}:{state.st_size}:{state.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def find_source(model: str | Path) -> Source:
    """Find a model's folder and weight files.

    Parameters
    ----------
    model
        A folder, or a name in the Hugging Face cache, which ``HF_HUB_CACHE`` and ``HF_HOME`` place.

    Returns
    -------
    Source

    Raises
    ------
    IoError
        If there is no such folder or cached model, or one of its weight files is missing.
    """
    folder = Path(model)
    if not folder.is_dir():
        folder = _cached(str(model))
    if not (folder / "config.json").is_file():
        raise IoError(f"'{folder}' holds no config.json, so it is no model; name a folder that holds one.")
    return Source(str(model), folder, _shards(folder))


def _cached(name: str) -> Path:
    from huggingface_hub import constants, snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError) as error:
        raise IoError(
            f"The model '{name}' is neither a folder nor in the Hugging Face cache ('{constants.HF_HUB_CACHE}'); name a "
            f"folder, or download it first with `hf download {name}`."
        ) from error


def _shards(folder: Path) -> tuple[Path, ...]:
    index = folder / _INDEX
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise IoError(f"'{index}' is damaged ({type(error).__name__}); get the file again.") from error
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            others = "" if len(missing) == 1 else f" and {len(missing) - 1} more"
            raise IoError(f"The weights lack their file '{missing[0]}'{others} in '{folder}'; get the files again.")
        return tuple(folder / name for name in names)
    return (folder / _SINGLE,) if (folder / _SINGLE).is_file() else ()
