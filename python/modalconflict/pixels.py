"""Images to pixels: reading, and the plain preprocessing that needs no processor files."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from modalconflict.errors import IoError

ImageLike = str | os.PathLike[str] | Image.Image

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def read_image(image: ImageLike, case_id: str) -> Image.Image:
    """Return an image in RGB, read from its file where it is a path.

    Raises
    ------
    IoError
        If the file is missing or not an image.
    """
    try:
        if isinstance(image, Image.Image):
            return image.convert("RGB")
        with Image.open(image) as opened:
            return opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        name = "given" if isinstance(image, Image.Image) else f"'{os.fspath(image)}'"
        reason = "the file does not exist" if isinstance(error, FileNotFoundError) else first_line(error)
        raise IoError(
            f"The image {name} of case '{case_id}' cannot be read ({reason}); give a PNG or JPEG file."
        ) from error


def pixels_by_spec(image: Image.Image, spec: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Squeeze an RGB image to a size and normalise it.

    Parameters
    ----------
    image
        In RGB, of any size; squeezed, not cropped, by Pillow's antialiased filter.
    spec
        ``height``, ``width``, ``resample`` ("bilinear" or "bicubic"), ``mean`` and ``std``, three numbers each, of
        pixels scaled to [0, 1].

    Returns
    -------
    numpy.ndarray
        Shape (3, height, width), float32.

    Examples
    --------
    >>> spec = {"height": 2, "width": 4, "resample": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3}
    >>> pixels = pixels_by_spec(Image.new("RGB", (8, 8), "white"), spec)
    >>> pixels.shape, float(pixels.min())
    ((3, 2, 4), 1.0)
    """
    size = (int(spec["width"]), int(spec["height"]))
    if image.size != size:
        image = image.resize(size, _RESAMPLING[spec["resample"]])
    scaled = np.asarray(image, dtype=np.float32) / 255.0
    normalised = (scaled - np.array(spec["mean"], np.float32)) / np.array(spec["std"], np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1))


def first_line(error: BaseException) -> str:
    """Return an error's first line, for a message of one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
