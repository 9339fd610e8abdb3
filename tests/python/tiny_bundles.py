"""Tiny models exported once a test session; read-only: a test that alters a bundle copies it first."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import tiny_models
from modalconflict.export import export_model

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


@lru_cache(maxsize=1)
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="modalconflict-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def tiny_bundle(kind: str = "llava", dtype: str | None = None) -> tuple[Any, Any, Path]:
    """Return a tiny model, its processor and the folder of its bundle.

    Kinds: "llava"; "tied" (tied head, biased attention, class token kept); "chat" (a chat template); "pocket"; "long" (2,048 positions).
    """
    return _exported(kind, dtype)  # by place: the cache takes f("llava") and f() for two calls


@cache
def _exported(kind: str, dtype: str | None) -> tuple[Any, Any, Path]:
    model, processor = {
        "llava": lambda: tiny_models.tiny_llava(),
        "tied": lambda: tiny_models.tiny_llava(seed=1, tied=True, attention_bias=True, strategy="full"),
        "chat": lambda: tiny_models.tiny_llava(seed=2, layers=2, chat_template=CHAT_TEMPLATE),
        "pocket": lambda: tiny_models.tiny_pocket(seed=3),
        "long": lambda: tiny_models.tiny_llava(seed=4, layers=2, max_positions=2048),
    }[kind]()
    path = _folder() / f"{kind}-{dtype}"
    export_model(model, processor, path, dtype)
    return model, processor, path


def copy_of(path: Path, where: Path) -> Path:
    """Copy a bundle to where a test may alter it."""
    target = where / "bundle"
    shutil.copytree(path, target)
    return target
