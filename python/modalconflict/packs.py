"""Runs and packs: what case preparation takes and what it gives."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from modalconflict.errors import InvalidArgument, IoError
from modalconflict.pixels import ImageLike

Condition = Literal["text_only", "vision_only", "multimodal"]
Order = Literal["image_first", "text_first"]

PACK_FORMAT = "modalconflict-pack"
PACK_FORMAT_VERSION = 1

_CONDITIONS = ("text_only", "vision_only", "multimodal")
_ORDERS = ("image_first", "text_first")


@dataclass(frozen=True)
class RunSpec:
    """One run of one case.

    Attributes
    ----------
    case_id
        Names the run in every message and record.
    condition
        "text_only", "vision_only" or "multimodal".
    image
        A path or a Pillow image; None in a text-only run.
    text
        The description that may conflict; None in a vision-only run.
    question
        The question, with its command ("Answer in one word.").
    answer_text, answer_vision
        The answer by the text and by the image, whose first tokens the lens follows; None: none.
    order
        "image_first", or "text_first": the text before the image, the question after both.

    Examples
    --------
    >>> RunSpec("a", "text_only", None, "The star is red.", "What color is the star? Answer in one word.").order
    'image_first'
    >>> RunSpec("a", "vision_only", None, None, "What color is the star?")
    Traceback (most recent call last):
    modalconflict.errors.InvalidArgument: Case 'a' is vision_only and lacks an image; give one.
    """

    case_id: str
    condition: Condition
    image: ImageLike | None
    text: str | None
    question: str
    answer_text: str | None = None
    answer_vision: str | None = None
    order: Order = "image_first"

    def __post_init__(self) -> None:
        """Check that the fields agree.

        Raises
        ------
        InvalidArgument
            If the condition or order is unknown, or an image or text is missing or too many.
        """
        if self.condition not in _CONDITIONS:
            raise InvalidArgument(
                f"Case '{self.case_id}' has the unknown condition '{self.condition}'; use {', '.join(_CONDITIONS)}."
            )
        if self.order not in _ORDERS:
            raise InvalidArgument(
                f"Case '{self.case_id}' has the unknown order '{self.order}'; use {' or '.join(_ORDERS)}."
            )
        for name, given, wanted in (
            ("image", self.image is not None, self.condition != "text_only"),
            ("text", bool(self.text), self.condition != "vision_only"),
        ):
            if given != wanted:
                raise InvalidArgument(
                    f"Case '{self.case_id}' is {self.condition} and {'has' if given else 'lacks'} "
                    f"{'an' if name == 'image' else 'a'} {name}; {'pass None for it' if given else 'give one'}."
                )


@dataclass
class Pack:
    """A group of runs as arrays.

    Attributes
    ----------
    arrays
        The pack format's arrays by name: ``ids`` (total,), ``offsets`` (n + 1,), ``positions`` (dims, total),
        ``image_index`` (n,), image i's inputs of the vision program (``pixel_values.<i>`` (T, 3, H, W) and, for some
        families, more), ``candidates`` and ``candidate_offsets`` (2n + 1,).
    case_ids
        One a run.
    bundle_sha256
        The bundle the pack was made for.
    notes
        Sentences about answers that one first token cannot tell apart.
    preparation_sha256
        What the pack depends on of that bundle, see `Bundle.preparation_sha256`; a model refuses a pack made otherwise.
    """

    arrays: dict[str, npt.NDArray[Any]]
    case_ids: list[str]
    bundle_sha256: str
    notes: list[str] = field(default_factory=list)
    preparation_sha256: str = ""

    def __len__(self) -> int:
        return len(self.case_ids)

    @property
    def images(self) -> int:
        """Number of distinct images."""
        return sum(name.startswith("pixel_values.") for name in self.arrays)

    def ids(self, run: int) -> npt.NDArray[np.int64]:
        """Return the token ids of a run, image placeholders included."""
        begin, end = self.arrays["offsets"][run : run + 2]
        return self.arrays["ids"][begin:end]

    def positions(self, run: int) -> npt.NDArray[np.int64]:
        """Return the rotary positions of a run, shape (1 or 3, S)."""
        begin, end = self.arrays["offsets"][run : run + 2]
        return self.arrays["positions"][:, begin:end]

    def image_inputs(self, run: int) -> dict[str, Any] | None:
        """Return the vision program's inputs of a run's image as torch tensors by name, None for a run without an image."""
        import torch

        image = int(self.arrays["image_index"][run])
        if image < 0:
            return None
        suffix = f".{image}"
        return {
            name.removesuffix(suffix): torch.from_numpy(array)
            for name, array in self.arrays.items()
            if name.endswith(suffix)
        }

    def candidates(self, run: int, side: Literal["text", "vision"]) -> npt.NDArray[np.int64]:
        """Return the first-token ids that count as the answer by text or by vision."""
        row = 2 * run + (side == "vision")
        begin, end = self.arrays["candidate_offsets"][row : row + 2]
        return self.arrays["candidates"][begin:end]

    def save(self, path: str | Path) -> None:
        """Write the pack as one safetensors file: whole or not at all.

        Raises
        ------
        IoError
            If the folder does not exist or cannot be written.
        """
        from safetensors.numpy import save

        target = Path(path)
        metadata = {
            "format": PACK_FORMAT,
            "format_version": str(PACK_FORMAT_VERSION),
            "bundle_sha256": self.bundle_sha256,
            "case_ids": json.dumps(self.case_ids),
            "notes": json.dumps(self.notes),
            "preparation_sha256": self.preparation_sha256,
        }
        data = save({name: np.ascontiguousarray(array) for name, array in self.arrays.items()}, metadata)
        temporary = None
        try:
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as stream:
                temporary = Path(stream.name)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except OSError as error:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            raise IoError(f"The pack '{target}' cannot be written ({error.strerror}); choose another place.") from error

    @classmethod
    def load(cls, path: str | Path) -> Pack:
        """Read a pack written by `save`.

        Raises
        ------
        IoError
            If the file is missing, truncated or not a pack.
        """
        from safetensors import SafetensorError, safe_open

        source = Path(path)
        if not source.is_file():
            raise IoError(f"The pack '{source}' does not exist; make it with `modalconflict prepare`.")
        try:
            with safe_open(source, framework="numpy") as stream:
                metadata = stream.metadata() or {}
                arrays = {name: stream.get_tensor(name) for name in stream.keys()}
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise IoError(f"The pack '{source}' is damaged ({error}); prepare it again.") from error
        version = metadata.get("format_version")
        if metadata.get("format") != PACK_FORMAT or version != str(PACK_FORMAT_VERSION):
            raise IoError(f"'{source}' is not a pack of format version {PACK_FORMAT_VERSION}; prepare it again.")
        try:
            case_ids, notes = json.loads(metadata["case_ids"]), json.loads(metadata.get("notes", "[]"))
            bundle_sha256 = metadata["bundle_sha256"]
        except (KeyError, ValueError, RecursionError) as error:
            raise IoError(f"The pack '{source}' lacks its names ({error}); prepare it again.") from None
        if not all(isinstance(x, list) and all(isinstance(name, str) for name in x) for x in (case_ids, notes)):
            raise IoError(f"The pack '{source}' has names that are no strings; prepare it again.")
        return cls(arrays, case_ids, bundle_sha256, notes, metadata.get("preparation_sha256", ""))
