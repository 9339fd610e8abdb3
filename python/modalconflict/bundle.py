"""Reading and verifying a bundle: the folder that makes a model runnable by the C++ engine.

`docs/export.md` describes the format. A bundle carries programs, and loading a program runs it: verify a bundle
before use, and treat one from a stranger as a stranger's program.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from modalconflict.bundle_prompt import check_prompt
from modalconflict.errors import IoError, ModelError

FORMAT = "modalconflict-bundle"
FORMAT_VERSION = 1
MANIFEST = "bundle.json"
MAX_MANIFEST_BYTES = 64 << 20
RUNTIMES = ("torchscript", "aoti")

_REQUIRED = {
    "family": str, "source": str, "dtype": str, "runtime": str, "versions": dict, "sizes": dict, "image_token_id": int,
    "stop_token_ids": list, "prompt": dict, "weights": list, "programs": dict, "embed": dict, "ropes": dict,
    "layers": list, "inject": list, "vision": dict, "unembed": dict, "files": dict,
}  # fmt: skip


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest has been read and found well formed.

    Attributes
    ----------
    path
        The folder.
    manifest
        The content of ``bundle.json``.
    sha256
        SHA-256 of ``bundle.json``; as the manifest lists every other file's hash, it identifies the whole bundle.
    """

    path: Path
    manifest: dict[str, Any]
    sha256: str

    @property
    def sizes(self) -> dict[str, int]:
        """The model's sizes: hidden, layers, vocab, heads, kv_heads, head_dim, max_positions."""
        return dict(self.manifest["sizes"])

    @property
    def preparation_sha256(self) -> str:
        """What case packs depend on: SHA-256 over the hashes of the processor's files and the image token.

        Bundles of one model in several dtypes share it, and so do models with one processor.
        """
        files: dict[str, dict[str, Any]] = self.manifest["files"]
        lines = [f"{name} {files[name]['sha256']}\n" for name in sorted(files) if name.startswith("processor/")]
        text = "".join(lines) + f"image token {self.manifest['image_token_id']}\n"
        return hashlib.sha256(text.encode()).hexdigest()

    def verify(self, only: str = "") -> None:
        """Check the size and SHA-256 of every listed file whose relative path starts with `only`.

        Raises
        ------
        IoError
            If a file is missing, altered, or present without being listed.
        """
        files: dict[str, dict[str, Any]] = self.manifest["files"]
        for name, entry in files.items():
            if not name.startswith(only):
                continue
            path = self.path / name
            if not path.resolve().is_relative_to(self.path.resolve()):
                raise IoError(
                    f"The file '{name}' of the bundle '{self.path}' is a link out of its folder; do not use it."
                )
            if not path.is_file():
                raise IoError(f"The bundle '{self.path}' lacks its file '{name}'; export the model again.")
            size = path.stat().st_size
            if size != entry["size"]:
                raise IoError(
                    f"The file '{name}' of the bundle '{self.path}' has {size} bytes instead of {entry['size']}; "
                    "export the model again."
                )
            if sha256_of(path) != entry["sha256"]:
                raise IoError(
                    f"The file '{name}' of the bundle '{self.path}' differs from its checksum in {MANIFEST}; "
                    "export the model again."
                )
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_file() and name.startswith(only) and name != MANIFEST and name not in files:
                raise IoError(
                    f"The bundle '{self.path}' holds the file '{name}', which its {MANIFEST} does not list; "
                    "remove it or export the model again."
                )


def load_bundle(path: str | Path, *, verify: bool = True) -> Bundle:
    """Read a bundle's manifest, check its form and, unless told otherwise, every file's checksum.

    Parameters
    ----------
    path
        The bundle's folder.
    verify
        Whether to read every file and compare its SHA-256 (about a second a gigabyte).

    Returns
    -------
    Bundle

    Raises
    ------
    IoError
        If the folder or a file of it is missing, truncated or altered.
    ModelError
        If the manifest is not of this format or version.
    """
    folder = Path(path)
    manifest_path = folder / MANIFEST
    if not manifest_path.is_file():
        raise IoError(f"'{folder}' is not a bundle: it has no {MANIFEST}; make one with `modalconflict export`.")
    try:
        if manifest_path.stat().st_size > MAX_MANIFEST_BYTES:
            raise IoError(
                f"'{manifest_path}' has more than {MAX_MANIFEST_BYTES >> 20} MiB, which no bundle needs; do not use it."
            )
        raw = manifest_path.read_bytes()
        manifest = json.loads(raw)
    except IoError:
        raise
    except RecursionError:
        raise IoError(f"'{manifest_path}' is nested too deeply; export the model again.") from None
    except (OSError, ValueError) as error:
        raise IoError(f"'{manifest_path}' is not valid JSON ({error}); export the model again.") from error
    check_manifest(manifest, manifest_path)
    bundle = Bundle(folder, manifest, hashlib.sha256(raw).hexdigest())
    if verify:
        bundle.verify()
    return bundle


def check_manifest(manifest: Any, where: Path) -> None:
    """Raise `ModelError` or `IoError`, in one sentence, if a manifest is not a well-formed bundle manifest."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f'\'{where}\' does not describe a bundle: its "format" is not "{FORMAT}".')
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelError(
            f"'{where}' has bundle format version {version}, and this release reads version {FORMAT_VERSION}; "
            "export the model again."
        )
    for key, kind in _REQUIRED.items():
        if not isinstance(manifest.get(key), kind):
            raise ModelError(f"'{where}' lacks a valid \"{key}\" ({kind.__name__}); export the model again.")
    if not isinstance(manifest.get("projector"), dict | None):
        raise ModelError(f"'{where}' lacks a valid \"projector\" (dict or null); export the model again.")
    if manifest["runtime"] not in RUNTIMES:
        raise ModelError(
            f"'{where}' is for the runtime '{manifest['runtime']}', and this release runs {' and '.join(RUNTIMES)}; "
            "export the model again."
        )
    for name, entry in manifest["files"].items():
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or not parts.parts:
            raise IoError(f"'{where}' lists the file '{name}', which does not lie inside the bundle; do not use it.")
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("sha256"), str)
            or not isinstance(entry.get("size"), int)
        ):
            raise ModelError(f"'{where}' gives no sha256 and size for the file '{name}'; export the model again.")
    for group in ("programs", "layers"):
        entries = manifest[group].values() if group == "programs" else manifest[group]
        if not all(isinstance(entry, dict) for entry in entries):
            raise ModelError(f"'{where}' has an entry in \"{group}\" that is no object; export the model again.")
    check_prompt(manifest, where)
    listed = set(manifest["files"])
    used = [*manifest["weights"], *(program.get("file") for program in manifest["programs"].values())]
    for name in used:
        if not isinstance(name, str) or name not in listed:
            raise ModelError(f"'{where}' uses the file '{name}' without listing its checksum; export the model again.")
    programs = set(manifest["programs"])
    for index, layer in enumerate(manifest["layers"]):
        if not isinstance(layer.get("program"), str) or layer["program"] not in programs:
            raise ModelError(f"'{where}' names the unknown program '{layer.get('program')}' for layer {index}.")
        if not isinstance(layer.get("rope"), str) or layer["rope"] not in manifest["ropes"]:
            raise ModelError(f"'{where}' names the unknown rope '{layer.get('rope')}' for layer {index}.")
    for index, entry in enumerate(manifest["inject"]):
        layer, output = (entry.get("layer"), entry.get("output")) if isinstance(entry, dict) else (None, None)
        if (
            not isinstance(layer, int)
            or not isinstance(output, int)
            or output < 1
            or not 1 <= layer <= len(manifest["layers"])
        ):
            raise ModelError(f"'{where}' gives no valid layer and output in inject[{index}]; export the model again.")
    if len(manifest["layers"]) != manifest["sizes"].get("layers"):
        raise ModelError(
            f"'{where}' lists {len(manifest['layers'])} layers where its sizes say {manifest['sizes'].get('layers')}."
        )
