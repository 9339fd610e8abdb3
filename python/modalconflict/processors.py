"""Loading a model's processor: tokenizer, image processor and prompt template, without the parts for video.

Newer families' processors also hold a video processor, which needs torchvision. Nothing here shows videos, and images
are processed by Pillow's filters, so these processors are made without it, torchvision installed or not.
"""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any


@cache
def image_only(processor: type) -> type:
    """Return a processor class without its video processor; a class that has none is returned as it is.

    Parameters
    ----------
    processor
        A subclass of ``transformers.ProcessorMixin``.

    Returns
    -------
    type
        A subclass of the same name, made as ``image_only(Qwen2VLProcessor)(image_processor, tokenizer)``.
    """
    names: list[str] = processor.get_attributes()  # type: ignore[attr-defined]
    if "video_processor" not in names:
        return processor

    def get_attributes(cls: type) -> list[str]:
        return [name for name in names if name != "video_processor"]

    members: dict[str, Any] = {"get_attributes": classmethod(get_attributes)}
    own: Any = processor.__init__  # type: ignore[misc]
    asked = inspect.signature(own).parameters.get("video_processor")
    if asked is not None and asked.default is inspect.Parameter.empty:
        # a copy of the constructor in which a video processor may be left out; transformers reads its code's names
        defaults = (None, *(own.__defaults__ or ()))
        members["__init__"] = FunctionType(own.__code__, own.__globals__, own.__name__, defaults, own.__closure__)
    return type(processor.__name__, (processor,), members)


def load_processor(source: str | Path) -> Any:
    """Load a model's own processor from a folder or the Hugging Face cache, its images processed by Pillow.

    Parameters
    ----------
    source
        A folder, or a name in the hub or its cache.

    Returns
    -------
    transformers.ProcessorMixin

    Raises
    ------
    OSError, ValueError
        As transformers raises them, if there is no processor.
    """
    from transformers import AutoProcessor

    kind = _processor_class(source)
    lean = None if kind is None else image_only(kind)
    loader: Any = AutoProcessor if lean is kind else lean
    return loader.from_pretrained(source, trust_remote_code=False, backend="pil")


def _processor_class(source: str | Path) -> type | None:
    """Return the class that ``AutoProcessor`` would make, None where it must find that out itself."""
    from transformers import AutoConfig
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING, processor_class_from_name
    from transformers.processing_utils import ProcessorMixin

    try:
        settings, _ = ProcessorMixin.get_processor_dict(source)
        name = settings.get("processor_class")
        if name is not None:
            found: type | None = processor_class_from_name(name)
            return found
        config: Any = type(AutoConfig.from_pretrained(source, trust_remote_code=False))
        mapped: Any = PROCESSOR_MAPPING[config]
        return mapped if isinstance(mapped, type) else None
    except (OSError, ValueError, KeyError):
        return None
