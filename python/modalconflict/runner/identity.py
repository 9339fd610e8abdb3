"""What a study is: its record in study.json, and the refusal to mix two studies in one folder."""

from __future__ import annotations

import datetime
import json
import os
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modalconflict.errors import IoError
from modalconflict.folders import claim_folder
from modalconflict.records.files import file_sha256
from modalconflict.records.reading import STUDY, is_study, study_information
from modalconflict.records.schema import FORMAT_VERSION
from modalconflict.records.writing import write_json

if TYPE_CHECKING:
    from modalconflict.api.study import ApiOptions
    from modalconflict.runner.study import Options

# two studies are the same if all of these are; paths, times and the machine may differ
_IDENTITY = (
    ("model", "sha256"),
    ("dataset", "sha256"),
    ("options",),
    ("versions", "modalconflict"),
    ("versions", "torch"),
    ("records_version",),
)


def describe(model: Any, bundle: Path | None, dataset: Any, options: Options | ApiOptions) -> dict[str, Any]:
    """The content of study.json for a study that is about to begin."""
    info = model.info
    table = dataset.table
    described = (table.schema.metadata or {}).get(b"modalconflict.dataset")
    names = table["dataset"].unique().to_pylist() if "dataset" in table.column_names else []
    return {
        "format": "modalconflict-study",
        "records_version": FORMAT_VERSION,
        "model": {
            "name": str(info.get("source") or info.get("family") or "model"),
            "family": info.get("family"),
            "dtype": info.get("dtype"),
            "sha256": str(info.get("sha256") or ""),
            "layers": int(info["sizes"]["layers"]),
            "path": None if bundle is None else str(bundle.resolve()),
        },
        "dataset": {
            "name": names[0] if len(names) == 1 else "mixed" if names else "unnamed",
            "sha256": file_sha256(Path(dataset.path) / "manifest.parquet"),
            "path": str(Path(dataset.path).resolve()),
            "cases": table.num_rows,
            "options": json.loads(described) if described else None,
        },
        "options": {k: v for k, v in asdict(options).items() if k != "memory_limit" or v is not None},
        "versions": {
            "modalconflict": _version("modalconflict"),
            "torch": _version("torch"),
            "numpy": _version("numpy"),
            "pyarrow": _version("pyarrow"),
            "transformers": _version("transformers"),
            "python": platform.python_version(),
        },
        "machine": {"system": platform.platform(), "processor": _processor(), "cpus": os.cpu_count()},
        "begun": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "calls": [],
    }


def open_folder(out: Path, information: dict[str, Any], resume: bool) -> None:
    """Make the study's folder, or check that the one there may be continued.

    With `resume`, `information` takes over when the study began and its earlier calls.

    Raises
    ------
    IoError
        If the folder holds another study (the message names what differs), the same one without `resume`, or
        anything else.
    """
    if claim_folder(out, "study", is_study):
        there = study_information(out)
        different = [".".join(k) for k in _IDENTITY if _at(there, k) != _at(information, k)]
        if different:
            details = "; ".join(
                _difference(k, there, information) for k in _IDENTITY if _at(there, k) != _at(information, k)
            )
            raise IoError(f"{out} holds another study ({details}); choose another folder")
        if not resume:
            raise IoError(
                f"{out} holds this study already; continue it by --resume (resume=True) or choose another folder"
            )
        information["begun"] = there.get("begun", information["begun"])
        information["calls"] = there.get("calls", [])
        return
    write_json(out / STUDY, information)


def _at(information: dict[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = information
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _difference(keys: tuple[str, ...], there: dict[str, Any], here: dict[str, Any]) -> str:
    if keys == ("options",):
        old, new = there.get("options") or {}, here["options"]
        return ", ".join(
            f"{k} {old.get(k)} there, {new.get(k)} here" for k in sorted({*old, *new}) if old.get(k) != new.get(k)
        )
    if keys[-1] == "sha256":
        old, new = (f"{_at(side, (keys[0], 'name'))} {str(_at(side, keys))[:8]}" for side in (there, here))
        return f"another {keys[0]}: {old} there, {new} here"
    return f"{' '.join(reversed(keys))} {_at(there, keys)} there, {_at(here, keys)} here"


def _version(package: str) -> str | None:
    if package == "modalconflict":
        from modalconflict import __version__

        return __version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
