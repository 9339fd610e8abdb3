"""Loads the compiled lens module, if the torch at hand is the one it was built against."""

from __future__ import annotations

import torch  # before the module: it brings the libraries that one needs

from modalconflict._build_info import TORCH_VERSION


def _require_same_minor(built: str, found: str) -> None:
    """Refuse another minor version: its C++ interface differs, and the failure would be an undefined symbol or a crash."""
    if built.split(".")[:2] != found.split(".")[:2]:
        raise ImportError(
            f"modalconflict was built against torch {built}, and torch {found} is installed; "
            f"install torch {'.'.join(built.split('.')[:2])}, or rebuild: pip install --no-build-isolation --force-reinstall modalconflict"
        )


_require_same_minor(TORCH_VERSION, torch.__version__)

from modalconflict import _lens  # noqa: E402  (after the check)

__all__ = ["_lens"]
