"""One image as the vision program's inputs, and a pack's table of distinct images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from modalconflict.errors import InvalidArgument, ModelError
from modalconflict.image_inputs import ImageInputs, make_image_inputs
from modalconflict.pixels import ImageLike, first_line, pixels_by_spec, read_image


@dataclass(frozen=True)
class PreparedImage:
    """One image, ready for the engine.

    Attributes
    ----------
    inputs
        What the vision program takes, and the number of image tokens.
    replacement
        What stands in a prompt in the place of the image's placeholder: image tokens, and marks around them.
    """

    inputs: ImageInputs
    replacement: str


class ImagePreparer:
    """Turns an RGB image into the vision program's inputs.

    Parameters
    ----------
    manifest
        The bundle's manifest.
    processor
        The model's own processor; None where the manifest's ``prompt.pixels`` says how.
    """

    def __init__(self, manifest: dict[str, Any], processor: Any) -> None:
        self._prompt: dict[str, Any] = manifest["prompt"]
        self._token_id: int = manifest["image_token_id"]
        self._processor = processor

    def __call__(self, case_id: str, image: Image.Image) -> PreparedImage:
        """Prepare one image.

        Raises
        ------
        InvalidArgument
            If the processor does not take the image: one of extreme shape, for some.
        ModelError
            If the processor and the model disagree on the number of image tokens.
        """
        settings = self._prompt["image_inputs"]
        size = (image.height, image.width)
        if self._processor is None:
            processed = {"pixel_values": pixels_by_spec(image, self._prompt["pixels"])[None]}
            inputs = make_image_inputs(processed, size, settings)
            return PreparedImage(inputs, str(self._prompt["image_token"]) * inputs.rows)
        try:
            out = self._processor(
                images=[image],
                text=[self._prompt["image_token"]],
                return_tensors="np",
                return_text_replacement_offsets=True,
            )
        except ValueError as error:
            raise InvalidArgument(
                f"The image of case '{case_id}' cannot be processed ({first_line(error)}); crop it or leave it out."
            ) from error
        tokens = int((np.asarray(out["input_ids"][0]) == self._token_id).sum())
        if tokens == 0:
            raise ModelError(
                f"For the image of case '{case_id}' the processor puts no image token {self._token_id}; use the "
                "processor that belongs to the model."
            )
        inputs = make_image_inputs(out, size, settings)
        if tokens != inputs.rows:
            raise ModelError(
                f"For the image of case '{case_id}' the processor puts {tokens} image tokens and the model makes "
                f"{inputs.rows}; use the processor that belongs to the model."
            )
        return PreparedImage(inputs, str(out["text_replacement_offsets"][0][0]["replacement"]))


class ImageTable:
    """The distinct images of a pack, by their decoded pixels.

    Parameters
    ----------
    prepare
        Called once for each distinct image, with the name of the first case that shows it.
    """

    def __init__(self, prepare: Callable[[str, Image.Image], PreparedImage]) -> None:
        self._prepare = prepare
        self._by_path: dict[str, int] = {}
        self._by_content: dict[str, int] = {}
        self.images: list[PreparedImage] = []

    def add(self, case_id: str, image: ImageLike) -> int:
        """Return the image's index, after reading and processing it if it is new."""
        path = None if isinstance(image, Image.Image) else os.fspath(image)
        if path is not None and path in self._by_path:
            return self._by_path[path]
        picture = read_image(image, case_id)
        key = hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()
        if key not in self._by_content:
            prepared = self._prepare(case_id, picture)
            self._by_content[key] = len(self.images)
            self.images.append(prepared)
        if path is not None:
            self._by_path[path] = self._by_content[key]
        return self._by_content[key]
