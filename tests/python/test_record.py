"""Records of a live transformers model equal those of its bundle; what wraps or changes the model is followed."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import modalconflict as mc
from modalconflict.errors import InvalidArgument, IoError, ModelError
from modalconflict.export import export_model
from modalconflict.live_model import LiveModel
from synthetic_study import make_dataset
from tiny_families import FAMILIES
from tiny_models import tiny_image, tiny_llava, tiny_pocket

MEASURED = (
    "entropy", "max_prob", "margin", "varentropy", "gini", "top_k_entropy", "answer_log_prob", "logit_text", "logit_vision",
    "lens_entropy", "kl_final", "renyi_2",
)  # fmt: skip
BUILDERS = {"llava": tiny_llava, "pocket": tiny_pocket, **FAMILIES}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_dataset(tmp_path_factory.mktemp("record") / "data", groups=2, v_tiers=2, t_tiers=1)


def as_arrays(column: Any) -> np.ndarray:
    return np.array(column.to_pylist(), dtype=float)


@cache
def built(family: str) -> tuple[Any, Any]:
    return BUILDERS[family]()


@pytest.mark.parametrize("family", sorted(BUILDERS))
def test_records_equal_those_of_the_bundle(family: str, data: Any, tmp_path: Path) -> None:
    model, processor = built(family)
    bundle = export_model(model, processor, tmp_path / "bundle")
    mc.run(bundle.path, data, tmp_path / "engine", indices=["renyi:2"])
    result = mc.record(model, processor, data, tmp_path / "live", indices=["renyi:2"])
    assert result.failed == 0
    ours, theirs = (mc.read_records(tmp_path / name) for name in ("live", "engine"))
    assert ours.schema.equals(theirs.schema, check_metadata=True)
    for name in MEASURED:
        np.testing.assert_allclose(as_arrays(ours[name]), as_arrays(theirs[name]), atol=2e-4, rtol=2e-4, err_msg=name)
    for name in ours.column_names:
        if name not in (*MEASURED, "bundle_sha256", "answer_token_log_probs"):
            assert ours[name].equals(theirs[name]), name
    for mine, other in zip(
        ours["answer_token_log_probs"].to_pylist(), theirs["answer_token_log_probs"].to_pylist(), strict=True
    ):
        np.testing.assert_allclose(mine, other, atol=2e-4)


def test_cases_become_a_dataset_beside_the_study(tmp_path: Path) -> None:
    model, processor = built("llava")
    cases = [
        {"image": tiny_image(seed), "text": f"The circle is {said}.", "question": "What color is the circle? Answer in one word.",
         "answer_text": said, "answer_vision": "red"}
        for seed, said in enumerate(("blue", "green"))
    ]  # fmt: skip
    result = mc.record(model, processor, cases, tmp_path / "study")
    assert (result.groups, result.runs, result.failed) == (2, 6, 0)
    again = mc.record(model, processor, tmp_path / "study-data", tmp_path / "again")
    assert again.runs == 6
    parts = [(tmp_path / name / "records" / "part-000001.parquet").read_bytes() for name in ("study", "again")]
    assert parts[0] == parts[1]
    with pytest.raises(InvalidArgument, match="study-data"):
        mc.record(model, processor, cases, tmp_path / "study", resume=True)
    with pytest.raises(InvalidArgument, match="case 1 is a str"):
        mc.record(model, processor, [cases[0], "no case"], tmp_path / "other")
    with pytest.raises(InvalidArgument, match="answer_text"):
        mc.record(model, processor, [{k: v for k, v in cases[0].items() if k != "answer_text"}], tmp_path / "other")


def test_a_live_study_stops_and_goes_on_and_knows_its_model(data: Any, tmp_path: Path) -> None:
    model, processor = built("llava")
    mc.record(model, processor, data, tmp_path / "study")
    assert mc.record(model, processor, data, tmp_path / "study", resume=True).new_runs == 0
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.model.language_model.layers[2].mlp.down_proj.weight[0, 0] += 0.01
    with pytest.raises(IoError, match="another model"):
        mc.record(changed, processor, data, tmp_path / "study", resume=True)


def test_what_changes_the_model_changes_the_records(data: Any, tmp_path: Path) -> None:
    model, processor = tiny_llava()
    handle = model.model.language_model.layers[1].register_forward_hook(lambda module, args, out: out.roll(1, -1))
    try:
        mc.record(model, processor, data, tmp_path / "rolled")
    finally:
        handle.remove()
    mc.record(model, processor, data, tmp_path / "plain")
    rolled, plain = (as_arrays(mc.read_records(tmp_path / n)["lens_entropy"]) for n in ("rolled", "plain"))
    np.testing.assert_array_equal(rolled[:, :2], plain[:, :2])
    assert (np.abs(rolled[:, 2:] - plain[:, 2:]) > 1e-4).mean() > 0.9


def test_settings_for_sampling_are_put_aside_and_left_as_they_were(data: Any, tmp_path: Path) -> None:
    model, processor = tiny_llava()
    mc.record(model, processor, data, tmp_path / "greedy")
    model.generation_config.repetition_penalty = 5.0
    mc.record(model, processor, data, tmp_path / "set")
    assert model.generation_config.repetition_penalty == 5.0
    greedy, other = (mc.read_records(tmp_path / n) for n in ("greedy", "set"))
    assert greedy["answer_raw"].equals(other["answer_raw"])


def test_numbers_that_are_not_finite_are_the_runs_own_status(data: Any, tmp_path: Path) -> None:
    model, processor = tiny_llava()
    with torch.no_grad():
        model.model.multi_modal_projector.linear_2.bias[0] = float("nan")
    result = mc.record(model, processor, data, tmp_path / "study")
    table = mc.read_records(tmp_path / "study")
    broken = [
        s for s, c in zip(table["status"].to_pylist(), table["condition"].to_pylist(), strict=True) if c != "text_only"
    ]
    assert result.failed == len(broken) > 0
    assert all("non-finite logits" in s for s in broken)


def test_a_wrapper_is_opened_and_what_is_no_model_is_refused(data: Any, tmp_path: Path) -> None:
    model, processor = built("llava")
    wrapped = SimpleNamespace(_model=SimpleNamespace(_model=model))
    assert LiveModel(wrapped, processor).info["sha256"] == LiveModel(model, processor).info["sha256"]
    with pytest.raises(InvalidArgument, match="a str is no torch model"):
        mc.record("llava", processor, data, tmp_path / "study")
    with pytest.raises(ModelError, match="family 'Linear' is not known"):
        mc.record(torch.nn.Linear(2, 2).eval(), processor, data, tmp_path / "study")
    training, _ = tiny_llava()
    with pytest.raises(InvalidArgument, match=r"model.eval\(\)"):
        mc.record(training.train(), processor, data, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_model_wrapped_by_nnsight(data: Any, tmp_path: Path) -> None:
    nnsight = pytest.importorskip("nnsight")
    model, processor = tiny_llava()
    mc.record(model, processor, data, tmp_path / "plain")
    mc.record(nnsight.NNsight(model), processor, data, tmp_path / "study")
    ours, theirs = (as_arrays(mc.read_records(tmp_path / n)["lens_entropy"]) for n in ("study", "plain"))
    np.testing.assert_array_equal(ours, theirs)
