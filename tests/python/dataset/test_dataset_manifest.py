"""The manifest: versions that are read, and one sentence with column and row for whatever does not fit."""

import os
import re
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modalconflict as mc
from modalconflict.datasets import MANIFEST_SCHEMA, validate_manifest
from modalconflict.datasets.dataset import VERSION_KEY


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return mc.datasets.color_recognition(groups=1, seed=3, out=tmp_path_factory.mktemp("manifest") / "d")


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made.path, tmp_path / "d")
    return tmp_path / "d"


def rewritten(folder, table):
    pq.write_table(table, folder / "manifest.parquet")
    return mc.datasets.load(folder)


def changed(table, column, row, value, kind=None):
    values = table[column].to_pylist()
    values[row] = value
    at = table.schema.get_field_index(column)
    kind = kind or table.schema.field(column).type
    return table.set_column(at, pa.field(column, kind), pa.array(values, kind))


def test_version_1_is_read(folder, made):
    metadata = {**made.table.schema.metadata, VERSION_KEY: b"1"}
    old = rewritten(folder, made.table.replace_schema_metadata(metadata))
    assert old.table.equals(made.table) and old.options == made.options
    # and going on with it finds it finished
    assert mc.datasets.color_recognition(groups=1, seed=3, out=folder).table.equals(made.table)


def test_another_version_is_named(folder, made):
    for version in (b"3", b"\xff"):
        metadata = {**made.table.schema.metadata, VERSION_KEY: version}
        with pytest.raises(mc.InvalidArgument, match=r"manifest version .*; this modalconflict reads versions 1, 2"):
            rewritten(folder, made.table.replace_schema_metadata(metadata))


def test_what_only_a_generator_knows_may_be_missing(folder, made):
    nullable = [field.name for field in MANIFEST_SCHEMA if field.nullable]
    table = made.table.drop_columns(nullable)
    assert rewritten(folder, table).table["visible_fraction"].null_count == 42


def test_a_link_out_of_the_folder_is_refused(folder, made, tmp_path):
    outside = tmp_path / "outside.png"
    image = folder / "images" / "00000" / "v05.png"
    shutil.move(image, outside)
    image.symlink_to(outside)
    with pytest.raises(mc.IoError, match=r"column 'image', row 15: .* is a link out of the dataset's folder"):
        mc.datasets.load(folder)
    image.unlink()
    shutil.copy(outside, image.with_name("other.png"))
    image.symlink_to("other.png")
    assert len(mc.datasets.load(folder)) == 42, "a link inside it is none out of it"


def test_a_linked_dataset_folder_is_read(folder, tmp_path):
    os.symlink(folder, tmp_path / "link")
    assert len(mc.datasets.load(tmp_path / "link")) == 42


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("case_id", " ", "the value is empty"),
        ("text", "", "the value is empty"),
        ("answer_vision", "\t", "the value is empty"),
        ("image", "C:\\x.png", "leaves the dataset's folder"),
        ("image", "\\\\server\\x.png", "leaves the dataset's folder"),
        ("image", "a\\..\\..\\x.png", "leaves the dataset's folder"),
        ("image", "a\x00.png", "NUL"),
        ("image_width", 0, "below 1 pixel"),
        ("visible_fraction", 1.5, "not within 0 and 1"),
        ("visible_fraction", float("nan"), "not within 0 and 1"),
        ("occlusion_rate", -0.1, "not within 0 and 1"),
        ("pixel_sha256", "ABC", "no sha256"),
        ("pixel_sha256", "a" * 64 + "\n", "no sha256"),
    ],
)
def test_values_that_do_not_fit(made, column, value, why):
    with pytest.raises(mc.InvalidArgument, match=rf"column '{column}', row 7: .*{re.escape(why)}"):
        validate_manifest(changed(made.table, column, 7, value), "m")


def test_controls_are_known_and_need_no_conflict(made):
    table = made.table.append_column("control", pa.array(["none"] * 41 + ["text_irrelevant"]))
    same = changed(table, "answer_text", 41, table["answer_vision"][41].as_py())
    assert validate_manifest(same, "m")["control"][41].as_py() == "text_irrelevant"
    with pytest.raises(mc.InvalidArgument, match="column 'control', row 0: unknown control; use one of none"):
        validate_manifest(changed(table, "control", 0, "nothing"), "m")


def test_a_column_twice(made):
    with pytest.raises(mc.InvalidArgument, match="the column 'text' twice"):
        validate_manifest(made.table.append_column("text", made.table["text"]), "m")


VALUES = st.one_of(
    st.none(), st.integers(-(2**31), 2**31 - 1), st.floats(), st.text(max_size=8), st.binary(max_size=4), st.booleans()
)


@given(column=st.sampled_from(MANIFEST_SCHEMA.names), row=st.integers(0, 41), value=VALUES)
@settings(max_examples=300, deadline=None)
def test_any_value_fits_or_is_named(made, column, row, value):
    kind = pa.infer_type([value]) if value is not None else made.table.schema.field(column).type
    try:
        table = changed(made.table, column, row, value, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        return  # no table can hold it
    try:
        checked = validate_manifest(table, "m")
    except mc.InvalidArgument as error:
        # equal answers are named by one of the two columns, a type by the whole column
        named = re.search(r"column '([a-z_0-9]+)'(, row (\d+))?: ", str(error))
        assert named and named[1] in (column, "answer_text")
        assert named[3] == str(row) or (named[3] is None and "type" in str(error)) or "stands twice" in str(error)
    else:
        assert checked.schema.equals(made.table.schema)
