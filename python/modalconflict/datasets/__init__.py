"""Conflict datasets: a folder with pictures and one manifest, made from a seed, imported, or read back.

The manifest (``manifest.parquet``) has one row a case: one image tier, one text tier, one group. Its schema is
documented in the documentation's dataset page and is checked whenever a folder is loaded.
"""

from modalconflict.datasets.attribute import attribute_recognition
from modalconflict.datasets.card import card, summary
from modalconflict.datasets.color import color_recognition
from modalconflict.datasets.config import from_config
from modalconflict.datasets.dataset import Dataset, load
from modalconflict.datasets.harnesses import to_lmms_eval, to_vlmevalkit
from modalconflict.datasets.hf import from_hf, to_hf
from modalconflict.datasets.imagefolder import to_imagefolder
from modalconflict.datasets.importing import (
    from_clevr,
    from_lmms_eval,
    from_mc2,
    from_table,
    from_visual_counterfact,
    from_vlmevalkit,
)
from modalconflict.datasets.manifest import MANIFEST_SCHEMA, MANIFEST_VERSION, validate_manifest
from modalconflict.datasets.options import NamedColor, SolidTier, VisionTier
from modalconflict.datasets.sheet import contact_sheet

__all__ = [
    "MANIFEST_SCHEMA",
    "MANIFEST_VERSION",
    "Dataset",
    "NamedColor",
    "SolidTier",
    "VisionTier",
    "attribute_recognition",
    "card",
    "color_recognition",
    "contact_sheet",
    "from_clevr",
    "from_config",
    "from_hf",
    "from_lmms_eval",
    "from_mc2",
    "from_table",
    "from_visual_counterfact",
    "from_vlmevalkit",
    "load",
    "summary",
    "to_hf",
    "to_imagefolder",
    "to_lmms_eval",
    "to_vlmevalkit",
    "validate_manifest",
]
