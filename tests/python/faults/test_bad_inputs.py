"""Every bad input of the table is refused in one sentence; nothing in the package reads pickles."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import modalconflict
from faults.bad_inputs import BadInput, all_bad_inputs, clear_sentence, good_bundle
from modalconflict.bundle import load_bundle
from modalconflict.errors import InvalidArgument

KINDS = sorted({bad.kind for bad in all_bad_inputs()})


@pytest.mark.parametrize("kind", KINDS)
def test_bad_inputs_get_one_clear_sentence(kind: str, tmp_path: Path) -> None:
    unclear = []
    for number, bad in enumerate(b for b in all_bad_inputs() if b.kind == kind):
        folder = tmp_path / str(number)
        folder.mkdir()
        why = _refusal(bad, folder)
        if why is not None:
            unclear.append(f"{bad.name}: {why}")
    assert unclear == []


def _refusal(bad: BadInput, folder: Path) -> str | None:
    try:
        bad.attempt(folder)
    except Exception as error:
        return clear_sentence(error)
    return "accepted"


def test_the_table_is_wide() -> None:
    assert len(all_bad_inputs()) > 700


def test_the_description_that_the_table_spoils_is_good(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(json.dumps(good_bundle()))
    assert load_bundle(tmp_path, verify=False).manifest["family"] == "llava"


def test_what_is_no_sentence_is_told_from_one() -> None:
    assert clear_sentence(InvalidArgument("group 3 is negative; give 0 or more")) is None
    assert clear_sentence(ValueError("group 3 is negative; give 0 or more")) is not None
    assert clear_sentence(InvalidArgument("two\nlines of words that are long")) is not None
    assert clear_sentence(InvalidArgument("bad")) is not None


def test_nothing_unpickles() -> None:
    """`pickle` is imported for the name of an error alone; torch.load takes tensors only; numpy loads no objects."""
    calls = []
    for path in sorted(Path(modalconflict.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = ast.unparse(node.func)
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if name.split(".")[0] in ("pickle", "dill", "joblib", "marshal", "shelve"):
                calls.append(f"{path.name}:{node.lineno} {name}")
            if name == "torch.jit.load" and path.name != "programs.py":  # the export's own check of what it wrote
                calls.append(f"{path.name}:{node.lineno} {name}")
            if name == "torch.load" and given.get("weights_only") != "True":
                calls.append(f"{path.name}:{node.lineno} {name}")
            if name in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False":
                calls.append(f"{path.name}:{node.lineno} {name}")
    assert calls == []
