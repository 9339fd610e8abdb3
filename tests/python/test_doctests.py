"""The examples in the docstrings of every module."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import modalconflict

# run as a task's own file by lmms-eval, or as a program
_NOT_IMPORTED = ("modalconflict.datasets.templates", "modalconflict.__main__")
MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(modalconflict.__path__, "modalconflict.")
    if not found.name.startswith(_NOT_IMPORTED) and not found.name.rsplit(".", 1)[-1].startswith("_")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run_as_printed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example that writes a file writes it here
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS, report=True)
    assert failed == 0


def test_there_are_examples_to_run() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = sum(
        any(not example.options.get(doctest.SKIP) for example in test.examples)
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
    )
    assert found > 50
