"""A CLEVR folder: scenes are chosen by the tier rules, groups and texts are the generator's."""

import json
import random
import re
from collections import Counter

import pytest
from PIL import Image

import modalconflict as mc

COLORS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
SHAPES = ("sphere", "cube", "cylinder")
MATERIALS = ("metal", "rubber")
# d_v: (fewest objects, most, the target's size)
TIERS = {0: (3, 4, "large"), 1: (6, 8, "large"), 2: (6, 8, "small"), 3: (10, 10, "small")}


def scene(number, rng):
    """A scene as CLEVR writes it, its objects drawn as CLEVR draws them."""
    objects = [
        {
            "color": rng.choice(COLORS),
            "size": rng.choice(("large", "small")),
            "rotation": 269.85,
            "shape": rng.choice(SHAPES),
            "3d_coords": [-1.45, 1.72, 0.35],
            "material": rng.choice(MATERIALS),
            "pixel_coords": [269, 88, 12.66],
        }
        for _ in range(rng.randint(3, 10))
    ]
    return {
        "image_index": number,
        "objects": objects,
        "relationships": {name: [[] for _ in objects] for name in ("right", "behind", "front", "left")},
        "image_filename": f"CLEVR_val_{number:06d}.png",
        "split": "val",
        "directions": {"right": [0.66, 0.75, -0.0]},
    }


def folder_of(path, scenes):
    (path / "images" / "val").mkdir(parents=True)
    (path / "scenes").mkdir()
    for one in scenes:
        number = one["image_index"]
        color = (number % 256, number // 256, 9)
        Image.new("RGB", (48, 32), color).save(path / "images" / "val" / one["image_filename"])
    content = {"info": {"split": "val", "license": "Creative Commons Attribution (CC BY 4.0)"}, "scenes": scenes}
    (path / "scenes" / "CLEVR_val_scenes.json").write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def clevr(tmp_path_factory):
    rng = random.Random(5)
    scenes = [scene(number, rng) for number in range(1500)]
    return folder_of(tmp_path_factory.mktemp("clevr") / "CLEVR_v1.0", scenes), scenes


@pytest.mark.parametrize("subset", ["shape", "material"])
def test_every_picture_follows_its_tier(clevr, tmp_path, subset):
    path, scenes = clevr
    data = mc.datasets.from_clevr(path, subset=subset, groups=30, seed=4, out=tmp_path / "d")
    cases = list(mc.datasets.load(data.path).cases())
    assert len(cases) == 30 * 4 * 4
    by_group = {}
    for case in cases:
        by_group.setdefault(case["group"], []).append(case)
    used = Counter()
    for group in by_group.values():
        rows = {case["d_v"]: int(case["source"].split("#")[1]) for case in group}
        used.update(rows.values())
        mentioned = {color for case in group for color in COLORS if re.search(rf"\b{color}\b", case["text"].lower())}
        for case in group:
            color = re.fullmatch(r"(\w+) object", case["target"])[1]
            objects = scenes[rows[case["d_v"]]]["objects"]
            fewest, most, size = TIERS[case["d_v"]]
            (target,) = [one for one in objects if one["color"] == color]
            assert fewest <= len(objects) <= most and target["size"] == size
            assert case["answer_vision"] == target[subset] != case["answer_text"]
            assert case["distractors"] == len(objects) - 1
            # what the texts mention beside the target stands in no picture
            assert not {one["color"] for one in objects} & (mentioned - {color})
            assert case["question"] == f"What {subset} is the {color} object? Answer in one word."
    assert set(used.values()) == {1}, "no picture serves twice"


def test_answers_are_balanced_as_published(clevr):
    from modalconflict.datasets.importing import clevr as module

    _, scenes = clevr
    read = [module._scene(record, "s", row) for row, record in enumerate(scenes)]
    shown = Counter(group.value for group in module._choose(read, "shape", 60, 0, "s"))
    assert set(shown.values()) == {20}
    assert Counter((module._round("material") * 20)[:300]) == {"metal": 160, "rubber": 140}


def test_the_seed_chooses(clevr, tmp_path):
    path, _ = clevr
    first = mc.datasets.from_clevr(path, groups=6, seed=1, out=tmp_path / "a")
    same = mc.datasets.from_clevr(path, groups=6, seed=1, out=tmp_path / "b", link=True)
    other = mc.datasets.from_clevr(path, groups=6, seed=2, out=tmp_path / "c")
    assert first.table.equals(same.table)
    assert first.table["source"].to_pylist() != other.table["source"].to_pylist()


def test_too_few_scenes_are_counted(clevr, tmp_path):
    path, _ = clevr
    with pytest.raises(mc.InvalidArgument, match=r"has scenes for \d+ groups of the shape subset, not for 1000"):
        mc.datasets.from_clevr(path, groups=1000, out=tmp_path / "d")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"image_filename": None}, "image_filename"),
        ({"objects": None}, "objects"),
        ({"objects": ["a"]}, r"objects\[0\]\.shape"),
        (
            {"objects": [{"shape": "cone", "material": "metal", "size": "large", "color": "red"}]},
            r"objects\[0\]\.shape",
        ),
        ({"objects": [{"shape": "cube", "material": [], "size": "large", "color": "red"}]}, r"objects\[0\]\.material"),
    ],
)
def test_a_scene_that_is_not_clevr_s_is_named(tmp_path, change, column):
    rng = random.Random(0)
    path = folder_of(tmp_path / "clevr", [scene(0, rng)])
    content = {"scenes": [scene(0, rng), {**scene(1, rng), **change}]}
    (path / "scenes" / "CLEVR_val_scenes.json").write_text(json.dumps(content))
    with pytest.raises(mc.InvalidArgument, match=rf"'CLEVR_val_scenes.json', column '{column}', row 1: "):
        mc.datasets.from_clevr(path, groups=1, out=tmp_path / "d")


def test_what_is_no_clevr_folder(tmp_path):
    with pytest.raises(mc.IoError, match="is no CLEVR folder"):
        mc.datasets.from_clevr(tmp_path, out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="is no split's name"):
        mc.datasets.from_clevr(tmp_path, split="../val", out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="subset 'size' is not known"):
        mc.datasets.from_clevr(tmp_path, subset="size", out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="groups is 0"):
        mc.datasets.from_clevr(tmp_path, groups=0, out=tmp_path / "d")


def test_an_image_name_that_leaves_the_folder(clevr, tmp_path):
    _, scenes = clevr
    path = folder_of(tmp_path / "clevr", scenes[:400])
    moved = [{**one, "image_filename": f"../val/{one['image_filename']}"} for one in scenes[:400]]
    (path / "scenes" / "CLEVR_val_scenes.json").write_text(json.dumps({"scenes": moved}))
    with pytest.raises(mc.InvalidArgument, match=r"column 'image_filename', row \d+: .*leaves the image folder"):
        mc.datasets.from_clevr(path, groups=1, out=tmp_path / "d")


def test_our_own_scenes_are_clevr_s(tmp_path):
    made = mc.datasets.attribute_recognition("material", groups=16, seed=2, out=tmp_path / "made")
    data = mc.datasets.from_clevr(made.path, subset="material", groups=4, out=tmp_path / "d")
    assert len(data) == 4 * 16
    hashes = set(made.table["pixel_sha256"].to_pylist())
    assert set(data.table["pixel_sha256"].to_pylist()) <= hashes
