"""Studies in an S3-compatible store: a moto server on this machine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import modalconflict as mc
from modalconflict.distributed.objects import ObjectRecordWriter, write_object_json
from modalconflict.distributed.store import ObjectFolder, object_uri, open_object_folder
from modalconflict.errors import InvalidArgument, IoError
from modalconflict.records import record_schema

pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a store on 127.0.0.1."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Make a bucket; keys and endpoint stand in the environment, as for any tool."""
    from pyarrow.fs import S3FileSystem

    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{server}")
    name = f"b{abs(hash(request.node.name)) % 10**9}"
    S3FileSystem(endpoint_override=server, scheme="http", region="us-east-1", allow_bucket_creation=True).create_dir(
        name
    )
    return name


def group_table(group: int, entropy: float = 1.0) -> pa.Table:
    """Make the three runs of a group with one case."""
    rows = []
    for condition, d_v, d_t in (("text_only", None, 0), ("vision_only", 0, None), ("multimodal", 0, 0)):
        rows.append(
            {"case_id": f"{group}/{condition}", "dataset": "d", "group": group, "condition": condition, "d_v": d_v}
            | {"d_t": d_t, "order": "image_first", "answer": "red", "status": "ok", "model": "m", "bundle_sha256": "s"}
            | {"entropy": entropy, "max_prob": 0.5, "margin": 0.5}
        )
    return pa.Table.from_pylist(rows, schema=record_schema(0, 0))


def begun(bucket: str) -> ObjectFolder:
    folder = open_object_folder(f"s3://{bucket}/a study/ü")
    write_object_json(folder, "study.json", {"format": "modalconflict-study", "calls": []})
    return folder


def test_groups_come_back_as_they_were_written(bucket: str) -> None:
    folder = begun(bucket)
    writer = ObjectRecordWriter(folder, "identity")
    for group in (7, 0, 123456):
        writer.write(group, group_table(group), 0.5)
    again = ObjectRecordWriter(folder, "identity")  # no journal yet: the parts say what is finished
    assert [(e.group, e.rows, e.failed) for e in again.finished.values()] == [(0, 3, 0), (7, 3, 0), (123456, 3, 0)]
    again.gather()
    assert ObjectRecordWriter(folder, "identity").finished == again.finished
    records = mc.read_records(f"s3://{bucket}/a study/ü")
    assert records["group"].to_pylist() == [0] * 3 + [7] * 3 + [123456] * 3
    with pytest.raises(InvalidArgument, match="group 7 is finished already"):
        writer.write(7, group_table(7), 0.5)


def test_a_group_that_two_writers_finish_has_one_set_of_rows(bucket: str) -> None:
    folder = begun(bucket)
    first, second = ObjectRecordWriter(folder), ObjectRecordWriter(folder)  # neither knows of the other
    first.write(3, group_table(3, entropy=1.0), 0.1)
    second.write(3, group_table(3, entropy=1.5), 0.1)
    first.gather()  # the journal tells of the first's bytes, the store holds the second's
    records = mc.read_records(folder.uri)
    assert records.num_rows == 3 and set(records["entropy"].to_pylist()) == {1.5}


def test_a_copy_of_the_store_is_a_study_in_a_folder(bucket: str, tmp_path: Path) -> None:
    folder = begun(bucket)
    writer = ObjectRecordWriter(folder)
    for group in range(3):
        writer.write(group, group_table(group), 0.5)
    writer.gather()
    for name in folder.names():
        target = tmp_path / "copy" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(folder.read(name) or b"")
    assert mc.read_records(tmp_path / "copy").equals(mc.read_records(folder.uri))


@pytest.mark.parametrize("at", [8, -200])
def test_an_altered_part_is_named(bucket: str, at: int) -> None:
    folder = begun(bucket)
    ObjectRecordWriter(folder).write(3, group_table(3), 0.5)
    content = bytearray(folder.read("records/part-000003.parquet") or b"")
    content[at] ^= 0xFF
    folder.write("records/part-000003.parquet", bytes(content))
    with pytest.raises(IoError, match=r"part-000003.parquet is no whole part .*; remove it to run that group again"):
        mc.read_records(folder.uri)


def test_parts_of_another_study_are_refused(bucket: str) -> None:
    folder = begun(bucket)
    ObjectRecordWriter(folder, "one").write(3, group_table(3), 0.5)
    with pytest.raises(IoError, match="it is of another study"):
        ObjectRecordWriter(folder, "other")


def test_what_is_no_study_is_named(bucket: str) -> None:
    with pytest.raises(IoError, match="holds no study"):
        mc.read_records(f"s3://{bucket}/nothing")
    begun(bucket)
    with pytest.raises(IoError, match="has no finished group yet"):
        mc.read_records(f"s3://{bucket}/a study/ü")
    with pytest.raises(IoError, match="cannot write s3://no-such-bucket-here/x/a: .*; look at the store"):
        open_object_folder("s3://no-such-bucket-here/x").write("a", b"b")


def test_a_store_that_is_gone_is_a_sentence(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(IoError, match="cannot read s3://b/x/study.json: .*; look at the store and its keys"):
        mc.read_records("s3://b/x")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("s3://bucket", "names no folder in a bucket"),
        ("s3://bucket/", "names no folder in a bucket"),
        ("s3://bucket/a/../b", "names no folder in a bucket"),
        ("s3:///a", "names no folder in a bucket"),
        ("s3://key:secret@bucket/a", "holds a key; give keys by the environment"),
        ("s3://bucket/a?region=r&endpont=x", "has the option 'endpont'; known are endpoint_override, region, scheme"),
        ("s3://bucket/a?endpoint_override=h:1&scheme=ftp", "has the scheme 'ftp'; give http or https"),
        ("gs://bucket/a", "is no object store"),
    ],
)
def test_malformed_uris_are_refused(uri: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        open_object_folder(uri)


def test_a_path_is_a_uri_again() -> None:
    assert object_uri(Path("s3://bucket/a/b")) == "s3://bucket/a/b"
    assert object_uri("s3:/bucket/a") == "s3://bucket/a"
    assert object_uri(Path("data/s3:/x")) is None


def test_a_study_over_ray_lands_in_the_store(
    bucket: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'modalconflict[ray]'")
    from small_study import assert_same_records, small_dataset

    from tiny_bundles import tiny_bundle

    bundle, data = tiny_bundle()[2], small_dataset(tmp_path / "data", 4)
    out: Any = f"s3://{bucket}/study?endpoint_override={server}&scheme=http"
    options: dict[str, Any] = {"engine": "ray", "workers": 1, "threads": 1}
    mc.run(bundle, data, out, limit=2, **options)
    with pytest.raises(IoError, match="holds this study already"):
        mc.run(bundle, data, out, **options)
    with pytest.raises(IoError, match="holds another study"):
        mc.run(bundle, data, out, resume=True, top_k=2, **options)
    result = mc.run(bundle, data, out, resume=True, **options)
    assert (result.groups, result.failed) == (4, 0) and result.new_runs < result.runs
    mc.run(bundle, data, tmp_path / "alone")
    assert_same_records(mc.read_records(out), mc.read_records(tmp_path / "alone"))
    found, expected = (mc.analyze(place, cases="all", replicates=100) for place in (out, tmp_path / "alone"))
    assert found.models[0].summary["tfr"] == expected.models[0].summary["tfr"]
    open_object_folder(f"s3://{bucket}/other").write("notes.txt", b"mine")
    with pytest.raises(IoError, match="is not empty and holds no study"):
        mc.run(bundle, data, f"s3://{bucket}/other", **options)
