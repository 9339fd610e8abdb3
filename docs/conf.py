"""Sphinx configuration: `make docs` builds the site with warnings as errors."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "modalconflict"
author = "the modalconflict developers"
copyright = "2026, the modalconflict developers"
import modalconflict  # noqa: E402

release = version = modalconflict.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx-mathjax-offline",
    "sphinx.ext.viewcode",
    "numpydoc",
    "breathe",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "README.md"]
# `make docs` runs the notebooks, once, so that the site shows what they print; an error in one fails the build. It takes two
# minutes and an installed C++ package (MODALCONFLICT_PREFIX), so a quick look at the pages leaves them as they are.
nb_execution_mode = "cache" if os.environ.get("MODALCONFLICT_RUN_NOTEBOOKS") else "off"
nb_execution_raise_on_error = True
nb_execution_timeout = 600

html_theme = "furo"
html_title = "modalconflict"
html_static_path: list[str] = []
html_show_sphinx = False

autodoc_typehints = "none"  # numpydoc's sections say the types, with shapes
autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# The C++ reference: Doxygen reads the public headers, Breathe shows them here.
_XML = HERE / "_build" / "doxygen"
breathe_projects = {"modalconflict": str(_XML / "xml")}
breathe_default_project = "modalconflict"
# Every header opens the same namespaces, which Sphinx takes for declarations made twice.
suppress_warnings = ["duplicate_declaration.cpp"]


def _run_doxygen() -> None:
    if shutil.which("doxygen") is None:
        raise RuntimeError("doxygen is not installed; the C++ reference needs it (Debian: apt-get install doxygen)")
    _XML.mkdir(parents=True, exist_ok=True)
    settings = {
        "INPUT": ROOT / "include",
        "OUTPUT_DIRECTORY": _XML,
        "STRIP_FROM_INC_PATH": ROOT / "include",
        "RECURSIVE": "YES",
        "FILE_PATTERNS": "*.hpp",
        "GENERATE_XML": "YES",
        "GENERATE_HTML": "NO",
        "GENERATE_LATEX": "NO",
        "QUIET": "YES",
        "WARN_IF_UNDOCUMENTED": "NO",
        "WARN_IF_DOC_ERROR": "YES",
        "WARN_AS_ERROR": "FAIL_ON_WARNINGS",
        "WARN_NO_PARAMDOC": "NO",
        "WARN_IF_INCOMPLETE_DOC": "NO",
        "EXTRACT_ALL": "YES",
        "MACRO_EXPANSION": "YES",
        "AUTOLINK_SUPPORT": "NO",
    }
    text = "\n".join(f"{key} = {value}" for key, value in settings.items())
    subprocess.run(["doxygen", "-"], input=text.encode(), check=True)
    # Doxygen's index names a file by its last part alone, and two folders have a random.hpp: the path from include/ tells them apart.
    index = ElementTree.parse(_XML / "xml" / "index.xml")
    for compound in index.iterfind("compound[@kind='file']"):
        location = ElementTree.parse(_XML / "xml" / f"{compound.get('refid')}.xml").find("compounddef/location")
        name = compound.find("name")
        if location is not None and name is not None:
            name.text = str(Path(location.get("file", "")).resolve().relative_to(ROOT / "include"))
    index.write(_XML / "xml" / "index.xml")


def _copy_notebooks() -> None:
    """Sphinx reads below its own folder only; the notebooks live in examples/."""
    target = HERE / "notebooks"
    target.mkdir(exist_ok=True)
    for notebook in sorted((ROOT / "examples" / "notebooks").glob("*.ipynb")):
        copy = target / notebook.name
        if not copy.exists() or copy.read_bytes() != notebook.read_bytes():
            copy.write_bytes(notebook.read_bytes())


# Submodules in the order in which data flow, with the heading each gets in the reference.
_CHAPTERS = {
    "datasets": "Datasets",
    "export": "Export",
    "bundle": "Bundles",
    "prepare": "Preparing cases",
    "model": "Running a model",
    "tuned_lens": "The tuned lens",
    "tuned_lens_training": "Training a tuned lens",
    "runner": "Studies",
    "recording": "Records from a live model",
    "api": "Studies over HTTP",
    "records": "Records",
    "core.indices": "Uncertainty",
    "core.relative": "Relative uncertainty",
    "core.calibration": "Calibration and answers of several tokens",
    "core.outcomes": "Outcomes",
    "core.isotonic": "Isotonic curves",
    "core.logistic": "Logistic curves",
    "core.surface": "Surfaces",
    "core.balance": "Balance point",
    "core.monotonicity": "Is it monotone?",
    "core.comparison": "Between models",
    "core.oscillations": "Between layers",
    "analysis": "Analysis",
    "plots": "Plots",
    "reporting": "Report",
}


def _write_python_reference() -> None:
    """List every public name below the module that defines it: a new name cannot be forgotten."""
    import modalconflict

    chapters: dict[str, list[str]] = {}
    for name, module in modalconflict._LAZY.items():
        chapters.setdefault(module, []).append(f"modalconflict.{name}")
    for module in sorted(modalconflict._SUBMODULES):
        names = getattr(importlib.import_module(f"modalconflict.{module}"), "__all__", [])
        chapters.setdefault(module, []).extend(f"modalconflict.{module}.{name}" for name in names)
    order = [*_CHAPTERS, *sorted(set(chapters) - set(_CHAPTERS))]
    lines = ["# Python reference", "", "Everything is reached as `import modalconflict as mc; mc.NAME`.", ""]
    for module in order:
        if not chapters.get(module):
            continue
        lines += [
            f"## {_CHAPTERS.get(module, module)}",
            "",
            "```{eval-rst}",
            ".. autosummary::",
            "   :toctree: generated",
            "",
        ]
        lines += [f"   {name}" for name in chapters[module]]
        lines += ["```", ""]
    lines += ["## Errors", "", "```{eval-rst}", ".. automodule:: modalconflict.errors", "   :members:", "```", ""]
    _write(HERE / "api" / "python.md", "\n".join(lines))


def _write_cpp_reference() -> None:
    include = ROOT / "include"
    lines = [
        "# C++ reference",
        "",
        "`find_package(modalconflict COMPONENTS core dataset lens)`; namespace `modalconflict`.",
        "",
    ]
    for folder in ("", "dataset", "engine", "lens", "core"):
        lines += [f"## {folder or 'Errors and logging'}", ""]
        for header in sorted((include / "modalconflict" / folder).glob("*.hpp")):
            name = header.relative_to(include).as_posix()
            lines += [f"### `<{name}>`", "", "```{doxygenfile} " + name, ":sections: briefdescription detaileddescription "
                      "innernamespace innerclass define enum func typedef var public-func public-attrib public-type public-static-func",
                      "```", ""]  # fmt: skip
    _write(HERE / "api" / "cpp.md", "\n".join(lines))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


_run_doxygen()
_copy_notebooks()
_write_python_reference()
_write_cpp_reference()
