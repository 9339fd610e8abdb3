"""What a study is: its record in study.json, and the refusal to mix two studies in one folder."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modalconflict.errors import IoError
from modalconflict.folders import claim_folder
from modalconflict.records.files import file_sha256, write_json
from modalconflict.records.journal import JOURNAL, PARTS
from modalconflict.records.lock import LOCK, StudyLock
from modalconflict.records.reading import STUDY, is_study, study_information
from modalconflict.records.schema import FORMAT_VERSION

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
    described = _options_of(table)
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
            "options": described,
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
        "machine": _machine(),
        "begun": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "calls": [],
    }


def _options_of(table: Any) -> Any:
    described = (table.schema.metadata or {}).get(b"modalconflict.dataset")
    try:
        return json.loads(described) if described else None
    except (ValueError, RecursionError):
        raise IoError("the manifest has options that are no JSON; make the dataset again") from None


def fingerprint(information: dict[str, Any]) -> str:
    """Sha256 over what makes a study this study and no other; every part of its records carries it."""
    values = [_at(information, keys) for keys in _IDENTITY]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@contextmanager
def open_folder(out: Path, information: dict[str, Any], resume: bool) -> Iterator[None]:
    """Hold the study's folder for this process: made anew, or found to be the study that may be continued.

    With `resume`, `information` takes over when the study began and its earlier calls. A study that ends before its
    first group is finished leaves nothing behind.

    Raises
    ------
    IoError
        If the folder holds another study (the message names what differs), the same one without `resume`, or
        anything else; or another process holds it.
    """
    made = not os.path.exists(out)
    claim_folder(out, "study", _may_be_study)
    try:
        with StudyLock(out):
            fresh = not is_study(out)
            if fresh:
                write_json(out / STUDY, information)
            else:
                require_same(study_information(out), out, information, resume)
            try:
                yield
            except BaseException:
                if fresh:
                    _remove_unbegun(out)
                raise
    except BaseException:
        if made:
            with suppress(OSError):  # it is not empty: there are finished groups, or another process began a study
                out.rmdir()
        raise


def _may_be_study(out: Path) -> bool:
    """Whether a folder holds a study, or only what a process killed at a study's first moment leaves."""
    return is_study(out) or {p.name for p in out.iterdir()} <= {LOCK, f"{STUDY}.part"}


def require_same(there: dict[str, Any], out: object, information: dict[str, Any], resume: bool) -> None:
    """Refuse to go on with another study than the one `there` at `out`, or without `resume`; else take over its calls."""
    different = [k for k in _IDENTITY if _at(there, k) != _at(information, k)]
    if different:
        details = "; ".join(_difference(k, there, information) for k in different)
        raise IoError(f"{out} holds another study ({details}); choose another folder")
    if not resume:
        raise IoError(f"{out} holds this study already; continue it by --resume (resume=True) or choose another folder")
    calls = there.get("calls")
    information["begun"] = there.get("begun", information["begun"])
    information["calls"] = calls if isinstance(calls, list) else []


def _remove_unbegun(out: Path) -> None:
    if any((out / PARTS).glob("part-*.parquet")):
        return
    with suppress(OSError):
        for name in (JOURNAL, STUDY):
            (out / name).unlink(missing_ok=True)
        if (out / PARTS).is_dir():
            (out / PARTS).rmdir()


def _at(information: dict[str, Any], keys: tuple[str, ...]) -> Any:
    value: Any = information
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _difference(keys: tuple[str, ...], there: dict[str, Any], here: dict[str, Any]) -> str:
    if keys == ("options",):
        old, new = there.get("options"), here["options"]
        old = old if isinstance(old, dict) else {}
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


def _machine() -> dict[str, Any]:
    """What numbers may depend on besides versions: the processor, the threads, the tensor library's build."""
    machine: dict[str, Any] = {"system": platform.platform(), "processor": _processor(), "cpus": os.cpu_count()}
    torch = sys.modules.get("torch")  # a study over HTTP does without
    if torch is not None:
        machine["threads"] = torch.get_num_threads()
        machine["torch_build"] = torch.__config__.show().split("\n", 1)[-1].strip()
        machine["capability"] = torch.backends.cpu.get_cpu_capability()
    return machine


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
