"""Case preparation: from images and words to the numbers the engine reads.

A run's full prompt is tokenised once, with the image's placeholder already at its full count, because tokenising the
pieces apart gives other tokens at the seams. Pixels are made by the model's own image processor (Pillow's filters).
The result, a pack, needs no Python any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from modalconflict.bundle import Bundle, load_bundle
from modalconflict.errors import InvalidArgument, IoError, ModelError
from modalconflict.packs import Condition, Order, Pack, RunSpec
from modalconflict.patch_grids import multimodal_positions
from modalconflict.pixels import ImageLike, first_line
from modalconflict.prepared_images import ImagePreparer, ImageTable, PreparedImage
from modalconflict.processors import load_processor

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Condition", "ImageLike", "Order", "Pack", "Preparer", "RunSpec", "load_preparer"]


class Preparer:
    """Turns runs into packs with a bundle's own tokenizer and image processor.

    Parameters
    ----------
    bundle
        A bundle whose manifest has been read.

    See Also
    --------
    load_preparer : makes one from a folder.
    """

    def __init__(self, bundle: Bundle) -> None:
        from transformers import AutoTokenizer

        self.bundle = bundle
        self._prompt: dict[str, Any] = bundle.manifest["prompt"]
        self._image_token: str = self._prompt["image_token"]
        self._image_token_id: int = bundle.manifest["image_token_id"]
        self._position_dims = max(rope["position_dims"] for rope in bundle.manifest["ropes"].values())
        folder = bundle.path / "processor"
        self._processor: Any = None
        try:
            if self._prompt["pixels"] == "processor":
                self._processor = load_processor(folder)
                self.tokenizer: PreTrainedTokenizerBase = self._processor.tokenizer
            else:
                self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise IoError(
                f"The processor files of the bundle '{bundle.path}' cannot be read ({first_line(error)}); "
                "export the model again."
            ) from error
        self._prepare_image = ImagePreparer(bundle.manifest, self._processor)
        added = self.tokenizer.added_tokens_decoder.values()
        marks = {token.content for token in added if token.special}
        self._special_tokens = sorted({*self.tokenizer.all_special_tokens, *marks, self._image_token})
        self._variants: dict[str, tuple[int, ...]] = {}

    @property
    def add_special_tokens(self) -> bool:
        """Whether the tokenizer adds its own marks around a prompt that does not begin with them."""
        return bool(self._prompt.get("add_special_tokens", True))

    def prompt(self, spec: RunSpec) -> str:
        """Return a run's prompt with one image token standing for the whole image.

        Examples
        --------
        >>> preparer = load_preparer("pocket.bundle")                     # doctest: +SKIP
        >>> preparer.prompt(RunSpec("a", "text_only", None, "The star is red.", "What color is the star?"))
        ...                                                               # doctest: +SKIP
        """
        text = spec.text or ""
        if self._prompt["style"] == "chat_template":
            return self._from_template(spec, text)
        marker = "" if spec.image is None else self._image_token + self._prompt["after_image"]
        words = text + " " if text else ""
        lead = words + marker if spec.order == "text_first" else marker + words
        return str(self._prompt["prefix"] + lead + spec.question + self._prompt["suffix"])

    def _from_template(self, spec: RunSpec, text: str) -> str:
        """Fill the model's chat template, an image's place in it being where the template puts it."""
        image: list[dict[str, str]] = [] if spec.image is None else [{"type": "image"}]
        words = " ".join(part for part in (text, spec.question) if part)
        if not (image and text and spec.order == "text_first"):
            return self._render([*image, {"type": "text", "text": words}])
        asked = {"type": "text", "text": spec.question}
        rendered = self._render([{"type": "text", "text": text}, *image, asked])
        if rendered.find(text) < rendered.find(self._image_token):
            return rendered
        # Some templates put all images first. The text before the image is then written into the words, followed by
        # what the template itself puts between an image and words.
        plain = self._render([*image, asked])
        between = plain[plain.find(self._image_token) + len(self._image_token) : plain.find(spec.question)]
        return self._render([{"type": "text", "text": f"{text} {self._image_token}{between}{spec.question}"}])

    def _render(self, content: list[dict[str, str]]) -> str:
        from transformers import ProcessorMixin

        messages: Any = [{"role": "user", "content": content}]
        return str(
            # the plain method: SmolVLM's own asks its video processor first
            ProcessorMixin.apply_chat_template(self._processor, messages, tokenize=False, add_generation_prompt=True)
        )

    def answer_variants(self, answer: str) -> list[int]:
        """Return the ids of the first tokens an answer may begin with.

        The answer as given, capitalised and in lower case, each with and without a leading space. In upper case only
        where the whole answer is one token, as the first piece of a spelled-out "GREEN" is often "G", which could begin
        anything. A first token that is only white space tells nothing and is left out.

        Parameters
        ----------
        answer
            A word or phrase.

        Returns
        -------
        list of int
            Distinct ids, in that order.
        """
        if answer not in self._variants:
            found: dict[int, None] = {}
            word = answer.strip()
            for spelling in (word, word.capitalize(), word.lower(), word.upper()):
                for lead in ("", " "):
                    ids = self.tokenizer.encode(lead + spelling, add_special_tokens=False)
                    spelled_out = spelling == word.upper() != word and len(ids) > 1
                    if ids and not spelled_out and self._text(ids[:1]).strip():
                        found[int(ids[0])] = None
            self._variants[answer] = tuple(found)
        return list(self._variants[answer])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of an answer's tokens, special tokens left out, stripped."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def _text(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))

    def prepare(self, specs: Sequence[RunSpec]) -> Pack:
        """Prepare a group of runs; identical images are stored once.

        Parameters
        ----------
        specs
            The runs, at least one. Runs that share an image or a prompt's beginning belong in one group: the engine
            shares their work.

        Returns
        -------
        Pack

        Raises
        ------
        InvalidArgument
            If there is no run, a prompt is longer than the model's positions, or a text contains a control token.
        IoError
            If an image cannot be read.
        ModelError
            If the processor and the model disagree on the number of image tokens.
        """
        if not specs:
            raise InvalidArgument("There is no run to prepare; give at least one RunSpec.")
        table = ImageTable(self._prepare_image)
        image_index = [-1 if spec.image is None else table.add(spec.case_id, spec.image) for spec in specs]
        images = [None if index < 0 else table.images[index] for index in image_index]
        rows = self._tokenize(specs, images)
        candidates: list[int] = []
        candidate_offsets = [0]
        notes: list[str] = []
        for spec in specs:
            for side in self._candidates(spec, notes):
                candidates += side
                candidate_offsets.append(len(candidates))
        lengths = [len(row) for row in rows]
        arrays: dict[str, npt.NDArray[Any]] = {
            "ids": np.concatenate([np.asarray(row, np.int64) for row in rows]),
            "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            "positions": np.concatenate(
                [self._positions(row, image) for row, image in zip(rows, images, strict=True)], axis=1
            ),
            "image_index": np.asarray(image_index, np.int64),
            "candidates": np.asarray(candidates, np.int64),
            "candidate_offsets": np.asarray(candidate_offsets, np.int64),
        }
        for index, image in enumerate(table.images):
            arrays |= {f"{name}.{index}": tensor for name, tensor in image.inputs.tensors.items()}
        case_ids = [spec.case_id for spec in specs]
        return Pack(arrays, case_ids, self.bundle.sha256, notes, self.bundle.preparation_sha256)

    def _positions(self, row: list[int], image: PreparedImage | None) -> npt.NDArray[np.int64]:
        """Return a prompt's rotary positions, shape (1 or 3, S)."""
        if self._position_dims == 1:
            return np.arange(len(row), dtype=np.int64)[None]
        return multimodal_positions(row, self._image_token_id, None if image is None else image.inputs.grid)

    def _tokenize(self, specs: Sequence[RunSpec], images: Sequence[PreparedImage | None]) -> list[list[int]]:
        for spec in specs:
            words = f"{spec.text or ''} {spec.question}"
            special_token = next((token for token in self._special_tokens if token in words), None)
            if special_token is not None:
                raise InvalidArgument(
                    f"The text or question of case '{spec.case_id}' contains '{special_token}', which the model reads as "
                    "a control token; write it otherwise."
                )
        prompts = [self.prompt(spec) for spec in specs]
        full = [
            prompt if image is None else prompt.replace(self._image_token, image.replacement)
            for prompt, image in zip(prompts, images, strict=True)
        ]
        bos = self.tokenizer.bos_token
        special = self.add_special_tokens and not (bos and full[0].startswith(bos))
        rows: list[list[int]] = self.tokenizer(full, add_special_tokens=special)["input_ids"]
        limit = self.bundle.sizes["max_positions"]
        for spec, row, image in zip(specs, rows, images, strict=True):
            count = 0 if image is None else image.inputs.rows
            if row.count(self._image_token_id) != count:
                raise ModelError(
                    f"The prompt of case '{spec.case_id}' holds {row.count(self._image_token_id)} image tokens after "
                    f"tokenising where {count} were put in; the tokenizer does not belong to the model."
                )
            if len(row) > limit:
                raise InvalidArgument(
                    f"The prompt of case '{spec.case_id}' has {len(row)} tokens and the model has {limit} positions; "
                    "shorten its text."
                )
        return rows

    def _candidates(self, spec: RunSpec, notes: list[str]) -> tuple[list[int], list[int]]:
        text = self.answer_variants(spec.answer_text) if spec.answer_text else []
        vision = self.answer_variants(spec.answer_vision) if spec.answer_vision else []
        shared = [token for token in text if token in vision]
        if shared:
            pieces = ", ".join(f"'{self._text([token])}'" for token in shared)
            notes.append(
                f"In case '{spec.case_id}' the answers '{spec.answer_text}' and '{spec.answer_vision}' can both begin "
                f"with {pieces}, which is counted for neither."
            )
        return [t for t in text if t not in shared], [t for t in vision if t not in shared]


def load_preparer(bundle: str | Path) -> Preparer:
    """Open a bundle's tokenizer and image processor.

    Only these files are verified here; the engine verifies the rest when it loads the weights.

    Parameters
    ----------
    bundle
        The bundle's folder.

    Returns
    -------
    Preparer

    Raises
    ------
    IoError
        If a file is missing or altered.
    ModelError
        If the folder is not a bundle of this version.
    """
    opened = load_bundle(bundle, verify=False)
    opened.verify(only="processor/")
    return Preparer(opened)
