"""Pictures on their way into a dataset: checked, named by their content, copied or linked."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from PIL import Image

from modalconflict.datasets.importing.cells import Place, is_missing
from modalconflict.errors import IoError
from modalconflict.pixels import first_line

MAX_BYTES = 256 << 20
MAX_PIXELS = 89_478_485  # Pillow's own bound, here an error: 256 MB of RGB
# Formats that hold one plain picture and whose decoders are widely fuzzed.
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif"}
_REMEMBERED = 512


@dataclass(frozen=True)
class StoredImage:
    """A picture in the dataset's folder.

    Attributes
    ----------
    path
        Relative to the folder.
    width, height
        Pixels.
    pixel_sha256
        Of the RGB bytes.
    """

    path: str
    width: int
    height: int
    pixel_sha256: str


class ImageStore:
    """Puts pictures into ``images/``, each once however many rows name it.

    Parameters
    ----------
    folder
        The dataset's folder.
    root
        Where relative paths begin; None if the rows may bring bytes only.
    link
        Hard-link files instead of copying them, where the file system can.
    """

    def __init__(self, folder: Path, root: Path | None, link: bool = False) -> None:
        self._folder = folder
        self._root = root
        self._link = link
        self._known: OrderedDict[str, StoredImage] = OrderedDict()
        if root is not None and not os.path.isdir(root):
            raise IoError(f"the image folder '{root}' does not exist; name the folder that the table's paths begin at")

    def add(self, value: Any, place: Place) -> StoredImage:
        """Store a picture given as bytes, as a path below the root, or as Hugging Face's {bytes, path}.

        Raises
        ------
        InvalidArgument
            Naming the place, if the picture is missing, leaves the root, is too large, or cannot be decoded.
        IoError
            If the dataset's folder cannot be written.
        """
        if isinstance(value, Mapping):
            inner = value.get("bytes")
            value = value.get("path") if is_missing(inner) else inner
        if is_missing(value) or value in ("", b""):
            raise place.error("the image is missing; give its path or its bytes")
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._keep(bytes(value), None, place)
        if isinstance(value, (str, os.PathLike)):
            path = self._inside(os.fspath(value), place)
            return self._keep(_read(path, place), path, place)
        raise place.error(f"a {type(value).__name__} stands where an image is needed; give a path or the file's bytes")

    def _inside(self, name: Any, place: Place) -> Path:
        """The file that a row's path names; it may not leave the root, not by a link either."""
        if not isinstance(name, str) or "\x00" in name or len(name) > 4096:
            raise place.error("this is no path; give a relative one of at most 4096 characters")
        if self._root is None:
            raise place.error("the image is a path but no image folder was given; name one by images=")
        pure = PurePosixPath(name.replace("\\", "/"))
        if pure.is_absolute() or PureWindowsPath(name).drive or ".." in pure.parts:
            raise place.error(f"the path '{name[:200]}' leaves the image folder; give paths relative to it")
        try:
            real = os.path.realpath(self._root / pure, strict=True)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or first_line(error)
            raise place.error(f"the image '{name[:200]}' is not in '{self._root}' ({reason}); check images=") from None
        if not Path(real).is_relative_to(os.path.realpath(self._root)):
            raise place.error(f"the image '{name[:200]}' is a link out of the image folder; put the file itself there")
        return Path(real)

    def _keep(self, content: bytes, path: Path | None, place: Place) -> StoredImage:
        if len(content) > MAX_BYTES:
            raise place.error(f"the image has {len(content)} bytes, more than {MAX_BYTES}; make it smaller")
        digest = hashlib.sha256(content).hexdigest()
        known = self._known.get(digest)
        if known is not None:
            self._known.move_to_end(digest)
            return known
        suffix, width, height, pixels = _decode(content, place)
        name = f"images/{digest[:2]}/{digest}{suffix}"
        self._write(self._folder / name, content, path)
        stored = StoredImage(name, width, height, pixels)
        self._known[digest] = stored
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return stored

    def _write(self, target: Path, content: bytes, origin: Path | None) -> None:
        if target.is_file() and target.stat().st_size == len(content):
            return
        partial = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            if not (self._link and origin is not None and _linked(origin, partial)):
                partial.write_bytes(content)
            os.replace(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise IoError(
                f"cannot write the image '{target}': {error.strerror or error}; check free space and permissions"
            ) from None


def _linked(origin: Path, target: Path) -> bool:
    try:
        os.link(origin, target)
    except OSError:  # another file system, or one without links: the copy serves as well
        return False
    return True


def _read(path: Path, place: Place) -> bytes:
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as handle:
            found = os.fstat(handle.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise place.error(f"'{path.name}' is no ordinary file; give an image file")
            if found.st_size > MAX_BYTES:
                raise place.error(f"the image has {found.st_size} bytes, more than {MAX_BYTES}; make it smaller")
            return handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise place.error(
            f"the image '{path.name}' cannot be read ({error.strerror or error}); check the file"
        ) from None


def _decode(content: bytes, place: Place) -> tuple[str, int, int, str]:
    """Suffix, width, height and the pixels' sha256; the size is known and checked before pixels are allocated."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own bound follows
            with Image.open(io.BytesIO(content), formats=list(SUFFIXES)) as opened:
                suffix, (width, height) = SUFFIXES[opened.format or ""], opened.size
                if width * height <= MAX_PIXELS:
                    digest = hashlib.sha256(opened.convert("RGB").tobytes()).hexdigest()
                    return suffix, width, height, digest
    except Image.DecompressionBombError:
        raise place.error(f"the image has more than {MAX_PIXELS} pixels; make it smaller") from None
    except MemoryError:
        raise place.error("there is not enough memory for the image; make it smaller") from None
    except Exception as error:  # a decoder of damaged bytes raises whatever it stumbles over
        raise place.error(
            f"the image cannot be decoded ({_reason(error)}); give a {', '.join(SUFFIXES)} file"
        ) from None
    raise place.error(f"the image has {width} x {height} pixels, more than {MAX_PIXELS}; make it smaller")


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "its format is not known"  # Pillow's words name a memory address
    return first_line(error)
