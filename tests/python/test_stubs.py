"""The committed stubs say what the compiled modules and the package have; IDEs and mypy resolve the names loaded at first use."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

import modalconflict

ROOT = Path(__file__).parents[2]
PACKAGE = Path(modalconflict.__file__).parent

spec = importlib.util.spec_from_file_location("generate_stubs", ROOT / "bindings" / "generate_stubs.py")
assert spec is not None and spec.loader is not None
generate_stubs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate_stubs)


@pytest.mark.parametrize("module", generate_stubs.MODULES)
def test_stub_is_what_the_generator_writes(module):
    assert not generate_stubs.differs(generate_stubs.stub_of(module), PACKAGE / f"{module}.pyi"), "run make stubs"


def test_stub_of_the_package_is_what_the_generator_writes():
    assert not generate_stubs.differs(generate_stubs.stub_of_package(), PACKAGE / "__init__.pyi"), "run make stubs"


def test_a_changed_signature_is_noticed(tmp_path):
    text = (PACKAGE / "_core.pyi").read_text()
    (tmp_path / "_core.pyi").write_text(text.replace("def spearman(", "def spearman_rank("))
    assert generate_stubs.differs(text, tmp_path / "_core.pyi")
    (tmp_path / "_core.pyi").write_text(text.replace(",\n", ", # other layout\n"))
    assert not generate_stubs.differs(text, tmp_path / "_core.pyi")
    assert generate_stubs.differs(text, tmp_path / "missing.pyi")


def test_every_public_name_is_imported_in_the_stub_from_where_it_is_defined():
    found = {}
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom):
            found.update({alias.asname: node.module for alias in node.names if alias.asname == alias.name})
    assert set(found) == set(modalconflict.__all__)
    for name, module in found.items():
        if name not in modalconflict._SUBMODULES:
            assert getattr(importlib.import_module(module), name) is getattr(modalconflict, name)


def test_no_array_or_mapping_of_a_stub_is_bare():
    for module in generate_stubs.MODULES:
        for node in ast.walk(ast.parse((PACKAGE / f"{module}.pyi").read_text())):
            annotations = [getattr(node, field, None) for field in ("annotation", "returns")]
            bare = {ast.unparse(a) for a in annotations if a} & {"dict", "list", "tuple", "numpy.ndarray", "typing.Any"}
            assert not (bare - {"typing.Any"}), (module, ast.unparse(node)[:200])


def test_marker_of_types_is_shipped():
    assert (PACKAGE / "py.typed").is_file()
