"""The stub of the compiled module names what the module has, no more and no less."""

from __future__ import annotations

import ast
import enum
from pathlib import Path

import modalconflict
from modalconflict import _core

STUB = Path(modalconflict.__file__).parent / "_core.pyi"
# Of an enumeration, what every enumeration has; of a class, what every object has.
COMMON = set(dir(enum.Enum)) | set(dir(object)) | {"__weakref__", "__dict__", "__module__"}


def stubbed() -> dict[str, set[str] | None]:
    found: dict[str, set[str] | None] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = None
        elif isinstance(node, ast.ClassDef):
            members = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    members.add(item.target.id)
            found[node.name] = members
    return found


def test_functions_and_classes():
    assert set(stubbed()) == {name for name in dir(_core) if not name.startswith("_")}


def test_members_of_classes():
    for name, members in stubbed().items():
        if members is None:
            continue
        real = {m for m in vars(getattr(_core, name)) if not m.startswith("_")}
        assert {m for m in members if not m.startswith("_")} - COMMON == real - COMMON, name
