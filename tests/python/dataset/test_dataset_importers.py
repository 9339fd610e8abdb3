"""Formats of others, on small files written as they write them."""

import base64
import json
import subprocess
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import modalconflict as mc
from pictures import GOOD, picture, shades


def cases(data):
    loaded = mc.datasets.load(data.path)
    assert loaded.table.equals(data.table)
    return list(loaded.cases())


# ---- MC² --------------------------------------------------------------------------------------------------------

ITEM = {
    "image_id": "000000046962",
    "task": "activity_recognition",
    "question": "What are the sheep doing?",
    "answer_vision": "eating",
    "answer_text": "playing in a field",
    "context": " Several sheep is playfully bounding around in a feild beside a road.",
}


@pytest.mark.parametrize(
    "place",
    [
        "COCO_val2014_{}.jpg",
        "val2014/COCO_val2014_{}.jpg",
        "COCO_train2014_{}.jpg",
        "train2014/COCO_train2014_{}.jpg",
        "{}.jpg",
    ],
)
def test_mc2(tmp_path, place):
    target = tmp_path / "coco" / place.format("000000046962")
    target.parent.mkdir(parents=True)
    target.write_bytes(picture(form="JPEG"))
    (tmp_path / "mc2.json").write_text(
        json.dumps([ITEM, {**ITEM, "image_id": 46962, "question": "Where are they?"}], indent=4)
    )
    first, second = cases(mc.datasets.from_mc2(tmp_path / "mc2.json", tmp_path / "coco", out=tmp_path / "d"))
    assert (
        first["case_id"] == "mc2/00000/v00/t0" and first["image"] == second["image"] and first["image"].endswith(".jpg")
    )
    assert first["question"] == "What are the sheep doing? Answer in one word or a short phrase."
    assert first["text"] == ITEM["context"].strip() and first["attribute"] == "activity_recognition"
    assert (first["answer_text"], first["answer_vision"]) == ("playing in a field", "eating")


@pytest.mark.parametrize(
    ("change", "column", "why"),
    [
        ({"image_id": "000000000001"}, "image_id", "is not in"),
        ({"image_id": "../46962"}, "image_id", "leaves the image folder"),
        ({"image_id": None}, "image_id", "the image is missing"),
        ({"image_id": [1]}, "image_id", "the image is missing"),
        ({"context": ""}, "context", "empty"),
        ({"answer_text": "Eating"}, "answer_text", "no conflict"),
    ],
)
def test_mc2_names_item_and_key(tmp_path, change, column, why):
    (tmp_path / "COCO_val2014_000000046962.jpg").write_bytes(picture(form="JPEG"))
    (tmp_path / "mc2.json").write_text(json.dumps([ITEM, {**ITEM, **change}]))
    with pytest.raises(mc.InvalidArgument, match=rf"'mc2.json', column '{column}', row 1: .*{why}"):
        mc.datasets.from_mc2(tmp_path / "mc2.json", tmp_path, out=tmp_path / "d")


# ---- Visual CounterFact -----------------------------------------------------------------------------------------


def counterfact(path, rows):
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    kinds = {name: pa.string() for name in ("correct_answer", "incorrect_answer", "object")}
    schema = pa.schema([*kinds.items(), ("original_image", struct), ("counterfact_image", struct)])
    info = {"info": {"features": {"original_image": {"_type": "Image"}, "counterfact_image": {"_type": "Image"}}}}
    table = pa.Table.from_pylist(rows, schema=schema).replace_schema_metadata({b"huggingface": json.dumps(info)})
    pq.write_table(table, path)
    return path


def item(correct, incorrect, thing, color="blue"):
    return {
        "correct_answer": correct,
        "incorrect_answer": incorrect,
        "object": thing,
        "original_image": {"bytes": picture("red"), "path": None},
        "counterfact_image": {"bytes": picture(color), "path": "strawberry.png"},
    }


def test_visual_counterfact_color(tmp_path):
    path = counterfact(
        tmp_path / "color-00000-of-00001.parquet",
        [item("red", "blue", "strawberry"), item("['green', 'red']", "['pink']", "pear")],
    )
    first, second = cases(mc.datasets.from_visual_counterfact(path, out=tmp_path / "d"))
    assert (first["answer_vision"], first["answer_text"], first["target"]) == ("blue", "red", "strawberry")
    assert first["question"] == "What color is the strawberry? Answer in one word."
    assert "strawberry is red" in first["text"] and "blue" not in first["text"]
    assert (second["answer_vision"], second["answer_text"]) == ("pink", "green")
    with open(first["image"], "rb") as handle:
        assert handle.read() == picture("blue"), "the edited picture, byte for byte"


def test_visual_counterfact_size(tmp_path):
    rows = [item("elephant", "mouse", "elephant"), item("whale", "cat", "whale")]
    path = counterfact(tmp_path / "any.parquet", rows)
    with pytest.raises(mc.InvalidArgument, match="begins with neither color- nor size-"):
        mc.datasets.from_visual_counterfact(path, out=tmp_path / "d")
    first, second = cases(mc.datasets.from_visual_counterfact(path, out=tmp_path / "d", task="size"))
    assert first["question"].startswith("Which is larger, the elephant or the mouse?")
    assert second["question"].startswith("Which is larger, the cat or the whale?"), "the order alternates"
    assert (first["answer_vision"], first["answer_text"]) == ("mouse", "elephant")


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"correct_answer": None}, "correct_answer"),
        ({"correct_answer": "['red'"}, "correct_answer"),
        ({"incorrect_answer": "[]"}, "incorrect_answer"),
        ({"incorrect_answer": "[__import__('os').getcwd()]"}, "incorrect_answer"),
        ({"object": None}, "(correct_answer|object)"),
        ({"counterfact_image": None}, "counterfact_image"),
        ({"counterfact_image": {"bytes": b"x", "path": None}}, "counterfact_image"),
        ({"counterfact_image": {"bytes": None, "path": "/etc/passwd"}}, "counterfact_image"),
    ],
)
def test_visual_counterfact_names_row_and_column(tmp_path, change, column):
    path = counterfact(tmp_path / "color-0.parquet", [item("red", "blue", "a"), {**item("red", "blue", "a"), **change}])
    with pytest.raises(mc.InvalidArgument, match=rf"column '{column}', row 1: "):
        mc.datasets.from_visual_counterfact(path, out=tmp_path / "d")


def test_another_parquet_is_not_visual_counterfact(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "color-0.parquet")
    with pytest.raises(mc.InvalidArgument, match="has no column 'correct_answer'"):
        mc.datasets.from_visual_counterfact(tmp_path / "color-0.parquet", out=tmp_path / "d")


# ---- lmms-eval --------------------------------------------------------------------------------------------------

SAMPLE = {
    "doc_id": 3,
    "target": "red",
    "filtered_resps": ["blue"],
    "doc_hash": "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b",
    "exact_match": {"question_id": 3, "context": "The ball is blue.", "misleading": "blue"},
    "input": "What color is the ball?\nAnswer the question using a single word or phrase.",
}
WHERE = {"text": "exact_match.context", "answer_text": "exact_match.misleading"}


def test_lmms_eval(tmp_path):
    (tmp_path / "3.png").write_bytes(picture())
    log = tmp_path / "20260101_000000_samples_conflict.jsonl"
    log.write_text(json.dumps(SAMPLE) + "\n")
    (case,) = cases(mc.datasets.from_lmms_eval(log, WHERE, images=tmp_path, out=tmp_path / "d"))
    assert case["question"] == SAMPLE["input"] and case["text"] == "The ball is blue."
    assert (case["answer_text"], case["answer_vision"]) == ("blue", "red")


def test_lmms_eval_says_what_it_lacks(tmp_path):
    log = tmp_path / "samples.jsonl"
    log.write_text(json.dumps(SAMPLE) + "\n")
    with pytest.raises(mc.InvalidArgument, match="name the key of 'answer_text'"):
        mc.datasets.from_lmms_eval(log, {"text": "context"}, images=tmp_path, out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match=r"column 'doc_id', row 0: the image '3\.png' is not in"):
        mc.datasets.from_lmms_eval(log, WHERE, images=tmp_path, out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match=r"column 'doc\.context', row 0: the value is missing"):
        mc.datasets.from_lmms_eval(log, {**WHERE, "text": "doc.context"}, images=tmp_path, out=tmp_path / "d")


# ---- VLMEvalKit -------------------------------------------------------------------------------------------------


def benchmark(path, rows):
    # as pandas writes it for VLMEvalKit
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


QUESTION = {
    "index": 0,
    "image": base64.b64encode(picture("red", (40, 30))).decode(),
    "question": "What color is the\nball?",
    "hint": 'The "ball" is blue,\tthey say.',
    "A": "red",
    "B": "blue",
    "C": "green",
    "answer": "A",
    "wrong": "B",
    "category": "color",
}


def test_vlmevalkit(tmp_path):
    rows = [QUESTION, {**QUESTION, "index": 1, "image": "0", "answer": "green"}, {**QUESTION, "index": 2, "image": "3"}]
    rows.append({**QUESTION, "index": 3, "image": base64.b64encode(picture("blue", (40, 30))).decode()})
    path = benchmark(tmp_path / "Conflict.tsv", rows)
    found = cases(mc.datasets.from_vlmevalkit(path, {"answer_text": "wrong"}, out=tmp_path / "d"))
    assert (found[0]["answer_vision"], found[0]["answer_text"], found[0]["attribute"]) == ("red", "blue", "color")
    assert found[0]["question"] == QUESTION["question"] and found[0]["text"] == QUESTION["hint"]
    assert found[1]["answer_vision"] == "green" and found[1]["image"] == found[0]["image"]
    assert found[2]["image"] == found[3]["image"] != found[0]["image"], "a reference may point ahead"


def test_vlmevalkit_references_cost_one_more_reading(tmp_path, monkeypatch):
    from modalconflict.datasets.importing import rows as reading_rows

    count, colors = 40, ["red", "blue", "green", "purple"]
    encoded = [base64.b64encode(picture(c, (40, 30))).decode() for c in colors]
    rows = [{**QUESTION, "index": 1000 + i, "image": encoded[i], "hint": f"ümläut\nin {i}\r\n lines"} for i in range(4)]
    # Each refers to another row than the one before it, half of them to rows that follow.
    rows = [{**QUESTION, "index": i, "image": str(1000 + i % 4)} for i in range(count // 2)] + rows
    rows += [{**QUESTION, "index": i, "image": str(1000 + i % 4)} for i in range(count // 2, count)]
    path = benchmark(tmp_path / "t.tsv", rows)
    read = []
    whole = reading_rows.csv.reader

    def counted(lines, **options):
        def seen():
            for line in lines:
                read.append(line)
                yield line

        return whole(seen(), **options)

    monkeypatch.setattr(reading_rows.csv, "reader", counted)
    found = cases(mc.datasets.from_vlmevalkit(path, {"answer_text": "wrong"}, out=tmp_path / "d"))
    by_number = {c["source"]: c["image"] for c in found}
    own = [by_number[f"t.tsv#{count // 2 + k}"] for k in range(4)]
    assert len(set(own)) == 4
    for i in range(count // 2):
        assert by_number[f"t.tsv#{i}"] == own[i % 4]
        assert by_number[f"t.tsv#{count // 2 + 4 + i}"] == own[(i + count // 2) % 4]
    # The file twice, and the lines of one row a reference; by a search each reference would read half of it again.
    longest = max(len(str(r["hint"]).splitlines()) + len(str(r["question"]).splitlines()) for r in rows)
    assert len(read) <= 3 * len(path.read_text(encoding="utf-8").splitlines()) + count * longest


def test_vlmevalkit_with_paths(tmp_path):
    (tmp_path / "0.png").write_bytes(picture())
    rows = [{k: v for k, v in QUESTION.items() if k != "image"} | {"image_path": "0.png"}]
    path = benchmark(tmp_path / "t.tsv", rows)
    assert len(cases(mc.datasets.from_vlmevalkit(path, {"answer_text": "wrong"}, out=tmp_path / "d"))) == 1


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("!" * 100, "no base64"),
        ("A" * 101, "no base64"),
        (base64.b64encode(b"x" * 90).decode(), "its format is not known"),
        ("17", "neither base64 of an image nor the index of a row"),
        ("1", "which has no picture of its own"),
        ("", "the image is missing"),
        (json.dumps([QUESTION["image"]] * 2), "a list of images"),
    ],
)
def test_vlmevalkit_names_row_and_column(tmp_path, image, why):
    path = benchmark(tmp_path / "t.tsv", [QUESTION, {**QUESTION, "index": 1, "image": image}])
    with pytest.raises(mc.InvalidArgument, match=rf"'t.tsv', column 'image', row 1: .*{why}"):
        mc.datasets.from_vlmevalkit(path, {"answer_text": "wrong"}, out=tmp_path / "d")


def test_vlmevalkit_needs_the_text_s_answer(tmp_path):
    path = benchmark(tmp_path / "t.tsv", [QUESTION])
    with pytest.raises(mc.InvalidArgument, match="has no column 'answer_text' for answer_text"):
        mc.datasets.from_vlmevalkit(path, out=tmp_path / "d")


# ---- Hugging Face -----------------------------------------------------------------------------------------------


def hugging_face(rows):
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_list(rows)
    return table.cast_column("image", datasets.Image())


def test_from_hf_takes_the_stored_bytes(tmp_path):
    rows = [{"image": {"bytes": png, "path": None}, **GOOD} for png in shades(3)]
    found = cases(mc.datasets.from_hf(hugging_face(rows), out=tmp_path / "d"))
    for case, png in zip(found, shades(3), strict=True):
        with open(case["image"], "rb") as handle:
            assert handle.read() == png
    streamed = hugging_face(rows).to_iterable_dataset()
    assert len(cases(mc.datasets.from_hf(streamed, out=tmp_path / "e"))) == 3


def test_from_hf_names_what_it_is_not(tmp_path):
    datasets = pytest.importorskip("datasets")
    split = hugging_face([{"image": {"bytes": picture(), "path": None}, **GOOD}])
    with pytest.raises(mc.InvalidArgument, match="give one of them: train"):
        mc.datasets.from_hf(datasets.DatasetDict({"train": split}), out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="a list is no Hugging Face dataset"):
        mc.datasets.from_hf([], out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="has no column 'text' for text"):
        mc.datasets.from_hf(split.remove_columns("text"), out=tmp_path / "d")


def test_to_hf_and_back(tmp_path):
    pytest.importorskip("datasets")
    made = mc.datasets.color_recognition(groups=1, seed=2, out=tmp_path / "color")
    there = made.to_hf()
    assert len(there) == 42 and there[0]["image"].size == (800, 600)
    back = cases(mc.datasets.from_hf(there, out=tmp_path / "back", images=made.path))
    same = [
        "group",
        "d_v",
        "d_t",
        "text",
        "text_paraphrase",
        "question",
        "answer_text",
        "answer_vision",
        "pixel_sha256",
    ]
    assert [[c[k] for k in same] for c in back] == [[c[k] for k in same] for c in made.cases()]
    saved = there.map(lambda row: row)  # what a user does next still works
    assert saved[41]["answer_text"] == made.table["answer_text"][41].as_py()


def test_without_hugging_face_datasets(tmp_path):
    code = """
import sys
sys.modules["datasets"] = None
import modalconflict as mc
data = mc.datasets.color_recognition(groups=1)
for call in (data.to_hf, lambda: mc.datasets.from_hf([], out="d")):
    try:
        call()
    except ModuleNotFoundError as error:
        assert "pip install 'modalconflict[hf]'" in str(error), error
    else:
        raise AssertionError("it must say what to install")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


# ---- ImageFolder ------------------------------------------------------------------------------------------------


def test_imagefolder_is_what_hugging_face_reads(tmp_path):
    datasets = pytest.importorskip("datasets")
    made = mc.datasets.color_recognition(groups=1, seed=2, out=tmp_path / "color")
    folder = made.to_imagefolder(tmp_path / "folder")
    lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert len(lines) == 42 and len({line["file_name"] for line in lines}) == 14
    assert lines[0]["case_id"] == "color/00000/v00/t0" and (folder / lines[0]["file_name"]).is_file()
    read = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"), split="train")
    assert len(read) == 42 and read[0]["image"].size == (800, 600) and read[0]["answer_text"] == lines[0]["answer_text"]


def test_imagefolder_is_whole_or_not_there(tmp_path):
    made = mc.datasets.color_recognition(groups=1, seed=2, out=tmp_path / "color")
    with pytest.raises(mc.IoError, match="exists already"):
        made.to_imagefolder(tmp_path / "color")
    (tmp_path / "color" / "images" / "00000" / "v13.png").unlink()
    with pytest.raises(mc.IoError, match=r"cannot write .*No such file"):
        made.to_imagefolder(tmp_path / "folder")
    assert [p.name for p in tmp_path.iterdir()] == ["color"]


# ---- memory -----------------------------------------------------------------------------------------------------

PEAK = """
import resource, sys
import modalconflict as mc
{body}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
IMPORT = "mc.datasets.from_table(sys.argv[1], out=sys.argv[2])"
GENERATE = """
tier = mc.datasets.VisionTier(32, 32, 8, 12, 6, 8)
mc.datasets.color_recognition(groups=int(sys.argv[1]), tiers=[tier], out=sys.argv[2], threads=1)
"""


def peak(body, *arguments):
    code = PEAK.format(body=body)
    run = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True, text=True)
    return int(run.stdout) / 1024  # MB


def test_memory_does_not_grow_with_the_rows_of_an_import(tmp_path):
    peaks, filler = {}, "which is long enough to tell. " * 700  # 21 kB
    (tmp_path / "p.png").write_bytes(picture(size=(64, 64)))
    for count in (1_500, 10_000):
        path = tmp_path / f"{count}.jsonl"
        with open(path, "w") as handle:
            for row in range(count):
                case = {**GOOD, "image": "p.png", "text": f"This is text {row}, {filler}", "group": f"group {row}"}
                handle.write(json.dumps(case) + "\n")
        peaks[count] = peak(IMPORT, path, tmp_path / f"d{count}")
        path.unlink()
    # the texts alone are 180 MB more; what the allocator keeps differs by some 20 MB from call to call
    assert peaks[10_000] - peaks[1_500] < 60, peaks


def test_memory_does_not_grow_with_the_groups_that_are_drawn(tmp_path):
    peaks = {groups: peak(GENERATE, groups, tmp_path / f"d{groups}") for groups in (500, 5_000)}
    assert peaks[5_000] - peaks[500] < 20, peaks
