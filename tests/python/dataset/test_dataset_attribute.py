"""Attribute Recognition: the rules of the dataset, over many seeds, checked on scenes, pixels and rows."""

import hashlib
import json
import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import modalconflict as mc
from modalconflict import _dataset

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)
SUBSETS = st.sampled_from(["shape", "material"])
# d_v: (fewest objects, most objects, size), from the published table.
TIERS = {0: (3, 4, "large"), 1: (6, 8, "large"), 2: (6, 8, "small"), 3: (10, 12, "small")}
ANSWERS = {"shape": {"sphere", "cube", "cylinder"}, "material": {"metal", "rubber"}}
COLORS = {"gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return mc.datasets.attribute_recognition("shape", groups=3, seed=4, out=tmp_path_factory.mktemp("data") / "shape")


@given(seed=SEEDS, subset=SUBSETS, d_v=st.integers(0, 3), index=st.integers(0, 50))
@settings(max_examples=300, deadline=None)
def test_scene_follows_its_tier(seed, subset, d_v, index):
    options = _dataset.AttributeRecognitionOptions(subset, groups=51, seed=seed)
    group = _dataset.attribute_group(options, index)
    scene = _dataset.attribute_scene(options, group, d_v)
    fewest, most, size = TIERS[d_v]
    assert (scene.width, scene.height) == (480, 320)
    assert fewest <= len(scene.objects) <= most
    assert {o.size for o in scene.objects} == {size}
    target = scene.objects[scene.target]
    assert getattr(target, subset) == group.answer_vision
    assert [o.color for o in scene.objects].count(group.color) == 1, "the question means one object"
    assert not {group.helper, group.second} & {o.color for o in scene.objects}, (
        "a helper in the picture is a second conflict"
    )
    assert scene.visible_fraction >= 0.6
    assert min(scene.visible_pixels) >= 150
    right, behind = scene.directions["right"], scene.directions["behind"]
    for i, a in enumerate(scene.objects):
        column, row, depth = scene.pixel_coords[i]
        assert 0 < column < 480 and 0 < row < 320 and depth > 0
        for b in scene.objects[:i]:
            apart = np.subtract(a.coords, b.coords)[:2]
            assert math.hypot(*apart) >= a.footprint + b.footprint + 0.25 - 1e-9
            assert min(abs(apart @ right[:2]), abs(apart @ behind[:2])) >= 0.3 - 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_answers_are_balanced_and_differ(seed):
    shape = _dataset.AttributeRecognitionOptions("shape", seed=seed)
    groups = [_dataset.attribute_group(shape, i) for i in range(300)]
    assert set(Counter(g.answer_vision for g in groups).values()) == {100}
    assert set(Counter(g.answer_text for g in groups).values()) == {100}
    assert set(Counter(g.color for g in groups).values()) <= {37, 38}
    assert all(g.answer_text != g.answer_vision and len({g.color, g.helper, g.second}) == 3 for g in groups)
    material = _dataset.AttributeRecognitionOptions("material", seed=seed)
    groups = [_dataset.attribute_group(material, i) for i in range(300)]
    assert Counter(g.answer_vision for g in groups) == {"metal": 160, "rubber": 140}
    assert all(g.answer_text != g.answer_vision for g in groups)


@given(seed=SEEDS, subset=SUBSETS, index=st.integers(0, 99), d_t=st.integers(0, 3))
@settings(max_examples=400, deadline=None)
def test_text_says_what_its_tier_says(seed, subset, index, d_t):
    options = _dataset.AttributeRecognitionOptions(subset, groups=100, seed=seed)
    group = _dataset.attribute_group(options, index)
    text, paraphrase, entity = _dataset.attribute_text(options, group, d_t)
    assert text != paraphrase
    assert entity == (group.entity if d_t == 2 else "")
    for one in (text, paraphrase):
        words = set(re.findall(r"[a-z]+", one.lower()))
        assert group.answer_vision not in words, "the image's answer must not leak into the text"
        assert (group.answer_text in words) == (d_t != 2), "a knowledge text names a thing, not its answer"
        named = {1: {group.color, group.helper}, 3: {group.color, group.helper, group.second}}.get(d_t, {group.color})
        assert words & COLORS == named
        assert (group.entity in one) == (d_t == 2)
        assert not re.search(r"\b[Aa] [aeiou]|[{}]|  |[.] [a-z]", one), one


def test_spatial_text_leads_back_to_the_helper():
    """Where the second object lies from the helper, and which object beside the second one is meant, are opposite."""
    opposite = {
        "To its left": "to the right of",
        "To its right": "to the left of",
        "In front of it": "behind",
        "Behind it": "in front of",
    }
    options = _dataset.AttributeRecognitionOptions("material", groups=200, seed=3)
    seen = set()
    for index in range(200):
        group = _dataset.attribute_group(options, index)
        for one in _dataset.attribute_text(options, group, 3)[:2]:
            beside = next(words for words in opposite if words in one)
            seen.add(beside)
            assert f"{opposite[beside]} the {group.second} object" in one
    assert seen == set(opposite)


def test_entities_name_no_answer_and_no_colour():
    for answer in ANSWERS["shape"] | ANSWERS["material"]:
        things = _dataset.attribute_entities(answer)
        assert len(set(things)) >= 12
        for thing in things:
            assert not set(re.findall(r"[a-z]+", thing.lower())) & (ANSWERS["shape"] | ANSWERS["material"] | COLORS), (
                thing
            )


def test_pixels_are_the_same_everywhere():
    """Golden hashes: a change here changes every dataset that anyone has made."""
    found = hashlib.sha256()
    for subset in ("shape", "material"):
        options = _dataset.AttributeRecognitionOptions(subset, groups=2, seed=2026)
        for index in range(2):
            group = _dataset.attribute_group(options, index)
            for d_v in range(4):
                scene = _dataset.attribute_scene(options, group, d_v)
                found.update(_dataset.render_attribute_scene(scene).tobytes())
            for d_t in range(4):
                found.update("\n".join(_dataset.attribute_text(options, group, d_t)).encode())
    assert found.hexdigest() == "36d36eddeadc2b90845e0a9f1d73656927a864918c2bdc0f9eebac2bd834fbd7"


def test_target_shows_its_colour_at_its_place():
    """The pixel at the projected centre of a matte target has the hue of its colour."""
    options = _dataset.AttributeRecognitionOptions("shape", groups=60, seed=9)
    strongest = {"red": 0, "green": 1, "blue": 2}
    checked = 0
    for index in range(60):
        group = _dataset.attribute_group(options, index)
        scene = _dataset.attribute_scene(options, group, 0)
        target = scene.objects[scene.target]
        if target.material != "rubber" or group.color not in strongest or scene.visible_fraction < 1:
            continue
        column, row, _ = scene.pixel_coords[scene.target]
        pixel = _dataset.render_attribute_scene(scene)[int(row), int(column)]
        assert int(np.argmax(pixel)) == strongest[group.color]
        checked += 1
    assert checked >= 5


def test_manifest_agrees_with_the_pictures(dataset):
    assert len(dataset) == 3 * 4 * 4
    for case in list(dataset.cases())[::5]:
        picture = np.asarray(Image.open(case["image"]).convert("RGB"))
        assert picture.shape == (320, 480, 3)
        assert hashlib.sha256(picture.tobytes()).hexdigest() == case["pixel_sha256"]
        assert case["text_words"] == len(case["text"].split())
        assert case["visible_fraction"] >= 0.6
    assert mc.datasets.load(dataset.path).table.equals(dataset.table)


def test_scenes_have_clevr_fields(dataset):
    with open(dataset.path / "scenes.json", encoding="utf-8") as file:
        record = json.load(file)
    scenes = record["scenes"]
    assert [s["image_index"] for s in scenes] == list(range(12))
    for scene in scenes:
        assert (dataset.path / "images" / scene["image_filename"]).is_file()
        assert set(scene) == {"image_index", "image_filename", "split", "objects", "directions", "relationships"}
        count = len(scene["objects"])
        for one in scene["objects"]:
            assert set(one) == {"shape", "size", "material", "color", "3d_coords", "rotation", "pixel_coords"}
        for name, other in (("left", "right"), ("front", "behind")):
            assert np.allclose(np.add(scene["directions"][name], scene["directions"][other]), 0)
            for i in range(count):
                coords = [o["3d_coords"] for o in scene["objects"]]
                beyond = [
                    j for j in range(count)
                    if j != i and np.dot(np.subtract(coords[j], coords[i]), scene["directions"][name]) > 0.2
                ]  # fmt: skip
                assert scene["relationships"][name][i] == beyond
                assert all(i in scene["relationships"][other][j] for j in beyond)
    assert not list(dataset.path.rglob("images/*/scenes.json"))


def test_thread_count_changes_nothing(tmp_path):
    one = mc.datasets.attribute_recognition("material", groups=3, seed=8, out=tmp_path / "one", threads=1)
    three = mc.datasets.attribute_recognition("material", groups=3, seed=8, out=tmp_path / "three", threads=3)
    assert one.table.equals(three.table)
    names = [p.relative_to(one.path) for p in sorted(one.path.rglob("*")) if p.is_file()]
    assert len(names) == 3 * 4 + 2
    assert all((one.path / name).read_bytes() == (three.path / name).read_bytes() for name in names)


def test_options_vary_the_study(tmp_path):
    made = mc.datasets.attribute_recognition(
        "shape",
        groups=2,
        seed=1,
        out=tmp_path / "own",
        tiers=[{"objects_min": 2, "objects_max": 2}, mc.datasets.SolidTier(5, 5, large=False)],
        texts=[["The {target} is {claim}.", "{claim} is what the {target} is."]],
        question="Name the {attribute} of the {target} in one word.",
        width=320,
        height=240,
        lamp_radius=0,
        orders=("image_first", "text_first"),
    )
    rows = made.table.to_pylist()
    assert len(rows) == 2 * 2 * 1 * 2
    assert {(r["image_width"], r["image_height"]) for r in rows} == {(320, 240)}
    assert [r["distractors"] for r in rows[:2]] == [1, 4]
    assert rows[0]["question"].startswith("Name the shape of the ")
    assert {r["order"]: r["group"] for r in rows if r["group"] in (0, 2)} == {"image_first": 0, "text_first": 2}
    assert made.options["tiers"][1] == {"objects_min": 5, "objects_max": 5, "large": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subset": "size"}, "subset 'size' is not known"),
        ({"groups": 0}, "groups is 0"),
        ({"groups": 1.5}, "groups is 1.5; give a whole number"),
        ({"seed": -1}, "seed is -1"),
        ({"tiers": [{"objects_min": 1}]}, "tiers[0] lacks the field 'objects_max'"),
        ({"tiers": [{"objects_min": 1, "objects_max": 99}]}, "tiers[0].objects range is 1 to 99"),
        ({"tiers": [{"objects_min": "x", "objects_max": 2}]}, "tiers[0]: a value has the wrong type"),
        ({"tiers": [7]}, "tiers[0] is a int"),
        ({"texts": ["The {target} is {claim}."]}, "texts[0] is one string"),
        ({"texts": [["The {target} is {claim}.", "The {target}."]]}, "must hold {claim} or {thing}"),
        ({"margin": float("nan")}, "margin is nan"),
        ({"margin": -1.0}, "margin is -1.0"),
        ({"width": 320.5}, "width is 320.5; give a number"),
        ({"question": 7}, "question is 7; give a string"),
        ({"orders": ()}, "orders is empty"),
        ({"orders": ("sideways",)}, "orders: 'sideways' is not known"),
        ({"width": 10}, "canvas is 10 x 320"),
    ],
)
def test_bad_arguments_are_named(arguments, message, tmp_path):
    with pytest.raises(mc.InvalidArgument, match=re.escape(message)):
        mc.datasets.attribute_recognition(**{"groups": 1, "out": tmp_path / "none", **arguments})
    assert not (tmp_path / "none").exists()
