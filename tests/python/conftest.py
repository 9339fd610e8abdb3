"""Settings of every test process, made before torch or matplotlib are loaded."""

import os

# Tests run side by side on few cores: one thread each, or they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# No test may depend on a network.
os.environ["HF_HUB_OFFLINE"] = "1"

from hypothesis import settings

# The same examples on every run of continuous integration; new ones at every desk.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
