"""Other people's conflict data: every importer ends in the same manifest."""

from modalconflict.datasets.importing.clevr import from_clevr
from modalconflict.datasets.importing.lmms_eval import from_lmms_eval
from modalconflict.datasets.importing.mc2 import from_mc2
from modalconflict.datasets.importing.table import from_table
from modalconflict.datasets.importing.visual_counterfact import from_visual_counterfact
from modalconflict.datasets.importing.vlmevalkit import from_vlmevalkit

__all__ = [
    "from_clevr",
    "from_lmms_eval",
    "from_mc2",
    "from_table",
    "from_visual_counterfact",
    "from_vlmevalkit",
]
