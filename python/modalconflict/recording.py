"""Records from a live transformers model, without an export."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from modalconflict.errors import InvalidArgument
from modalconflict.runner.study import Progress, StudyResult, run

__all__ = ["record"]


def record(
    model: Any,
    processor: Any,
    dataset: Any,
    out: str | Path,
    *,
    text: str = "original",
    order: str | None = None,
    max_new_tokens: int = 8,
    top_k: int = 5,
    limit: int | None = None,
    resume: bool = False,
    strict: bool = False,
    indices: Sequence[str] = (),
    progress: Callable[[Progress], None] | None = None,
) -> StudyResult:
    """Run a transformers model as it is in memory over a dataset, and keep one record a run.

    The records are those of :func:`modalconflict.run` on the model's bundle, within rounding: the same prompts and pixels, every
    layer read through the model's own final norm and unembedding, the same schema, journal and resumption. Each prompt is
    run alone, without the engine's sharing: for a large study, export the model. What is live stays live: hooks, adapters,
    edited weights and steering act on the records.

    Parameters
    ----------
    model
        A model of a known family (`modalconflict.export.known_families`) in evaluation mode, on any device, in any dtype and with
        any attention implementation; or nnsight's wrapper of one.
    processor
        The model's processor (pocket's is its tokenizer), its images processed by Pillow
        (``AutoProcessor.from_pretrained(…, backend="pil")``) if the pixels are to be those of a bundle.
    dataset
        A dataset's folder, a loaded dataset, or cases: a list of dictionaries or a table with the columns ``image`` (a Pillow
        image, a file's bytes or a path below the working directory), ``text``, ``question``, ``answer_text``, ``answer_vision``
        and, if wished, ``group``. Cases are kept as a dataset in ``<out>-data``.
    out
        The study's folder: new, empty, or with `resume` a study of the same model, dataset and options.
    text, order, max_new_tokens, top_k, limit, resume, strict, indices, progress
        As in :func:`modalconflict.run`.

    Returns
    -------
    StudyResult

    Raises
    ------
    InvalidArgument
        If the model is no torch model or in training mode, a case does not fit (row and column are named), or an option is out of
        range.
    IoError
        If the folder holds another study.
    ModelError
        If the family is unknown, or with `strict` at the first failed run.

    See Also
    --------
    modalconflict.run : the same from a bundle, several times faster.

    Examples
    --------
    >>> from transformers import AutoModelForImageTextToText, AutoProcessor                       # doctest: +SKIP
    >>> model = AutoModelForImageTextToText.from_pretrained("llava-hf/llava-1.5-7b-hf").eval()    # doctest: +SKIP
    >>> processor = AutoProcessor.from_pretrained("llava-hf/llava-1.5-7b-hf", backend="pil")      # doctest: +SKIP
    >>> mc.record(model, processor, "colors", out="study")                                        # doctest: +SKIP
    """
    from modalconflict.live_model import LiveModel

    live = LiveModel(model, processor)
    return run(
        live,
        _dataset_of(dataset, Path(out), resume),
        out,
        text=text,
        order=order,
        max_new_tokens=max_new_tokens,
        top_k=top_k,
        limit=limit,
        resume=resume,
        strict=strict,
        indices=indices,
        progress=progress,
    )


def _dataset_of(source: Any, out: Path, resume: bool) -> Any:
    """A dataset as it is; cases as a dataset beside the study."""
    from modalconflict import datasets

    if isinstance(source, (str, Path, datasets.Dataset)) or hasattr(source, "path"):
        return source
    folder = out.with_name(out.name + "-data")
    if resume:
        raise InvalidArgument(
            f"a resumed study needs the dataset that its cases were kept as; give '{folder}' in their place"
        )
    table = source
    if isinstance(source, Sequence):
        for row, case in enumerate(source):
            if not isinstance(case, Mapping):
                raise InvalidArgument(
                    f"case {row} is a {type(case).__name__}; give a dictionary with image, text, question and both answers"
                )
        names = list(dict.fromkeys(name for case in source for name in case))
        table = pa.table({name: [_plain(case.get(name)) for case in source] for name in names})
    return datasets.from_table(table, images=Path.cwd(), out=folder, name="cases")


def _plain(value: Any) -> Any:
    """A Pillow image as the bytes of a PNG; a path as text."""
    if hasattr(value, "save") and hasattr(value, "getpixel"):
        stream = io.BytesIO()
        value.save(stream, "PNG")
        return stream.getvalue()
    return str(value) if isinstance(value, Path) else value
