"""Loading a model by name or folder, then exporting it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from modalconflict.bundle import Bundle
from modalconflict.errors import IoError
from modalconflict.export.parts import Progress
from modalconflict.export.registry import recipe_for
from modalconflict.export.writer import export_model
from modalconflict.folders import require_free
from modalconflict.processors import load_processor


def export_path(model: str | Path, out: str | Path, dtype: Any = None, progress: Progress | None = None) -> Bundle:
    """Load a model and export it.

    Parameters
    ----------
    model
        "pocket" for the embedded model, else a local folder or a name in the Hugging Face hub or its cache.
    out
        The bundle's folder, absent or empty.
    dtype
        As for `export_model`; None keeps the checkpoint's.
    progress
        As for `export_model`.

    Returns
    -------
    Bundle

    Raises
    ------
    IoError
        If the model cannot be found or read, or `out` is taken.
    ModelError
        If the family is unknown or the export is not exact.
    """
    require_free(Path(out), "bundle")
    if str(model) == "pocket":
        from modalconflict.pocket import load_pocket

        return export_model(*load_pocket(), out, dtype, progress)
    from transformers import AutoConfig, AutoModelForImageTextToText

    try:
        config = AutoConfig.from_pretrained(model, trust_remote_code=False)
        recipe_for(config.model_type)
        loaded = AutoModelForImageTextToText.from_pretrained(model, dtype="auto", trust_remote_code=False)
        processor = load_processor(model)
    except (OSError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise IoError(f"The model '{model}' cannot be loaded ({reason}); name a folder or a cached model.") from error
    loaded.eval()  # type: ignore[no-untyped-call]
    return export_model(loaded, processor, out, dtype, progress)
