"""Color Recognition beyond the published set: controls, orders, settings of one's own, and what disturbs a generation."""

import locale
import os
import re
import resource
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import modalconflict as mc
from modalconflict import _dataset
from modalconflict.datasets.options import CONTROLS

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory):
    return mc.datasets.color_recognition(
        groups=4,
        seed=21,
        out=tmp_path_factory.mktemp("data") / "all",
        controls=CONTROLS,
        orders=("image_first", "text_first"),
    )


@given(seed=SEEDS, index=st.integers(0, 99), d_t=st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_controls_name_only_what_the_pictures_lack(seed, index, d_t):
    options = _dataset.ColorRecognitionOptions(groups=100, seed=seed)
    group = _dataset.color_group(options, index)
    drawn = set(_dataset.SHAPES) - {group.helper}  # what the group's pictures may show
    shapes = {*_dataset.SHAPES, "cone", "frustum"}
    for control in ("text_irrelevant", "image_irrelevant"):
        target = _dataset.color_target(options, group, control)
        question = _dataset.color_question(options, group, control)
        assert question == f"What color is the {target}? Answer in one word."
        assert (target == group.target) == (control == "text_irrelevant")
        for one in _dataset.color_text(options, group, d_t, control)[:2]:
            named = set(re.findall(r"[a-z]+", one.lower())) & shapes
            assert len(named - set(group.entity.split())) == (2 if d_t == 1 else 1)
            assert target not in group.entity.split()
            assert not (named - set(group.entity.split())) & drawn, "the text says nothing of a figure in the picture"
            assert (target in named) == (control == "image_irrelevant")
    assert _dataset.color_target(options, group, "image_irrelevant") in ("star", "cone", "frustum")
    assert _dataset.color_text(options, group, d_t, "blank_image") == _dataset.color_text(options, group, d_t)


def test_image_irrelevant_uses_all_three_shapes():
    options = _dataset.ColorRecognitionOptions(groups=400, seed=0)
    named = Counter(
        _dataset.color_target(options, _dataset.color_group(options, i), "image_irrelevant") for i in range(400)
    )
    assert set(named) == {"star", "cone", "frustum"}


def test_controls_and_orders_are_groups_of_their_own(controlled):
    rows = controlled.table.to_pylist()
    counts = Counter((r["control"], r["order"]) for r in rows)
    for order in ("image_first", "text_first"):
        assert counts["none", order] == counts["text_irrelevant", order] == counts["image_irrelevant", order] == 4 * 42
        assert counts["blank_image", order] == 4 * 2 * 3  # one canvas of each size
    for number in {r["group"] for r in rows}:
        mine = [r for r in rows if r["group"] == number]
        assert len({(r["control"], r["order"]) for r in mine}) == 1
        assert len({(r["d_t"], r["text"], r["question"]) for r in mine}) == 3, "a group's runs are shared"
    assert mc.datasets.load(controlled.path).table.equals(controlled.table)


def test_published_cases_do_not_change_with_controls(controlled, tmp_path):
    plain = mc.datasets.color_recognition(groups=4, seed=21, out=tmp_path / "plain")
    assert "control" not in plain.table.column_names
    same = [r for r in controlled.table.to_pylist() if r["control"] == "none" and r["order"] == "image_first"]
    for row in same:
        del row["control"]
    assert same == plain.table.to_pylist()
    other = [r for r in controlled.table.to_pylist() if r["control"] == "none" and r["order"] == "text_first"]
    assert [r["text"] for r in other] == [r["text"] for r in same]


def test_blank_pictures_are_white(controlled):
    rows = [r for r in controlled.cases() if r["control"] == "blank_image"]
    assert {(r["image_width"], r["image_height"], r["d_v"]) for r in rows} == {(800, 600, 0), (224, 224, 5)}
    for path in {r["image"] for r in rows}:
        assert np.asarray(Image.open(path)).min() == 255
    assert all(r["visible_fraction"] == 0 and r["distractors"] == 0 for r in rows)


@given(seed=SEEDS, d_v=st.integers(0, 13))
@settings(max_examples=100, deadline=None)
def test_the_texts_colour_is_in_no_pixel(seed, d_v):
    options = _dataset.ColorRecognitionOptions(groups=1, seed=seed)
    group = _dataset.color_group(options, 0)
    rgb = {c.name: c.rgb for c in options.colors}
    pixels = _dataset.render(_dataset.color_scene(options, group, d_v)).reshape(-1, 3)
    assert not (pixels == rgb[group.answer_text]).all(axis=1).any()
    assert (pixels == rgb[group.answer_vision]).all(axis=1).any()


OWN = {
    "tiers": [
        {
            "width": 96,
            "height": 64,
            "target_side_min": 20,
            "target_side_max": 24,
            "distractors": 5,
            "occlusion_percent": 40,
        },
        mc.datasets.VisionTier(128, 128, 30, 30, 10, 20, distractors=2, separate=True),
    ],
    "colors": [
        {"name": "pink", "rgb": (250, 120, 180), "entities": ["a flamingo"]},
        {"name": "black", "rgb": (10, 10, 10), "entities": ["a raven", "a piece of coal"]},
        mc.datasets.NamedColor("teal", (0, 128, 128), ("a teal duck's wing patch",)),
        {"name": "brown", "rgb": [120, 70, 20], "entities": ["a chestnut"]},
    ],
    "shapes": ["arrow", "circle", "square", "heart"],
    "texts": [
        ["A {target} of {answer} color.", "The {target} is {answer}."],
        ["The {target} is like {thing}.", "Like {thing}: the {target}."],
    ],
    "question": "In one word, which color has the {target}?",
}


@given(seed=SEEDS)
@settings(max_examples=100, deadline=None)
def test_rules_hold_for_settings_of_ones_own(seed):
    from modalconflict.datasets.color import _core_options, _varied

    colors = [
        {**OWN["colors"][0]},
        *OWN["colors"][1:2],
        mc.datasets.NamedColor("teal", (0, 128, 128), ("a mallard",)),
        OWN["colors"][3],
    ]
    varied = _varied(OWN["tiers"], colors, OWN["shapes"], OWN["texts"], OWN["question"], 0.8)
    options = _core_options(8, seed, varied)
    groups = [_dataset.color_group(options, i) for i in range(8)]
    for name in ("answer_text", "answer_vision"):
        assert set(Counter(getattr(g, name) for g in groups).values()) == {2}
    rgb = {c.name: c.rgb for c in options.colors}
    for d_v, tier in enumerate(options.tiers):
        group = groups[seed % 8]
        scene = _dataset.color_scene(options, group, d_v)
        others = [o for i, o in enumerate(scene.objects) if i != scene.target]
        overlapping, visible = _dataset.measure(scene)
        assert len(others) == tier.distractors
        assert overlapping == (2 if d_v == 0 else 0)
        assert visible >= 0.8
        assert scene.objects[scene.target].rgb == rgb[group.answer_vision]
        assert all(o.shape not in (group.target, group.helper) and o.shape in options.shapes for o in others)
        assert all(o.rgb not in (rgb[group.answer_vision], rgb[group.answer_text]) for o in others)


def test_colour_words_in_entities_are_refused():
    with pytest.raises(
        mc.InvalidArgument, match="colors\\[2\\].entities holds 'a teal duck's wing patch', which names the color teal"
    ):
        mc.datasets.color_recognition(groups=1, **OWN)


def test_own_study_is_described_in_its_manifest(tmp_path):
    colors = [*OWN["colors"][:2], {"name": "brown", "rgb": (120, 70, 20), "entities": ["a chestnut"]}]
    made = mc.datasets.color_recognition(groups=3, seed=2, out=tmp_path / "own", **{**OWN, "colors": colors})
    assert len(made) == 3 * 2 * 2
    assert made.options["shapes"] == OWN["shapes"]
    assert made.options["tiers"][1]["separate"] is True
    rows = made.table.to_pylist()
    assert {r["entity"] for r in rows if r["d_t"] == 0} == {""}
    assert all(r["entity"] and r["entity"] in r["text"] for r in rows if r["d_t"] == 1)
    assert all(r["question"] == f"In one word, which color has the {r['target']}?" for r in rows)
    again = mc.datasets.color_recognition(groups=3, seed=2, out=tmp_path / "own", **{**OWN, "colors": colors})
    assert again.table.equals(made.table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tiers": [{"width": 96}]}, "tiers[0] lacks the field 'height'"),
        ({"tiers": [{"wide": 96}]}, "tiers[0] has no field 'wide'"),
        ({"tiers": []}, "tiers has 0 entries"),
        ({"colors": [{"name": "red", "rgb": (300, 0, 0)}]}, "colors[0]: a value has the wrong type or size"),
        ({"colors": [{"name": "red", "rgb": (200, 0, 0)}] * 3}, "colors[1].name 'red' stands twice"),
        ({"shapes": ["circle", "blob", "star"]}, "shape 'blob' is not known"),
        ({"shapes": ["circle", "star"]}, "shapes must hold 3 shapes"),
        ({"texts": [["The {target} is {answer}."]]}, "texts[0].templates has 1 entries"),
        ({"texts": [["The {target} is {answer}.", 3]]}, "texts[0][1] is 3; give a string"),
        ({"question": "What color?"}, "question lacks {target}"),
        ({"min_visible_fraction": 2.0}, "min_visible_fraction must lie within 0 and 1"),
        ({"controls": ("noise",)}, "controls: 'noise' is not known"),
        ({"controls": ("blank_image", "blank_image")}, "controls: 'blank_image' stands twice"),
        ({"orders": ()}, "orders is empty"),
        ({"threads": 5000}, "threads is 5000"),
        ({"groups": "many"}, "groups is 'many'; give a whole number"),
    ],
)
def test_bad_settings_are_named(arguments, message, tmp_path):
    with pytest.raises(mc.InvalidArgument, match=re.escape(message)):
        mc.datasets.color_recognition(**{"groups": 1, "out": tmp_path / "none", **arguments})
    assert not (tmp_path / "none").exists()


def test_more_threads_than_groups_change_nothing(tmp_path):
    sets = [
        mc.datasets.color_recognition(groups=2, seed=5, out=tmp_path / str(n), threads=n, controls=CONTROLS)
        for n in (1, 2, 16)
    ]
    assert sets[0].table.equals(sets[1].table) and sets[0].table.equals(sets[2].table)


def test_locale_changes_nothing(tmp_path):
    """A locale with a decimal comma, where the system has one; else the C locale against UTF-8."""
    script = (
        "import locale, sys, modalconflict as mc\n"
        "locale.setlocale(locale.LC_ALL, sys.argv[1])\n"
        "mc.datasets.color_recognition(groups=1, seed=3, out=sys.argv[2])\n"
        "mc.datasets.attribute_recognition(groups=1, seed=3, out=sys.argv[2] + 'a')\n"
    )
    names = ["C", "C.UTF-8"]
    for name in ("de_DE.UTF-8", "tr_TR.UTF-8"):
        try:
            before = locale.setlocale(locale.LC_ALL)
            locale.setlocale(locale.LC_ALL, name)
            names.append(name)
            locale.setlocale(locale.LC_ALL, before)
        except locale.Error:
            pass
    for name in names:
        subprocess.run([sys.executable, "-c", script, name, str(tmp_path / name)], check=True)
    for kind in ("", "a"):
        first = tmp_path / (names[0] + kind)
        files = [p.relative_to(first) for p in first.rglob("*") if p.is_file()]
        for name in names[1:]:
            assert all((first / f).read_bytes() == (tmp_path / (name + kind) / f).read_bytes() for f in files)


@pytest.mark.parametrize("kind", ["color", "attribute"])
def test_full_disk_is_one_sentence_and_no_half_file(tmp_path, kind):
    """The system's limit on a file's size stands in for a full disk: every write beyond it fails."""
    script = (
        "import sys, modalconflict as mc\n"
        "try:\n"
        "    getattr(mc.datasets, sys.argv[1] + '_recognition')(groups=3, out=sys.argv[2], threads=2)\n"
        "except mc.IoError as error:\n"
        "    print(error)\n"
    )

    def limit():
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    out = tmp_path / "full"
    done = subprocess.run(
        [sys.executable, "-c", script, kind, str(out)], preexec_fn=limit, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert "cannot write the image" in done.stdout and "File too large" in done.stdout and str(out) in done.stdout
    assert not (out / "manifest.parquet").exists()
    for path in out.rglob("*.png"):
        Image.open(path).load()  # what has its name is whole
    assert not list(out.rglob("*.png.part"))


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(mc.IoError, match=re.escape(str(tmp_path))):
        _dataset.write_color_images(_dataset.ColorRecognitionOptions(groups=1), str(tmp_path), 1)
