"""Any table: what is read, how it is numbered, and what is said of a value that does not fit."""

import csv
import hashlib
import json
import os
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import modalconflict as mc
from pictures import GOOD, picture, shades


def rows_of(count=3):
    return [{"image": png, **GOOD} for png in shades(count)]


def written(folder, rows, suffix):
    """The rows as a table file, pictures beside it."""
    folder.mkdir(exist_ok=True)
    named = []
    for number, row in enumerate(rows):
        (folder / f"{number}.png").write_bytes(row["image"])
        named.append({**row, "image": f"{number}.png"})
    path = folder / f"cases{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(named), path)
    elif suffix in (".csv", ".tsv"):
        pd.DataFrame(named).to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    elif suffix == ".json":
        path.write_text(json.dumps(named))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in named))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".json", ".jsonl"])
def test_every_format_gives_the_same_cases(tmp_path, suffix):
    data = mc.datasets.from_table(written(tmp_path / "t", rows_of(), suffix), out=tmp_path / "data")
    cases = list(mc.datasets.load(tmp_path / "data").cases())
    assert [c["case_id"] for c in cases] == [f"table/{i:05d}/v00/t0" for i in range(3)]
    assert [c["source"] for c in cases] == [f"cases{suffix}#{i}" for i in range(3)]
    for case, png in zip(cases, shades(3), strict=True):
        with open(case["image"], "rb") as handle:
            assert handle.read() == png
        pixels = np.asarray(Image.open(case["image"]).convert("RGB"))
        assert case["pixel_sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
        assert (case["image_width"], case["image_height"]) == (12, 9)
        assert {k: case[k] for k in GOOD} == GOOD
        assert case["visible_fraction"] is None and case["text_paraphrase"] is None
    assert data.options["kind"] == "import"


@pytest.mark.parametrize("kind", ["arrow", "batch", "pandas", "hf struct"])
def test_tables_in_memory(tmp_path, kind):
    rows = rows_of(2)
    if kind == "hf struct":
        rows = [{**row, "image": {"bytes": row["image"], "path": None}} for row in rows]
    table = {
        "arrow": lambda: pa.Table.from_pylist(rows),
        "hf struct": lambda: pa.Table.from_pylist(rows),
        "batch": lambda: pa.RecordBatch.from_pylist(rows),
        "pandas": lambda: pd.DataFrame(rows),
    }[kind]()
    assert len(mc.datasets.from_table(table, out=tmp_path / "data")) == 2
    assert len(mc.datasets.load(tmp_path / "data")) == 2


def test_columns_may_have_any_name_and_lie_in_objects(tmp_path):
    path = tmp_path / "t.jsonl"
    (tmp_path / "p.png").write_bytes(picture())
    path.write_text(
        json.dumps({"a": {"file": "p.png", "says": "It is blue."}, "q": "Color?", "no": "blue", "yes": "red"})
    )
    columns = {"image": "a.file", "text": "a.says", "question": "q", "answer_text": "no", "answer_vision": "yes"}
    data = mc.datasets.from_table(path, columns, out=tmp_path / "d", command="Answer in one word.")
    assert next(data.cases())["question"] == "Color? Answer in one word."


def test_groups_share_pictures_and_texts(tmp_path):
    red, blue = picture("red"), picture("blue")
    table = pd.DataFrame(
        [
            {**GOOD, "image": red, "text": "one", "group": "x"},
            {**GOOD, "image": red, "text": "two", "group": "y"},
            {**GOOD, "image": blue, "text": "one", "group": "x"},
            {**GOOD, "image": blue, "text": "two", "group": "x"},
        ]
    )
    data = mc.datasets.from_table(table, out=tmp_path / "d", name="mine")
    assert [c["case_id"] for c in data.cases()] == [
        "mine/00000/v00/t0",
        "mine/00001/v00/t0",
        "mine/00000/v01/t0",
        "mine/00000/v01/t1",
    ]
    assert len(list((tmp_path / "d" / "images").rglob("*.png"))) == 2, "a picture is stored once"


def test_the_runner_takes_an_imported_group(tmp_path):
    from modalconflict.runner.plan import Groups, plan_group

    table = pd.DataFrame([{**GOOD, "image": p, "text": t, "group": 1} for p in shades(2) for t in ("one", "two")])
    data = mc.datasets.from_table(table, out=tmp_path / "d")
    groups = Groups(data.table)
    (number,) = groups
    cases = groups.cases(number)
    assert [run.condition for run in plan_group(cases)].count("multimodal") == 4
    assert len(plan_group(cases)) == 4 + 2 + 2
    with pytest.raises(mc.InvalidArgument, match="case table/00000/v00/t0 has no paraphrase"):
        plan_group(cases, "text_paraphrase")


def test_tiers_that_are_given_are_kept(tmp_path):
    table = pd.DataFrame(
        [{**GOOD, "image": p, "group": 5, "d_v": tier} for p, tier in zip(shades(2), ("7", "2"), strict=True)]
    )
    assert [(c["d_v"], c["d_t"]) for c in mc.datasets.from_table(table, out=tmp_path / "d").cases()] == [(7, 0), (2, 0)]


@pytest.mark.parametrize(
    ("second", "column", "why"),
    [
        ({"question": "Other?"}, "question", "asks another question in row 0"),
        ({"image": picture("green"), "d_v": 0}, "d_v", "another image or image's answer at d_v 0 in row 0"),
        ({"answer_vision": "green", "d_v": 0}, "d_v", "another image or image's answer at d_v 0 in row 0"),
        ({"text": "Other.", "d_t": 0, "d_v": 0}, "d_t", "another text or text's answer at d_t 0 in row 0"),
        ({"d_v": 1}, "d_v", "the same image at d_v 0 in row 0"),
        ({}, "group", "has d_v 0 with d_t 0 in row 0 already"),
        ({"group": None}, "group", "the value is missing"),
    ],
)
def test_a_group_must_agree_with_itself(tmp_path, second, column, why):
    first = {**GOOD, "image": picture(), "group": "g", "d_v": 0, "d_t": 0}
    table = pd.DataFrame([first, {**first, **second}])
    with pytest.raises(mc.InvalidArgument, match=re.escape(f"column '{column}', row 1: ") + f".*{why}"):
        mc.datasets.from_table(table, out=tmp_path / "d")
    assert not (tmp_path / "d").exists(), "nothing is left of an import that was refused"


def test_skipped_rows_leave_no_trace_but_their_reasons(tmp_path):
    rows = [{**row, "group": "g", "text": f"text {i}"} for i, row in enumerate(rows_of(3))]
    rows[1]["image"] = b"no picture"
    data = mc.datasets.from_table(pd.DataFrame(rows), out=tmp_path / "d", skip_bad_rows=True)
    assert [(c["d_v"], c["d_t"]) for c in data.cases()] == [(0, 0), (1, 1)]
    (line,) = (tmp_path / "d" / "skipped.jsonl").read_text().splitlines()
    assert json.loads(line)["row"] == 1 and "cannot be decoded" in json.loads(line)["reason"]
    with pytest.raises(mc.InvalidArgument, match="none of its 1 rows fits"):
        mc.datasets.from_table(pd.DataFrame(rows[1:2]), out=tmp_path / "none", skip_bad_rows=True)


def test_linked_pictures_are_the_same_file(tmp_path):
    path = written(tmp_path / "t", rows_of(1), ".csv")
    case = next(mc.datasets.from_table(path, out=tmp_path / "d", link=True).cases())
    assert os.path.samefile(case["image"], tmp_path / "t" / "0.png")
    case = next(mc.datasets.from_table(path, out=tmp_path / "e").cases())
    assert not os.path.samefile(case["image"], tmp_path / "t" / "0.png")


# ---- bad input --------------------------------------------------------------------------------------------------


def refused(tmp_path, row, column, why, images=None):
    table = pd.DataFrame([rows_of(1)[0], {**rows_of(1)[0], **row}], dtype=object)
    with pytest.raises(mc.InvalidArgument) as caught:
        mc.datasets.from_table(table, out=tmp_path / "d", images=images)
    message = str(caught.value)
    assert f"column '{column}', row 1: " in message and why in message and "\n" not in message
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("text", None, "missing"),
        ("text", float("nan"), "missing"),
        ("text", "   ", "empty"),
        ("text", "x" * 100_001, "100001 characters"),
        ("text", "a\x00b", "NUL"),
        ("text", "\ud800", "surrogate"),
        ("text", b"bytes", "a bytes stands where text is needed"),
        ("text", ["a"], "a list stands"),
        ("text", True, "a bool stands"),
        ("text", float("inf"), "inf is no usable number"),
        ("text", 10**400, "no usable number"),
        ("answer_text", "RED", "the image's answer too"),
        ("image", None, "the image is missing"),
        ("image", b"", "the image is missing"),
        ("image", 7, "a int stands where an image is needed"),
        ("image", b"junk", "its format is not known"),
        ("image", picture(size=(200, 200), form="JPEG")[:700], "cannot be decoded"),
        ("image", {"bytes": None, "path": None}, "the image is missing"),
    ],
)
def test_bad_values_are_named(tmp_path, column, value, why):
    refused(tmp_path, {column: value}, column, why)


def test_numbers_are_answers_too(tmp_path):
    table = pd.DataFrame([{**rows_of(1)[0], "answer_text": 3, "answer_vision": np.float64(2.0)}])
    case = next(mc.datasets.from_table(table, out=tmp_path / "d").cases())
    assert (case["answer_text"], case["answer_vision"]) == ("3", "2")


@pytest.mark.parametrize("tier", [-1, 1.5, "two", 2**31, True, float("inf"), 10**400])
def test_bad_tiers_are_named(tmp_path, tier):
    table = pd.DataFrame([{**rows_of(1)[0], "d_v": 0}, {**rows_of(1)[0], "d_v": tier}], dtype=object)
    with pytest.raises(mc.InvalidArgument, match=r"column 'd_v', row 1: .*is no tier"):
        mc.datasets.from_table(table, out=tmp_path / "d")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../secret.png", "leaves the image folder"),
        ("a/../../secret.png", "leaves the image folder"),
        ("..\\secret.png", "leaves the image folder"),
        ("/etc/passwd", "leaves the image folder"),
        ("C:\\secret.png", "leaves the image folder"),
        ("none.png", "is not in"),
        ("link.png", "is a link out of the image folder"),
        ("way/secret.png", "is a link out of the image folder"),
        (".", "cannot be read (Is a directory)"),
        ("pipe.png", "no ordinary file"),
        ("a\x00b.png", "this is no path"),
        ("x" * 5000, "this is no path"),
        ("x" * 300, "is not in"),
    ],
)
def test_paths_may_not_leave_the_image_folder(tmp_path, name, why):
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "secret.png").write_bytes(picture())
    (images / "link.png").symlink_to(tmp_path / "secret.png")
    (images / "way").symlink_to(tmp_path)
    os.mkfifo(images / "pipe.png")
    refused(tmp_path, {"image": name}, "image", why, images)


def test_links_inside_the_image_folder_are_files(tmp_path):
    (tmp_path / "p.png").write_bytes(picture())
    (tmp_path / "link.png").symlink_to("p.png")
    table = pd.DataFrame([{**GOOD, "image": "link.png"}])
    case = next(mc.datasets.from_table(table, out=tmp_path / "d", images=tmp_path).cases())
    assert not os.path.islink(case["image"])


def test_a_decompression_bomb_is_an_error_before_it_is_unpacked(tmp_path):
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    # 100,000 x 100,000 pixels: 30 GB if anything allocated them
    for side, why in ((100_000, "more than 89478485 pixels"), (12_000, "12000 x 12000 pixels")):
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        bomb = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(bytes(1000)))
            + chunk(b"IEND", b"")
        )
        refused(tmp_path, {"image": bomb}, "image", why)


@pytest.mark.parametrize(
    ("suffix", "content", "why"),
    [
        (".csv", b"", "is empty"),
        (".csv", b"image,text\n", "has no column 'question'"),
        (".csv", b"image,image,text\n", "the column 'image' twice"),
        (".csv", b"image,text,question,answer_text,answer_vision\n", "it has no rows"),
        (".csv", b"image,text,question,answer_text,answer_vision\n\na,b\n", "row 0: 2 values where the header has 5"),
        (".csv", b'image,text,question,answer_text,answer_vision\n"a\n', "row 0: not readable as CSV"),
        (".csv", b"image,text,question,answer_text,answer_vision\n\xff,b,c,d,e\n", "no UTF-8"),
        (".jsonl", b"{", "row 0: not readable as JSON"),
        (".jsonl", b"[]", "row 0: no JSON object"),
        (".jsonl", b'{"text": ' + b"9" * 5000 + b"}", "row 0: not readable as JSON"),
        (".jsonl", b"[" * 100_000, "row 0: not readable as JSON"),
        (".json", b"[1]", "row 0: no JSON object"),
        (".json", b'{"a": 1}', "holds no rows; it must be a list of objects"),
        (".json", b'[{"image": "a"', "not readable as JSON"),
        (".json", b"", "not readable as JSON"),
        (".json", b'[{"image": "\xff"}]', "not readable as JSON"),
    ],
)
def test_bad_files_are_named(tmp_path, suffix, content, why):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises(mc.InvalidArgument, match=re.escape(why)) as caught:
        mc.datasets.from_table(path, out=tmp_path / "d")
    assert f"t{suffix}" in str(caught.value) and not (tmp_path / "d").exists()


def test_what_is_no_table_at_all(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(mc.IoError, match="cannot be read as Parquet"):
        mc.datasets.from_table(tmp_path / "t.parquet", out=tmp_path / "d")
    for name in ("none.csv", "x" * 300 + ".csv", "a\x00b.csv"):
        with pytest.raises(mc.IoError, match="does not exist"):
            mc.datasets.from_table(tmp_path / name, out=tmp_path / "d")
    with pytest.raises(mc.IoError, match="does not exist"):
        mc.datasets.from_table(pd.DataFrame(rows_of(1)), out=tmp_path / "d", images="x" * 300)
    with pytest.raises(mc.IoError, match="name another folder"):
        mc.datasets.from_table(pd.DataFrame(rows_of(1)), out=tmp_path / ("x" * 300))
    with pytest.raises(mc.IoError, match=r"holds no manifest\.parquet"):
        mc.datasets.load(tmp_path / ("x" * 300))
    (tmp_path / "t.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(mc.InvalidArgument, match=r"no table that can be read; give one of \.parquet"):
        mc.datasets.from_table(tmp_path / "t.pkl", out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="a dict is no table"):
        mc.datasets.from_table({}, out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="column 0 has no name"):
        mc.datasets.from_table(pd.DataFrame([[1]]), out=tmp_path / "d")


def test_columns_are_checked_before_anything_is_made(tmp_path):
    table = pd.DataFrame(rows_of(1))
    with pytest.raises(mc.InvalidArgument, match="'imgae' is no field; did you mean 'image'"):
        mc.datasets.from_table(table, {"imgae": "x"}, out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="has no column 'txet' for text; did you mean 'text'"):
        mc.datasets.from_table(table, {"text": "txet"}, out=tmp_path / "d")
    with pytest.raises(mc.InvalidArgument, match="is no dataset name"):
        mc.datasets.from_table(table, out=tmp_path / "d", name="a/b")
    with pytest.raises(mc.IoError, match="the image folder .* does not exist"):
        mc.datasets.from_table(table, out=tmp_path / "d", images=tmp_path / "none")
    assert not (tmp_path / "d").exists()


def test_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine.txt").write_text("mine")
    with pytest.raises(mc.IoError, match="holds no dataset"):
        mc.datasets.from_table(pd.DataFrame(rows_of(1)), out=tmp_path / "d")
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["mine.txt"]


# ---- properties -------------------------------------------------------------------------------------------------

STRANGE = st.one_of(
    st.none(),
    st.just(float("nan")),
    st.floats(),
    st.integers(),
    st.integers(min_value=10**17),
    st.booleans(),
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc", "Co"]), max_size=5),
    st.binary(max_size=20),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from(["../x.png", "/etc/passwd", "0.png", "", " ", "link.png", "NaN", "=1+1", "a,b", 'a"b', "a\nb"]),
)
FIELDS = st.sampled_from(["image", "group", "d_v", "d_t", *GOOD])


@given(changes=st.dictionaries(st.tuples(st.integers(0, 3), FIELDS), STRANGE, min_size=1, max_size=4))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_is_a_dataset_or_an_error_with_row_and_column(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("any")
    (folder / "0.png").write_bytes(picture())
    (folder / "link.png").symlink_to("/etc/passwd")
    rows = [{**row, "group": f"g{i}", "d_v": 0, "d_t": 0} for i, row in enumerate(rows_of(4))]
    for (row, field), value in changes.items():
        rows[row][field] = value
    check(folder, pd.DataFrame(rows, dtype=object), {row for row, _ in changes})


@given(
    changes=st.dictionaries(st.tuples(st.integers(0, 3), FIELDS), st.text(max_size=20), min_size=1, max_size=3),
    suffix=st.sampled_from([".csv", ".jsonl", ".json"]),
)
@settings(max_examples=150, deadline=None)
def test_any_file_is_a_dataset_or_an_error_with_row_and_column(tmp_path_factory, changes, suffix):
    folder = tmp_path_factory.mktemp("any")
    for number, png in enumerate(shades(4)):
        (folder / f"{number}.png").write_bytes(png)
    rows = [{**GOOD, "image": f"{i}.png", "group": f"g{i}", "d_v": "0", "d_t": "0"} for i in range(4)]
    for (row, field), value in changes.items():
        rows[row][field] = value
    path = folder / f"t{suffix}"
    if suffix == ".csv":
        with open(path, "w", newline="", encoding="utf-8") as handle:
            handle.write(pd.DataFrame(rows).to_csv(index=False, quoting=csv.QUOTE_ALL))
    elif suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    check(folder, path, {row for row, _ in changes})


def check(folder, table, changed):
    try:
        data = mc.datasets.from_table(table, out=folder / "d", images=folder)
    except mc.InvalidArgument as error:
        found = re.search(r"column '([a-z_]+)', row (\d+): ", str(error))
        assert found, error
        # rows that agree with nothing they were changed to: the later of two equal groups is the one that is named
        assert int(found[2]) in changed or "in row" in str(error)
        assert "\n" not in str(error)
        assert not (folder / "d").exists()
    else:
        loaded = mc.datasets.load(folder / "d")
        assert loaded.table.equals(data.table) and len(loaded) == 4
        for case in loaded.cases():
            assert os.path.realpath(case["image"]).startswith(os.path.realpath(folder / "d"))
