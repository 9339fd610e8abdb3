"""lmms-eval and VLMEvalKit: what is written obeys their formats, runs through their steps, and comes back.

Neither package is installed here. lmms-eval's steps are followed as its documented interface has them: the YAML with
``!function`` tags, ``load_dataset``, one request a document or choice, ``process_results``, the aggregation, the logged sample.
"""

from __future__ import annotations

import base64
import csv
import importlib.util
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from scipy.stats import entropy as scipy_entropy

import modalconflict as mc
from modalconflict.errors import InvalidArgument, IoError
from synthetic_study import COLORS

# keys that lmms-eval's TaskConfig knows
TASK_KEYS = {
    "task", "dataset_path", "dataset_kwargs", "test_split", "output_type", "doc_to_visual", "doc_to_text", "doc_to_target", "doc_to_choice",
    "target_delimiter", "generation_kwargs", "process_results", "metric_list", "metadata",
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> mc.datasets.Dataset:
    return mc.datasets.color_recognition(groups=2, seed=0, out=tmp_path_factory.mktemp("harness") / "data")


class Task:
    """The part of an lmms-eval task that a folder decides."""

    def __init__(self, folder: Path, name: str) -> None:
        functions = importlib.util.spec_from_file_location("utils", folder / "utils.py")
        assert functions is not None and functions.loader is not None
        self.utils = importlib.util.module_from_spec(functions)
        functions.loader.exec_module(self.utils)

        class Loader(yaml.SafeLoader):
            pass

        def function(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
            module, _, attribute = str(loader.construct_scalar(node)).partition(".")
            assert module == "utils"
            return getattr(self.utils, attribute)

        Loader.add_constructor("!function", function)
        self.config = yaml.load((folder / f"{name}.yaml").read_text(), Loader)
        assert set(self.config) <= TASK_KEYS
        assert self.config["task"] == name

    def documents(self, cache: Path) -> list[dict[str, Any]]:
        from datasets import load_dataset

        loaded = load_dataset(self.config["dataset_path"], cache_dir=str(cache), **self.config["dataset_kwargs"])
        return list(loaded[self.config["test_split"]])

    def evaluate(self, documents: list[dict[str, Any]], model: Any, log: Path) -> float:
        """Ask a model, process and aggregate its results, and log the samples; the one metric's value."""
        (metric,) = self.config["metric_list"]
        values = []
        with log.open("w") as stream:
            for number, doc in enumerate(documents):
                visuals, text = self.config["doc_to_visual"](doc), self.config["doc_to_text"](doc)
                if self.config["output_type"] == "generate_until":
                    results: list[Any] = [model(visuals, text, None)]
                else:
                    delimiter = self.config["target_delimiter"]
                    results = [model(visuals, text, delimiter + c) for c in doc[self.config["doc_to_choice"]]]
                found = self.config["process_results"](doc, results)
                assert set(found) == {metric["metric"]}
                values.append(found[metric["metric"]])
                saved = {key: value for key, value in doc.items() if "image" not in key}
                target = doc[self.config["doc_to_target"]]
                stream.write(
                    json.dumps({"doc_id": number, "doc": saved, "target": target, "filtered_resps": results, **found})
                    + "\n"
                )
        return float(metric["aggregation"](values))


def follows_text(visuals: list[Image.Image], text: str, choice: str | None) -> Any:
    """A model that names the first colour it reads, else the picture's most frequent colour that is none of the background."""
    answer = next((name for name in COLORS if name in text.lower()), None)
    if answer is None and visuals:
        pixels = np.asarray(visuals[0]).reshape(-1, 3).astype(int)
        centre = pixels[np.abs(pixels - pixels[0]).sum(axis=1) > 60].mean(axis=0) if len(pixels) else pixels[0]
        answer = min(COLORS, key=lambda name: float(np.abs(np.array(COLORS[name]) - centre).sum()))
    answer = answer or "red"
    if choice is None:
        return answer.capitalize() + "."
    return (0.2 if choice.strip() == answer else 2.5, choice.strip() == answer)  # a loss, as LLaVA's wrapper gives


def test_a_generating_task_runs_and_its_samples_come_back(data: Any, tmp_path: Path) -> None:
    folder = mc.datasets.to_lmms_eval(data, tmp_path / "task")
    task = Task(folder, "modalconflict")
    documents = task.documents(tmp_path / "cache")
    assert len(documents) == 2 * (3 + 14 + 42)
    assert task.config["doc_to_visual"](next(d for d in documents if d["condition"] == "text_only")) == []
    rate = task.evaluate(documents, follows_text, tmp_path / "samples.jsonl")
    records = mc.records.from_lmms_eval(tmp_path / "samples.jsonl", "stub")
    assert records["case_id"].to_pylist() == [d["case_id"] for d in documents]
    joint = records.filter(np.array(records["condition"].to_pylist()) == "multimodal")
    classes = joint["answer_class"].to_pylist()
    assert rate == pytest.approx(classes.count("text") / (classes.count("text") + classes.count("vision")))
    assert mc.records.uncertainty_columns(records) == []
    with pytest.raises(InvalidArgument, match="has no uncertainty column"):
        mc.analyze(records)


def test_the_choosing_task_gives_the_entropy_over_the_answers(data: Any, tmp_path: Path) -> None:
    folder = mc.datasets.to_lmms_eval(data, tmp_path / "task", name="conflict")
    task = Task(folder, "conflict_choices")
    documents = task.documents(tmp_path / "cache")
    task.evaluate(documents, follows_text, tmp_path / "samples.jsonl")
    records = mc.records.from_lmms_eval(tmp_path / "samples.jsonl", "stub")
    losses = [
        [follows_text(task.utils.doc_to_visual(d), task.utils.doc_to_text(d), c)[0] for c in d["choices"]]
        for d in documents
    ]
    expected = scipy_entropy(np.exp(-np.array(losses)), axis=1)
    np.testing.assert_allclose(records["entropy"].to_numpy(), expected, rtol=1e-12)
    assert len(np.unique(expected.round(6))) > 1
    assert set(records["entropy_kind"].to_pylist()) == {"choices"}
    analysis = mc.analyze(records, cases="all", replicates=100)
    assert analysis.models[0].name == "stub"


def test_controls_stay_controls(tmp_path: Path) -> None:
    data = mc.datasets.color_recognition(groups=1, controls=("text_irrelevant",), out=tmp_path / "data")
    task = Task(mc.datasets.to_lmms_eval(data, tmp_path / "task"), "modalconflict")
    documents = task.documents(tmp_path / "cache")
    task.evaluate(documents, follows_text, tmp_path / "samples.jsonl")
    found = mc.records.from_lmms_eval(tmp_path / "samples.jsonl", "stub")["control"].to_pylist()
    assert found == [d["control"] for d in documents]
    assert set(found) == {"none", "text_irrelevant"}


def test_log_likelihoods_and_losses_mean_the_same(data: Any, tmp_path: Path) -> None:
    utils = Task(mc.datasets.to_lmms_eval(data, tmp_path / "task"), "modalconflict_choices").utils
    doc = {"condition": "multimodal", "answer_text": "a", "answer_vision": "b", "choices": ["a", "b"]}
    loss, likelihood = ([(sign * 0.1, True), (sign * 3.0, False)] for sign in (1, -1))
    assert utils.process_results(doc, loss) == utils.process_results(doc, likelihood)
    assert math.isnan(utils.text_following_rate([]))


def test_a_task_that_cannot_be_said_is_refused(data: Any, tmp_path: Path) -> None:
    text_first = mc.datasets.color_recognition(groups=1, orders=("text_first",), out=tmp_path / "data")
    with pytest.raises(InvalidArgument, match="text before the image"):
        mc.datasets.to_lmms_eval(text_first, tmp_path / "task")
    assert not (tmp_path / "task").exists()
    with pytest.raises(InvalidArgument, match="letters, digits"):
        mc.datasets.to_lmms_eval(data, tmp_path / "task", name="a/b")
    mc.datasets.to_lmms_eval(data, tmp_path / "task")
    with pytest.raises(IoError, match="task"):
        mc.datasets.to_lmms_eval(data, tmp_path / "task")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "no samples"),
        ("{", "line 0: it is no sample"),
        ('{"doc": {}, "text_following_rate": {"answer": "red"}}', "line 0: it is no sample"),
        ('{"doc": 3, "text_following_rate": 4}', "line 0: it is no sample"),
    ],
)
def test_samples_of_something_else_are_refused(line: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text(line)
    with pytest.raises(InvalidArgument, match=words):
        mc.records.from_lmms_eval(tmp_path / "samples.jsonl", "m")
    with pytest.raises(IoError, match="cannot be read"):
        mc.records.from_lmms_eval(tmp_path / "missing.jsonl", "m")


def test_a_vlmevalkit_file_keeps_to_its_rules_and_comes_back(data: Any, tmp_path: Path) -> None:
    path = mc.datasets.to_vlmevalkit(data, tmp_path / "Conflict.tsv")
    csv.field_size_limit(1 << 26)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    # ImageBaseDataset: an image of at most 64 characters is the index of a row whose image is longer
    pictures = {row["index"]: row["image"] for row in rows}
    assert [int(row["index"]) for row in rows] == list(range(len(data)))
    for row, case in zip(rows, data.cases(), strict=True):
        image = row["image"] if len(row["image"]) > 64 else pictures[row["image"]]
        assert len(image) > 64
        shown, original = Image.open(io.BytesIO(base64.b64decode(image))), Image.open(case["image"])
        assert shown.tobytes() == original.tobytes()
        assert (row["hint"], row["question"], row["answer"]) == (case["text"], case["question"], case["answer_vision"])
    again = mc.datasets.from_vlmevalkit(path, {name: name for name in ("group", "d_v", "d_t")}, out=tmp_path / "again")
    for name in ("group", "d_v", "d_t", "text", "question", "answer_text", "answer_vision", "pixel_sha256"):
        assert again.table[name].to_pylist() == data.table[name].to_pylist(), name
    with pytest.raises(IoError, match="there already"):
        mc.datasets.to_vlmevalkit(data, path)
    with pytest.raises(InvalidArgument, match=r"\.tsv"):
        mc.datasets.to_vlmevalkit(data, tmp_path / "Conflict.csv")
