"""The lens module refuses a torch that it was not built against."""

import pytest
import torch

from modalconflict import _build_info, lens_module


def test_same_minor_is_taken():
    assert torch.__version__.startswith(".".join(_build_info.TORCH_VERSION.split(".")[:2]))
    lens_module._require_same_minor("2.13.0", "2.13.1+cpu")


def test_other_minor_is_refused_naming_both():
    with pytest.raises(
        ImportError, match=r"built against torch 2\.13\.0, and torch 2\.14\.1 is installed; install torch 2\.13"
    ):
        lens_module._require_same_minor("2.13.0", "2.14.1")
