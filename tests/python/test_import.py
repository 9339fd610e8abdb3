"""`import modalconflict` and the command's help load neither torch nor OpenCV, nor anything else that is slow."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "cv2",
    "transformers",
    "matplotlib",
    "pyarrow",
    "jinja2",
    "modalconflict._lens",
    "modalconflict._dataset",
)


def loaded_after(code: str) -> set[str]:
    """Which of the heavy modules a fresh interpreter holds after the code, and which shared libraries it mapped."""
    probe = f"""
import sys
{code}
print(",".join(m for m in {HEAVY!r} if m in sys.modules))
print(",".join(n for n in ("libtorch", "libopencv") if any(n in line for line in open("/proc/self/maps"))))
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return {name for line in done.stdout.strip("\n").splitlines()[-2:] for name in line.split(",") if name}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import modalconflict") == set()


def test_the_statistics_load_neither_torch_nor_opencv() -> None:
    assert loaded_after("import modalconflict as mc; mc.balance_point; mc.entropy([0.5, 0.5])") == set()


def test_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_after("import modalconflict.cli") == set()


def test_the_analysis_needs_neither_torch_nor_opencv() -> None:
    assert (
        loaded_after("import modalconflict as mc; mc.analyze; mc.report; mc.plots.law")
        & {"torch", "cv2", "transformers", "libtorch", "libopencv"}
        == set()
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_works_where_torch_cannot_be_imported(arguments: list[str]) -> None:
    code = f"""
import sys
sys.modules["torch"] = sys.modules["cv2"] = sys.modules["pyarrow"] = None
sys.argv = ["modalconflict", *{arguments!r}]
from modalconflict.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "modalconflict" in done.stdout and done.stderr == ""


def test_every_public_name_can_be_had() -> None:
    import modalconflict as mc

    assert [name for name in mc.__all__ if not hasattr(mc, name)] == []
    with pytest.raises(AttributeError, match="has no attribute 'entropi'"):
        mc.entropi  # noqa: B018


def test_functions_stay_functions_after_their_modules_are_imported() -> None:
    code = """
import modalconflict.runner, modalconflict.analysis, modalconflict.reporting
import modalconflict as mc
print(callable(mc.run) and callable(mc.analyze) and callable(mc.report))
"""
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "True"
    )
