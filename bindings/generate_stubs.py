"""Writes the type stubs in python/modalconflict: of the compiled modules, and of the names that modalconflict loads at first use.

`make stubs` runs it after a change of a binding or of a public name. The compiled modules are imported, so they have to be built.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MODULES = ("_core", "_dataset", "_lens")
PACKAGE = Path(__file__).parents[1] / "python" / "modalconflict"

# pybind11 names the bare class; strict type checking wants its parameters.
_BARE = (
    (re.compile(r"\bos\.PathLike\b(?!\[)"), "os.PathLike[str]"),
    (re.compile(r"\bnumpy\.ndarray\b(?!\[)"), "numpy.typing.NDArray[typing.Any]"),
)


def stub_of(module: str) -> str:
    """The stub of one compiled module, in ruff's format."""
    full = f"modalconflict.{module}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", full, "-o", folder, "--exit-code"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(
                f"{full}: pybind11-stubgen failed; build the modules and mend the binding it names\n{done.stderr}"
            )
        text = (Path(folder) / "modalconflict" / f"{module}.pyi").read_text(encoding="utf-8")
    for pattern, replacement in _BARE:
        text = pattern.sub(replacement, text)
    # pybind11-stubgen makes up a list of the names, which the module does not have.
    text = re.sub(r"^__all__: .*$", "", text, flags=re.MULTILINE)
    # The types of a module's attributes stand in its annotations, which pybind11-stubgen does not read.
    for name, kind in getattr(importlib.import_module(full), "__annotations__", {}).items():
        text = re.sub(rf"^{name}: .*$", f"{name}: {kind}", text, flags=re.MULTILINE)
    return formatted(text)


def stub_of_package() -> str:
    """The stub of modalconflict itself: every public name, imported from the module that defines it."""
    import modalconflict

    errors = set(modalconflict.__all__) - set(modalconflict._LAZY) - modalconflict._SUBMODULES
    lines = [
        '"""modalconflict: when a multimodal model follows the text and when the image, why, and where in its layers it wavers."""',
        "",
    ]
    lines += [f"from modalconflict import {name} as {name}" for name in sorted(modalconflict._SUBMODULES)]
    lines += [f"from modalconflict.errors import {name} as {name}" for name in sorted(errors)]
    lines += [f"from modalconflict.{module} import {name} as {name}" for name, module in modalconflict._LAZY.items()]
    lines += ["", "_LAZY: dict[str, str]", "_SUBMODULES: frozenset[str]", "__version__: str"]
    lines += [f"__all__ = {sorted(modalconflict.__all__)!r}", ""]
    return formatted("\n".join(lines))


def formatted(text: str) -> str:
    """The text as `ruff check --fix` and `ruff format` leave a stub."""
    for arguments in (["check", "--fix-only", "--select", "I,UP,PYI,D200,D212", "-q"], ["format", "-q"]):
        command = [
            sys.executable,
            "-m",
            "ruff",
            *arguments,
            "--isolated",
            "--target-version",
            "py310",
            "--line-length",
            "120",
            "--stdin-filename",
            str(PACKAGE / "stub.pyi"),
            "-",
        ]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


def stubs() -> dict[str, str]:
    """Every stub's text by its file's name."""
    return {**{f"{module}.pyi": stub_of(module) for module in MODULES}, "__init__.pyi": stub_of_package()}


def differs(text: str, path: Path) -> bool:
    """Whether the stub at `path` says something else; another version of the formatter is no difference."""
    return not path.is_file() or ast.dump(ast.parse(text)) != ast.dump(ast.parse(path.read_text(encoding="utf-8")))


def main() -> int:
    """Write the stubs, or with --check name those that are out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a stub is out of date")
    parser.add_argument("--package", type=Path, default=PACKAGE, help="folder of the stubs")
    arguments = parser.parse_args()
    stale = {name: text for name, text in stubs().items() if differs(text, arguments.package / name)}
    for name, text in stale.items():
        if arguments.check:
            print(f"{arguments.package / name} is out of date: run make stubs", file=sys.stderr)
        else:
            (arguments.package / name).write_text(text, encoding="utf-8")
            print(f"wrote {arguments.package / name}")
    return int(bool(stale) and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
