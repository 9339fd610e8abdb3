"""Color Recognition: the rules of the dataset, over many seeds, checked on the pixels and rows themselves."""

import hashlib
import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import modalconflict as mc
from modalconflict import _dataset

SEEDS = st.integers(min_value=0, max_value=2**63 - 1)
# d_v: (width, height, side range in pixels, distractors, occlusion in per cent), from the published table.
TIERS = {
    **{n: (800, 600, (80, 200), n, 0) for n in range(5)},
    5: (224, 224, (44.8, 89.6), 7, 50),
    6: (224, 224, (44.8, 89.6), 10, 80),
    7: (224, 224, (11.2, 22.4), 7, 50),
    8: (224, 224, (11.2, 22.4), 11, 80),
    9: (224, 224, (8.96, 13.44), 20, 30),
    10: (224, 224, (8.96, 13.44), 30, 60),
    11: (224, 224, (8.96, 13.44), 40, 50),
    12: (224, 224, (8.96, 13.44), 55, 60),
    13: (224, 224, (8.96, 13.44), 70, 70),
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return mc.datasets.color_recognition(groups=6, seed=11, out=tmp_path_factory.mktemp("data") / "color")


@given(seed=SEEDS, d_v=st.integers(0, 13), index=st.integers(0, 50))
@settings(max_examples=300, deadline=None)
def test_scene_follows_its_tier(seed, d_v, index):
    options = _dataset.ColorRecognitionOptions(groups=51, seed=seed)
    group = _dataset.color_group(options, index)
    scene = _dataset.color_scene(options, group, d_v)
    width, height, (low, high), count, percent = TIERS[d_v]
    target = scene.objects[scene.target]
    others = [o for i, o in enumerate(scene.objects) if i != scene.target]
    assert (scene.width, scene.height) == (width, height)
    assert low - 0.1 <= target.side_x16 / 16 <= high + 0.1
    assert (target.shape, target.color) == (group.target, group.answer_vision)
    assert len(others) == count
    assert all(o.shape not in (group.target, group.helper) for o in others)
    assert all(o.color not in (group.answer_vision, group.answer_text) for o in others)
    overlapping, visible = _dataset.measure(scene)
    assert overlapping == int(count * percent / 100 + 0.5)
    assert visible >= 0.6


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_answers_are_balanced_and_differ(seed):
    options = _dataset.ColorRecognitionOptions(groups=400, seed=seed)
    groups = [_dataset.color_group(options, i) for i in range(400)]
    assert all(g.answer_text != g.answer_vision and g.helper != g.target for g in groups)
    for attribute in ("answer_text", "answer_vision"):
        assert set(Counter(getattr(g, attribute) for g in groups).values()) <= {66, 67}
    assert set(Counter(g.target for g in groups).values()) == {40}


@given(seed=SEEDS, index=st.integers(0, 99), d_t=st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_text_says_what_its_tier_says(seed, index, d_t):
    options = _dataset.ColorRecognitionOptions(groups=100, seed=seed)
    group = _dataset.color_group(options, index)
    text, paraphrase, entity = _dataset.color_text(options, group, d_t)
    assert entity == (group.entity if d_t == 2 else "")
    assert text != paraphrase
    for one in (text, paraphrase):
        words = set(re.findall(r"[a-z]+", one.lower()))
        assert group.target in words
        assert group.answer_vision not in words, "the image's answer must not leak into the text"
        assert (group.answer_text in words) == (d_t < 2), "a knowledge text names a thing, not its colour"
        assert (group.helper in words) == (d_t == 1)
        assert (group.entity in one) == (d_t == 2)
        assert not re.search(r"\b[Aa] arrow|[{}]", one)


def test_entities_hold_no_colour_word():
    for color in _dataset.COLORS:
        things = _dataset.entities(color)
        assert len(set(things)) >= 12
        assert not [thing for thing in things for word in _dataset.COLORS if word in thing.lower()]


def test_mean_text_length_is_near_the_published_one():
    options = _dataset.ColorRecognitionOptions(groups=400, seed=0)
    lengths = [
        len(_dataset.color_text(options, _dataset.color_group(options, i), d_t)[0].split())
        for i in range(400)
        for d_t in range(3)
    ]
    assert 21.5 < np.mean(lengths) < 24.0


def test_rendered_target_shows_its_colour():
    options = _dataset.ColorRecognitionOptions(groups=60, seed=3)
    for index in range(60):
        group = _dataset.color_group(options, index)
        scene = _dataset.color_scene(options, group, 0)
        pixels = _dataset.render(scene).reshape(-1, 3)
        colors = Counter(map(tuple, pixels[(pixels != 255).any(axis=1)].tolist()))
        commonest = colors.most_common(1)[0][0]
        hue = {"red": 0, "green": 1, "blue": 2}
        if group.answer_vision in hue:
            assert int(np.argmax(commonest)) == hue[group.answer_vision]


def test_pixels_are_the_same_everywhere():
    """Golden hashes: a change here changes every dataset that anyone has made."""
    options = _dataset.ColorRecognitionOptions(groups=3, seed=2026)
    found = hashlib.sha256()
    for index in range(3):
        group = _dataset.color_group(options, index)
        for d_v in range(14):
            found.update(_dataset.render(_dataset.color_scene(options, group, d_v)).tobytes())
    assert found.hexdigest() == "da8bb14e5b07594887ea9ac12b4f5d08b5e127ec9e83be501a9fd9a27be5a978"


def test_manifest_agrees_with_the_pictures(dataset):
    assert len(dataset) == 6 * 14 * 3
    assert dataset.groups == list(range(6))
    for case in list(dataset.cases())[::17]:
        picture = np.asarray(Image.open(case["image"]).convert("RGB"))
        assert picture.shape == (case["image_height"], case["image_width"], 3)
        assert hashlib.sha256(picture.tobytes()).hexdigest() == case["pixel_sha256"]
        assert case["text_words"] == len(case["text"].split())


def test_thread_count_changes_nothing(tmp_path):
    one = mc.datasets.color_recognition(groups=3, seed=8, out=tmp_path / "one", threads=1)
    four = mc.datasets.color_recognition(groups=3, seed=8, out=tmp_path / "four", threads=4)
    assert one.table.equals(four.table)
    for path in sorted((tmp_path / "one" / "images").rglob("*.png")):
        assert path.read_bytes() == (tmp_path / "four" / path.relative_to(tmp_path / "one")).read_bytes()


def test_load_returns_what_was_made(dataset):
    again = mc.datasets.load(dataset.path)
    assert again.table.equals(dataset.table)
    assert again.options == {"kind": "color_recognition", "groups": 6, "seed": 11}
    assert "252 cases in 6 groups" in repr(again)


def test_more_groups_extend_the_same_dataset():
    few = _dataset.ColorRecognitionOptions(groups=4, seed=1)
    many = _dataset.ColorRecognitionOptions(groups=400, seed=1)
    for index in range(4):
        a, b = _dataset.color_group(few, index), _dataset.color_group(many, index)
        assert np.array_equal(
            _dataset.render(_dataset.color_scene(few, a, 6)), _dataset.render(_dataset.color_scene(many, b, 6))
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mc.datasets.color_recognition(groups=0), "groups is 0"),
        (lambda: mc.datasets.color_recognition(seed=-1), "seed is -1"),
        (lambda: _dataset.color_group(_dataset.ColorRecognitionOptions(groups=2), 2), "group 2 is outside 0 to 1"),
        (lambda: _dataset.entities("pink"), "color 'pink' is not known"),
        (lambda: _dataset.SceneObject("blob", "red", 0, 0, 16), "shape 'blob' is not known"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(mc.InvalidArgument, match=re.escape(message)):
        call()


@pytest.mark.parametrize("tier", [-1, 14])
def test_unknown_visual_tier(tier):
    options = _dataset.ColorRecognitionOptions(groups=1)
    with pytest.raises(mc.InvalidArgument, match=f"d_v {tier} is not known; this dataset has 0 to 13"):
        _dataset.color_scene(options, _dataset.color_group(options, 0), tier)


@pytest.mark.parametrize("tier", [-1, 3])
def test_unknown_text_tier(tier):
    options = _dataset.ColorRecognitionOptions(groups=1)
    with pytest.raises(mc.InvalidArgument, match=f"d_t {tier} is not known"):
        _dataset.color_text(options, _dataset.color_group(options, 0), tier)


def test_occupied_folder_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(mc.IoError, match="is not empty and holds no dataset"):
        mc.datasets.color_recognition(groups=1, out=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(mc.IoError, match="name another folder"):
        mc.datasets.color_recognition(groups=1, out=tmp_path / "file" / "below")


def test_load_names_what_is_wrong(dataset, tmp_path):
    with pytest.raises(mc.IoError, match=r"holds no manifest\.parquet"):
        mc.datasets.load(tmp_path)
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(mc.IoError, match="cannot be read as Parquet"):
        mc.datasets.load(tmp_path)
    pq.write_table(dataset.table, tmp_path / "manifest.parquet")
    with pytest.raises(mc.IoError, match="row 0: the image 'images/00000/v00.png' is missing"):
        mc.datasets.load(tmp_path)


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("case_id", 3, "color/00000/v00/t0", "column 'case_id', row 3: the case_id stands twice"),
        ("order", 5, "sideways", "column 'order', row 5: unknown order"),
        ("image", 2, "../secret.png", "column 'image', row 2: the path leaves"),
        ("image", 2, "/etc/passwd", "column 'image', row 2: the path leaves"),
        ("d_v", 4, -1, "column 'd_v', row 4: d_v is negative"),
        ("text", 1, None, "column 'text', row 1: the value is missing"),
        ("answer_text", 0, "SAME", "column 'answer_text', row 0: the text's answer equals"),
    ],
)
def test_validation_names_column_and_row(dataset, column, row, value, message):
    values = dataset.table[column].to_pylist()
    values[row] = dataset.table["answer_vision"][row].as_py() if value == "SAME" else value
    at = dataset.table.schema.get_field_index(column)
    field = dataset.table.schema.field(column).with_nullable(True)
    broken = dataset.table.set_column(at, field, pa.array(values, field.type))
    with pytest.raises(mc.InvalidArgument, match=re.escape(message)):
        mc.datasets.validate_manifest(broken, "manifest.parquet")


def test_missing_column_and_wrong_type(dataset):
    with pytest.raises(mc.InvalidArgument, match="has no column 'question'"):
        mc.datasets.validate_manifest(dataset.table.drop_columns(["question"]), "manifest.parquet")
    at = dataset.table.schema.get_field_index("group")
    wrong = dataset.table.set_column(at, "group", pa.array(["one"] * len(dataset)))
    with pytest.raises(mc.InvalidArgument, match="column 'group': type string where int64 is needed"):
        mc.datasets.validate_manifest(wrong, "manifest.parquet")
