"""Loading a model by name or folder, then exporting it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modalconflict.bundle import Bundle
from modalconflict.errors import IoError, ModelError
from modalconflict.export.mapped import MappedTensors
from modalconflict.export.parts import Progress
from modalconflict.export.registry import recipe_for
from modalconflict.export.sources import Source, find_source
from modalconflict.export.writer import export_model
from modalconflict.folders import require_free
from modalconflict.pixels import first_line
from modalconflict.processors import load_processor


def export_path(
    model: str | Path,
    out: str | Path,
    dtype: Any = None,
    progress: Progress | None = None,
    runtime: str = "torchscript",
) -> Bundle:
    """Load a model and export it.

    Parameters
    ----------
    model
        "pocket" for the embedded model, else a local folder or a name in the Hugging Face cache, which ``HF_HUB_CACHE`` and
        ``HF_HOME`` place. Nothing is downloaded.
    out
        The bundle's folder, absent or empty. A killed export is gone on with: finished weight files are kept.
    dtype
        As for `export_model`; None keeps the checkpoint's.
    progress, runtime
        As for `export_model`.

    Returns
    -------
    Bundle

    Raises
    ------
    IoError
        If the model cannot be found or read, one of its weight files is missing, or `out` is taken.
    ModelError
        If the family is unknown, the weights do not fit the configuration, or the export is not exact.

    Notes
    -----
    Weights are mapped, written one tensor at a time and let go of: the export needs memory for its largest tensor and for
    running one layer, not for the model. A checkpoint that holds pickled weights is loaded whole.
    """
    require_free(Path(out), "bundle")
    if str(model) == "pocket":
        from modalconflict.pocket import load_pocket

        return export_model(*load_pocket(), out, dtype, progress, runtime=runtime)
    source = find_source(model)
    loaded, release = load_original(source)
    processor = load_original_processor(source)
    return export_model(
        loaded, processor, out, dtype, progress, runtime=runtime, fingerprint=source.fingerprint(), release=release
    )


def load_original_processor(source: Source) -> Any:
    """Load a model's own processor.

    Raises
    ------
    IoError
        If its files are missing or damaged.
    """
    try:
        return load_processor(source.folder)
    except (OSError, ValueError, ImportError) as error:
        raise IoError(f"The processor of '{source.name}' cannot be loaded ({first_line(error)}).") from error


def load_original(source: Source) -> tuple[Any, Callable[[], None]]:
    """Load a model as transformers does, its weights mapped rather than copied into memory.

    Parameters
    ----------
    source
        From `find_source`.

    Returns
    -------
    model : transformers.PreTrainedModel
        In evaluation mode. Its parameters are read from disk when they are touched.
    release : callable
        Lets go of what was read.

    Raises
    ------
    IoError
        If the weights cannot be read.
    ModelError
        If the family is unknown, or the weights lack some of the model's tensors.
    """
    from transformers import AutoConfig, GenerationConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

    try:
        config = AutoConfig.from_pretrained(source.folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unreadable(source, error) from error
    recipe_for(config.model_type)
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ModelError(f"transformers loads no image-and-text model of the kind '{config.model_type}'.")
    kind: Any = MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]
    mapped = MappedTensors(source.shards)
    # older checkpoints hold pickled weights: these are copied into memory
    given: dict[str, Any] = {"config": config, "state_dict": mapped.tensors} if source.shards else {}
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                None if source.shards else source.folder, dtype="auto", output_loading_info=True, **given
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(source, error) from error
    missing = sorted(report["missing_keys"])
    if missing:
        others = "" if len(missing) == 1 else f" and {len(missing) - 1} more"
        raise ModelError(
            f"The weights of '{source.name}' lack the tensor '{missing[0]}'{others}, which its config.json asks for; get the "
            "files again."
        )
    if (source.folder / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(source.folder)
    model.config._name_or_path = source.name
    return model.eval(), mapped.release


@contextmanager
def _quiet() -> Iterator[None]:
    """Switch transformers' progress bars and its report of tensors off: what matters of it becomes an error."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _unreadable(source: Source, error: BaseException) -> IoError:
    return IoError(f"The model '{source.name}' cannot be loaded ({first_line(error)}); get its files again.")
