"""The study runner: which runs, in which order, what a stop, a bad case and another study do."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from modalconflict.errors import InvalidArgument, IoError, ModelError
from modalconflict.records import read_records
from modalconflict.runner import answer_kind, given_answer, run
from modalconflict.runner.plan import plan_group
from modalconflict.runner.rows import label_layers
from synthetic_study import LAYERS, StandInModel, StandInPreparer, make_dataset

QUESTION = "What color is the circle? Answer in one word."


@pytest.fixture
def data(tmp_path: Path) -> SimpleNamespace:
    return make_dataset(tmp_path / "data")


def go(data: SimpleNamespace, out: Path, model: StandInModel | None = None, **options: object) -> object:
    return run(model or StandInModel(), data, out, preparer=StandInPreparer(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (" Blue.", "blue"),
        ("BLUE!!", "blue"),
        ("The red one", "red"),
        ("“Green”", "green"),
        ("blue circle", "blue"),
        ("", ""),
        ("ＲＥＤ", "red"),
        ("a", "a"),
        ("**purple**", "purple"),
    ],
)
def test_one_word_answers_are_normalised(raw: str, answer: str) -> None:
    assert given_answer(raw, QUESTION) == answer


def test_without_the_command_the_whole_answer_counts() -> None:
    assert given_answer("The morpho butterfly's wings.", "What is it?") == "morpho butterflys wings"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("Blue", "answer"),
        ("red and blue", "answer"),
        ("brown", "answer"),
        ("I can't tell", "abstention"),
        ("Unknown.", "abstention"),
        ("neither", "abstention"),
        ("", "format_failure"),
        ("...", "format_failure"),
        ("it shows a circle", "format_failure"),
        ("None of them", "abstention"),
    ],
)
def test_kinds_of_answers(raw: str, kind: str) -> None:
    assert answer_kind(raw, QUESTION, {"red", "blue"}) == kind


def test_a_group_runs_each_text_and_each_image_once(data: SimpleNamespace) -> None:
    cases = [c for c in data.table.to_pylist() if c["group"] == 1]
    runs = plan_group(cases)
    assert [r.case_id.removeprefix("color/00001/") for r in runs] == [
        "t0",
        "t1",
        "v00",
        "v00/t0",
        "v00/t1",
        "v01",
        "v01/t0",
        "v01/t1",
    ]
    text_only, vision_only, both = runs[0], runs[2], runs[3]
    assert (text_only.image, text_only.d_v, text_only.answer_vision) == (None, None, None)
    assert (vision_only.text, vision_only.d_t, vision_only.answer_text) == (None, None, None)
    assert both.text == text_only.text and both.image == vision_only.image


def test_paraphrases_and_the_other_order(data: SimpleNamespace) -> None:
    cases = [c for c in data.table.to_pylist() if c["group"] == 0]
    runs = plan_group(cases, "text_paraphrase", "text_first")
    assert runs[0].text == "Text 0: yellow is the circle."
    assert {r.order for r in runs} == {"text_first"}


def test_texts_that_differ_within_a_group_and_tier_are_refused(data: SimpleNamespace) -> None:
    cases = [dict(c) for c in data.table.to_pylist() if c["group"] == 0]
    cases[2]["text"] = "Another text."
    with pytest.raises(InvalidArgument, match="case color/00000/v01/t0 has another text"):
        plan_group(cases)


def test_layers_are_labelled_by_the_variants_of_the_two_answers() -> None:
    labels = label_layers(np.array([1, 2, 3, 9, -1]), text=[1, 9], vision=[2, 3, 9])
    assert labels.tolist() == [1, 2, 2, 0, 0]


def test_a_study_holds_one_row_a_run(data: SimpleNamespace, tmp_path: Path) -> None:
    result = go(data, tmp_path / "study")
    assert (result.groups, result.runs, result.failed) == (3, 24, 0)
    records = read_records(tmp_path / "study")
    rows = {r["case_id"]: r for r in records.to_pylist()}
    both = rows["color/00001/v01/t0"]
    assert both["answer"] == both["answer_text"] == "blue" and both["correct"] is None
    assert rows["color/00001/v00/t0"]["answer"] == rows["color/00001/v00/t0"]["answer_vision"] == "yellow"
    assert rows["color/00001/t0"]["correct"] is True and rows["color/00001/v01"]["correct"] is True
    assert both["lens_label"][0] == "irrelevant" and both["lens_label"][-1] == both["first_token_class"] == "text"
    assert both["lens_top1_token"][-1] == " blue" and len(both["lens_top_tokens"]) == LAYERS + 1
    assert both["lens_entropy"][-1] == both["entropy"]
    assert both["model"] == "stand-in" and both["bundle_sha256"] == "a" * 64
    assert "varentropy" in records.column_names


def test_study_json_says_what_was_run(data: SimpleNamespace, tmp_path: Path) -> None:
    go(data, tmp_path / "study", limit=1)
    information = json.loads((tmp_path / "study" / "study.json").read_text())
    assert information["options"] == {
        "text": "original",
        "order": None,
        "max_new_tokens": 8,
        "top_k": 5,
        "batch_size": None,
        "lens": "logit",
        "indices": [],
    }
    assert information["dataset"]["options"] == {"groups": 3}
    assert information["calls"] == [
        {
            "runs": 8,
            "seconds": information["calls"][0]["seconds"],
            "prompt_tokens": 24,
            "prefix_tokens": 8,
            "suffix_tokens": 8,
            "images_encoded": 0,
            "first_token_differs": 0,
        }
    ]


def test_a_resumed_study_equals_the_undisturbed_one(data: SimpleNamespace, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    go(data, whole)
    go(data, parts, limit=1)
    model = StandInModel()
    result = go(data, parts, model, resume=True)
    assert len(model.calls) == 2 and result.new_runs == 16 and result.runs == 24
    assert read_records(parts).equals(read_records(whole))
    assert [p.read_bytes() for p in sorted((parts / "records").iterdir())] == [
        p.read_bytes() for p in sorted((whole / "records").iterdir())
    ]
    again = go(data, parts, model, resume=True)
    assert again.new_runs == 0 and len(model.calls) == 2


def test_the_same_study_again_needs_resume(data: SimpleNamespace, tmp_path: Path) -> None:
    go(data, tmp_path / "study", limit=1)
    with pytest.raises(IoError, match="holds this study already; continue it by --resume"):
        go(data, tmp_path / "study")


def test_another_study_in_the_folder_is_refused_and_the_difference_named(data: SimpleNamespace, tmp_path: Path) -> None:
    study = tmp_path / "study"
    go(data, study, limit=1)
    before = {p: p.read_bytes() for p in study.rglob("*") if p.is_file()}
    with pytest.raises(IoError, match="another study.*top_k 5 there, 2 here"):
        go(data, study, resume=True, top_k=2)
    other = StandInModel()
    other.info["sha256"] = "b" * 64
    with pytest.raises(IoError, match="another model: stand-in aaaaaaaa there, stand-in bbbbbbbb here"):
        go(data, study, other, resume=True)
    with pytest.raises(IoError, match="another dataset"):
        go(make_dataset(tmp_path / "more", groups=4), study, resume=True)
    assert {p: p.read_bytes() for p in study.rglob("*") if p.is_file()} == before


def test_a_folder_that_holds_anything_else_is_refused(data: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("x")
    with pytest.raises(IoError, match="is not empty and holds no study"):
        go(data, tmp_path / "taken")
    with pytest.raises(IoError, match="is a file"):
        go(data, tmp_path / "taken" / "thesis.tex")


def test_a_bad_image_costs_its_own_runs_only(data: SimpleNamespace, tmp_path: Path) -> None:
    (data.path / "images" / "00001-v01.png").write_bytes(b"not a picture")
    result = go(data, tmp_path / "study")
    assert result.failed == 3
    rows = {r["case_id"]: r for r in read_records(tmp_path / "study").to_pylist()}
    bad = rows["color/00001/v01/t1"]
    assert (
        "cannot be read" in bad["status"]
        and bad["entropy"] is None
        and bad["answer"] is None
        and bad["lens_label"] is None
    )
    assert rows["color/00001/v00/t1"]["status"] == "ok"


def test_non_finite_logits_cost_their_own_run_only(data: SimpleNamespace, tmp_path: Path) -> None:
    result = go(data, tmp_path / "study", StandInModel(broken=("color/00002/v00/t1",)))
    assert result.failed == 1
    bad = [r for r in read_records(tmp_path / "study").to_pylist() if r["status"] != "ok"]
    assert [r["case_id"] for r in bad] == ["color/00002/v00/t1"]
    assert bad[0]["status"] == "non-finite logits at layer 3" and bad[0]["margin"] is None


def test_strict_stops_at_the_first_bad_case(data: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="case color/00002/v00/t1: non-finite logits at layer 3"):
        go(data, tmp_path / "a", StandInModel(broken=("color/00002/v00/t1",)), strict=True)
    assert set(read_records(tmp_path / "a")["group"].to_pylist()) == {0, 1}
    (data.path / "images" / "00000-v00.png").write_bytes(b"")
    with pytest.raises(IoError, match="cannot be read"):
        go(data, tmp_path / "b", strict=True)


def test_a_group_of_which_nothing_can_be_prepared_keeps_the_schema(data: SimpleNamespace, tmp_path: Path) -> None:
    class Refusing(StandInPreparer):
        def prepare(self, specs: list[object]) -> object:
            raise InvalidArgument("the prompt is too long")

    run(StandInModel(), data, tmp_path / "study", preparer=Refusing(), limit=1)
    records = read_records(tmp_path / "study")
    assert set(records["status"].to_pylist()) == {"the prompt is too long"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": "short"}, "text 'short'"),
        ({"order": "any"}, "order 'any'"),
        ({"top_k": 0}, "top_k is 0"),
        ({"limit": 0}, "limit is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_options_out_of_range_are_named(
    data: SimpleNamespace, tmp_path: Path, options: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words):
        go(data, tmp_path / "study", **options)
    assert not (tmp_path / "study").exists()


def test_progress_is_told_after_each_group(data: SimpleNamespace, tmp_path: Path) -> None:
    seen = []
    go(data, tmp_path / "study", progress=lambda p: seen.append((p.groups_done, p.groups, p.runs)))
    assert seen == [(1, 3, 8), (2, 3, 16), (3, 3, 24)]


def test_records_say_which_control_a_group_is(tmp_path: Path) -> None:
    import modalconflict as mc

    data = mc.datasets.color_recognition(groups=6, seed=0, controls=("text_irrelevant",), out=tmp_path / "data")
    go(data, tmp_path / "study")
    runs = read_records(tmp_path / "study").select(["case_id", "control"]).to_pylist()
    assert {r["control"] for r in runs} == {"none", "text_irrelevant"}
    assert all(("/text_irrelevant/" in r["case_id"]) == (r["control"] == "text_irrelevant") for r in runs)
    counts = mc.analyze(tmp_path / "study", cases="all", replicates=100).models[0].summary
    assert counts["counts"]["groups"] == 6 and counts["counts"]["cases"] == 6 * 14 * 3
    (control,) = counts["controls"]
    assert (control["control"], control["groups"], control["n"] + control["failed"]) == (
        "text_irrelevant",
        6,
        6 * 14 * 3,
    )
