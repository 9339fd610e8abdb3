"""Datasets as the evaluation harnesses take them: an lmms-eval task folder, a VLMEvalKit benchmark file."""

from __future__ import annotations

import base64
import csv
import json
import re
from importlib import resources
from pathlib import Path

from modalconflict.datasets.dataset import Dataset
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.folders import claim_folder, require_free

_YAML = """\
# Written by modalconflict: python -m lmms_eval --include_path THIS_FOLDER --tasks {task} --log_samples …
task: {task}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {runs}
test_split: test
output_type: {kind}
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: answer_expected
{settings}
process_results: !function utils.process_results
metric_list:
  - metric: text_following_rate
    aggregation: !function utils.text_following_rate
    higher_is_better: false
metadata:
  - version: 1.0
"""
_GENERATE = """\
generation_kwargs:
  max_new_tokens: 8
  temperature: 0
  do_sample: false
  num_beams: 1"""
_CHOOSE = """\
doc_to_choice: choices
target_delimiter: " \""""


def to_lmms_eval(dataset: Dataset, out: str | Path, name: str = "modalconflict") -> Path:
    """Write an lmms-eval task folder: two tasks over every run that a study of the dataset has.

    ``<name>`` generates the answers: text-following rates, for every model lmms-eval knows. ``<name>_choices`` asks for the
    log-likelihood of each answer that the dataset knows, from which :func:`modalconflict.records.from_lmms_eval` computes an
    entropy: the law itself, for the models that give log-likelihoods.

    Parameters
    ----------
    dataset
        Image-first cases; its folder must stay, or be named by the environment variable ``MODALCONFLICT_DATA``.
    out
        Folder to make; absent or empty. Give it to ``--include_path``.
    name
        The tasks' name: letters, digits, underscores.

    Returns
    -------
    pathlib.Path
        The folder, with ``<name>.yaml``, ``<name>_choices.yaml``, ``utils.py`` and ``runs.jsonl``.

    Raises
    ------
    InvalidArgument
        If the name is no name, or a case has the text before its image, which a task cannot say.
    IoError
        If the folder is taken or cannot be written.

    Examples
    --------
    >>> import tempfile, modalconflict as mc
    >>> data = mc.datasets.color_recognition(groups=1, out=tempfile.mkdtemp() + "/data")
    >>> sorted(path.name for path in mc.datasets.to_lmms_eval(data, tempfile.mkdtemp() + "/task").iterdir())
    ['modalconflict.yaml', 'modalconflict_choices.yaml', 'runs.jsonl', 'utils.py']
    """
    from modalconflict.runner.plan import Groups, plan_group

    if not re.fullmatch(r"[A-Za-z]\w*", name):
        raise InvalidArgument(f"name is '{name}'; give letters, digits and underscores, a letter first")
    folder = Path(out)
    require_free(folder, "lmms-eval task")
    answers = dataset.table.select(["answer_text", "answer_vision"])
    choices = sorted({answer for column in answers.columns for answer in column.to_pylist()})
    lines = []
    groups = Groups(dataset.table)
    for number in groups:
        for run in plan_group(groups.cases(number)):
            if run.order != "image_first" and run.condition == "multimodal":
                raise InvalidArgument(
                    f"case {run.case_id} has its text before the image; an lmms-eval task puts images first"
                )
            expected = run.answer_text if run.condition == "text_only" else run.answer_vision
            fields = {key: value for key, value in vars(run).items() if key != "image"}
            # lmms-eval leaves keys with "image" in them out of its samples
            lines.append(
                json.dumps(
                    {
                        **fields,
                        "picture": run.image,
                        "dataset": dataset.name,
                        "answer_expected": expected,
                        "choices": choices,
                    }
                )
            )
    claim_folder(folder, "lmms-eval task")
    folder = folder.resolve()
    utils = (
        resources.files("modalconflict.datasets").joinpath("templates/lmms_eval_utils.py").read_text(encoding="utf-8")
    )
    texts = {
        "runs.jsonl": "\n".join(lines) + "\n",
        "utils.py": utils.replace('"DATA_FOLDER"', json.dumps(str(dataset.path.resolve()))),
    }
    for task, kind, settings in ((name, "generate_until", _GENERATE), (f"{name}_choices", "multiple_choice", _CHOOSE)):
        runs = json.dumps(str(folder / "runs.jsonl"))
        texts[f"{task}.yaml"] = _YAML.format(task=task, kind=kind, settings=settings, runs=runs)
    try:
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise IoError(
            f"cannot write {folder} ({error.strerror or error}); free space or choose another folder"
        ) from error
    return folder


def to_vlmevalkit(dataset: Dataset, out: str | Path) -> Path:
    """Write the cases as a VLMEvalKit benchmark: one TSV with the pictures inside, each once.

    Parameters
    ----------
    dataset
        Any.
    out
        A .tsv file that is not there yet; VLMEvalKit looks for it below ``$LMUData``.

    Returns
    -------
    pathlib.Path
        The file. ``hint`` is the text, which VLMEvalKit's multiple-choice prompt shows above the question, ``answer`` the
        image's answer; ``answer_text``, ``group``, ``d_v``, ``d_t`` and ``case_id`` are beside them.
        :func:`modalconflict.datasets.from_vlmevalkit` reads it back.

    Raises
    ------
    InvalidArgument
        If the name does not end in .tsv.
    IoError
        If the file is there, or cannot be written, or a picture cannot be read.

    Examples
    --------
    >>> import tempfile, modalconflict as mc
    >>> data = mc.datasets.color_recognition(groups=1, out=tempfile.mkdtemp() + "/data")
    >>> mc.datasets.to_vlmevalkit(data, tempfile.mkdtemp() + "/Conflict.tsv").name
    'Conflict.tsv'
    """
    path = Path(out)
    if path.suffix != ".tsv":
        raise InvalidArgument(f"'{path}' is no .tsv file; VLMEvalKit finds a benchmark by its name and .tsv")
    written: dict[str, int] = {}
    try:
        with open(path, "x", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            names = [
                "index",
                "image",
                "question",
                "hint",
                "answer",
                "answer_text",
                "category",
                "group",
                "d_v",
                "d_t",
                "case_id",
            ]
            writer.writerow(names)
            for index, case in enumerate(dataset.cases()):
                picture = str(written[case["image"]]) if case["image"] in written else _encoded(Path(case["image"]))
                written.setdefault(case["image"], index)
                row = [
                    case[key]
                    for key in (
                        "question",
                        "text",
                        "answer_vision",
                        "answer_text",
                        "attribute",
                        "group",
                        "d_v",
                        "d_t",
                        "case_id",
                    )
                ]
                writer.writerow([index, picture, *row])
    except FileExistsError:
        raise IoError(f"'{path}' is there already; choose another name") from None
    except OSError as error:
        path.unlink(missing_ok=True)
        raise IoError(
            f"cannot write '{path}' ({error.strerror or error}); free space or choose another folder"
        ) from error
    return path


def _encoded(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode("ascii")
