"""Datasets of one's own from TOML, and the shell commands that make, import and show datasets."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import modalconflict as mc
from modalconflict.cli import app
from modalconflict.datasets.config import options_of, read_config
from pictures import GOOD, picture

EXAMPLE = Path(__file__).parents[3] / "examples" / "study.toml"


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def toml(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def test_the_example_is_a_dataset(tmp_path):
    data = mc.datasets.from_config(EXAMPLE, out=tmp_path / "d", groups=4)
    cases = [case for case in data.cases() if case["control"] == "none"]
    assert len(cases) == 4 * 4 * 2
    assert {c["answer_vision"] for c in cases} == {"red", "blue", "yellow", "green"}
    assert {(c["d_v"], c["distractors"], c["occluded_count"]) for c in cases} == {
        (0, 0, 0),
        (1, 4, 0),
        (2, 8, 2),
        (3, 16, 4),
    }
    assert all((c["image_width"], c["image_height"]) == (336, 336) for c in cases)
    assert all(c["visible_fraction"] >= 0.7 for c in cases)


def test_the_same_file_gives_the_same_dataset_and_another_is_refused(tmp_path):
    text = 'kind = "color"\ngroups = 2\nseed = 3\n'
    first = mc.datasets.from_config(toml(tmp_path, text), out=tmp_path / "d")
    assert mc.datasets.from_config(toml(tmp_path, text), out=tmp_path / "d").table.equals(first.table)
    with pytest.raises(mc.IoError, match="holds another dataset .*seed 3 there, 4 here"):
        mc.datasets.from_config(toml(tmp_path, text), out=tmp_path / "d", seed=4)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("groups = 2", "kind is None; say which dataset by kind = "),
        ('kind = "colour"', "kind is 'colour'"),
        ('kind = "color"\ngroup = 2', "'group' is not known; did you mean 'groups'?"),
        ('kind = "color"\nzzz = 2', "'zzz' is not known; known are groups, seed"),
        ('kind = "color"\nout = "x"', "'out' is not known"),
        ('kind = "color"\n[[tiers]]\nwidht = 3', "'tiers[0].widht' is not known; did you mean 'width'?"),
        ('kind = "color"\n[[tiers]]\nwidth = 3', "tiers[0] lacks the field 'height'"),
        ('kind = "color"\n[[colors]]\ncolour = 3', "'colors[0].colour' is not known; known are name"),
        ('kind = "color"\n[[texts]]\ntemplate = ["a"]', "'texts[0].template' is not known; did you mean 'templates'?"),
        ('kind = "color"\ntiers = 3', "study.toml"),
        ('kind = "color"\ntiers = [3]', "tiers[0]"),
        ('kind = "color"\ngroups = "many"', "study.toml"),
        ('kind = "color"\ngroups = 0', "groups is 0"),
        ('kind = "color"\nseed = 1.5', "study.toml"),
        ('kind = "color"\nshapes = ["blob"]', "blob"),
        ('kind = "color"\ntexts = ["x"]', "texts"),
        ('kind = "color"\nquestion = "What?"', "question"),
        ('kind = "attribute"\nsubset = "size"', "subset 'size' is not known"),
        ('kind = "attribute"\nshapes = ["cube"]', "'shapes' is not known"),
        ('kind = "attribute"\nlamp_radios = 1', "'lamp_radios' is not known; did you mean 'lamp_radius'?"),
        (
            'kind = "attribute"\n[[tiers]]\nobject_min = 3',
            "'tiers[0].object_min' is not known; did you mean 'objects_min'?",
        ),
        ("kind = ", "is no TOML"),
        ("\x00", "is no TOML"),
    ],
)
def test_a_file_that_does_not_fit_is_named_by_its_key(tmp_path, text, why):
    with pytest.raises(mc.InvalidArgument, match=re.escape(why)) as caught:
        mc.datasets.from_config(toml(tmp_path, text), out=tmp_path / "d")
    assert "study.toml" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "d").exists()


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(mc.IoError, match="does not exist; name a TOML file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(mc.IoError, match="cannot be read"):
        read_config(tmp_path)


def test_every_option_of_the_generators_may_stand_in_a_file():
    assert {"groups", "seed", "tiers", "colors", "shapes", "texts", "question", "controls", "orders"} <= set(
        options_of("color")
    )


def test_generate_from_a_file(tmp_path):
    result = call(
        "generate",
        "--config",
        toml(tmp_path, 'kind = "color"\ngroups = 9'),
        "--groups",
        1,
        "--out",
        tmp_path / "d",
        "--json",
    )
    assert json.loads(result.stdout) == {
        "path": str(tmp_path / "d"),
        "dataset": "color_recognition",
        "cases": 42,
        "groups": 1,
        "skipped": 0,
    }


@pytest.mark.parametrize("arguments", [[], ["color", "--config", "x.toml"]])
def test_generate_wants_a_name_or_a_file(tmp_path, arguments):
    result = call("generate", *arguments, "--out", tmp_path / "d")
    assert result.exit_code == 2 and "name a dataset, or a TOML file" in result.stderr


def test_import_contact_sheet_and_card_at_the_shell(tmp_path):
    (tmp_path / "p.png").write_bytes(picture())
    lines = [json.dumps({**GOOD, "file": "p.png"}), json.dumps({**GOOD, "file": "p.png", "text": ""})]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    make = ("import", "table", tmp_path / "t.jsonl", "--columns", "image=file", "--out", tmp_path / "d")
    refused = call(*make)
    assert refused.exit_code == 1
    assert refused.stderr.strip() == "Error: 't.jsonl', column 'text', row 1: the value is empty; fill it"
    result = call(*make, "--skip-bad-rows")
    assert result.exit_code == 0 and result.stdout == f"1 cases in {tmp_path / 'd'}\n"
    assert "1 rows were left out" in result.stderr
    shown = call("contact-sheet", tmp_path / "d", "--out", tmp_path / "s.png")
    assert shown.exit_code == 0 and (tmp_path / "s.png").is_file()
    assert call("card", tmp_path / "d", "--out", tmp_path / "c.html").stdout == f"The card is {tmp_path / 'c.html'}\n"
    assert json.loads(call("card", tmp_path / "d", "--json").stdout)["cases"] == 1


def test_attribute_at_the_shell(tmp_path):
    result = call("generate", "attribute", "--subset", "material", "--groups", 1, "--out", tmp_path / "d")
    assert result.exit_code == 0 and result.stdout == f"16 cases in {tmp_path / 'd'}\n"
    assert call("generate", "color", "--subset", "shape", "--out", tmp_path / "e").exit_code == 2
    config = toml(
        tmp_path,
        'kind = "attribute"\ngroups = 1\nwidth = 240\nheight = 160\n[[tiers]]\nobjects_min = 3\nobjects_max = 3\n',
    )
    assert len(mc.datasets.from_config(config, out=tmp_path / "own")) == 4


def test_clevr_at_the_shell(tmp_path):
    call("generate", "attribute", "--groups", 9, "--out", tmp_path / "made")
    result = call("import", "clevr", tmp_path / "made", "--groups", 1, "--out", tmp_path / "d", "--json")
    assert json.loads(result.stdout)["cases"] == 16


def test_columns_that_are_no_pairs(tmp_path):
    result = call("import", "table", tmp_path / "t.csv", "--columns", "image", "--out", tmp_path / "d")
    assert result.exit_code == 1 and "'image' is no FIELD=COLUMN" in result.stderr


@pytest.mark.parametrize("kind", ["table", "mc2", "visual-counterfact", "clevr", "lmms-eval", "vlmevalkit"])
def test_every_import_has_help_with_an_example(kind):
    result = call("import", kind, "--help")
    assert result.exit_code == 0 and f"modalconflict import {kind}" in " ".join(result.stdout.split())
