"""Making a dataset that is killed, refused, or has no room: what is left can be gone on with, and nothing is half there."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from PIL import Image

import modalconflict as mc
from modalconflict.datasets import generating
from modalconflict.datasets.building import WORK, DatasetBuilder
from pictures import GOOD, shades

MAKE = {
    "color": "color_recognition(groups=24, ",
    "attribute": "attribute_recognition(groups=12, width=120, height=80, min_visible_pixels=9, ",
}


def command(kind, folder):
    """A process of its own that makes a dataset in blocks of four groups."""
    code = f"""
import sys
import modalconflict as mc
from modalconflict.datasets import generating
generating.GROUPS_PER_BLOCK = 4
mc.datasets.{MAKE[kind]}seed=3, out=sys.argv[1], threads=1)
"""
    return [sys.executable, "-c", code, str(folder)]


def checksums(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module", params=list(MAKE))
def undisturbed(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "data"
    subprocess.run(command(request.param, folder), check=True)
    return request.param, checksums(folder)


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_moments_it_ends_byte_identical(tmp_path, undisturbed, seed):
    kind, expected = undisturbed
    moments, folder, kills = random.Random(seed), tmp_path / "data", 0
    while not (folder / "manifest.parquet").is_file():
        process = subprocess.Popen(command(kind, folder))
        # the folder appears when drawing begins: kill at some moment of it, not of Python's start
        deadline = time.monotonic() + 60
        while not folder.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        try:
            process.wait(moments.uniform(0.0, 0.25) if kills < 5 else 120)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1, "it was never killed: the test shows nothing"
    # the last kill may have come between the manifest and the end
    subprocess.run(command(kind, folder), check=True)
    assert checksums(folder) == expected
    mc.datasets.load(folder)


def test_finished_blocks_are_not_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr(generating, "GROUPS_PER_BLOCK", 2)

    class Enough(Exception):
        pass

    def stop(done):
        if done >= 4:
            raise Enough

    with pytest.raises(Enough):
        mc.datasets.color_recognition(groups=6, seed=1, out=tmp_path / "d", threads=1, progress=stop)
    first = tmp_path / "d" / "images" / "00000" / "v00.png"
    before = first.stat().st_mtime_ns
    seen = []
    mc.datasets.color_recognition(groups=6, seed=1, out=tmp_path / "d", threads=1, progress=seen.append)
    assert first.stat().st_mtime_ns == before
    assert seen == [2, 3, 4, 5, 6]


def test_number_of_blocks_changes_no_row(tmp_path, monkeypatch):
    whole = mc.datasets.color_recognition(groups=5, seed=4, out=tmp_path / "whole")
    monkeypatch.setattr(generating, "GROUPS_PER_BLOCK", 2)
    parts = mc.datasets.color_recognition(groups=5, seed=4, out=tmp_path / "parts")
    assert whole.table.equals(parts.table)
    assert not (tmp_path / "parts" / WORK).exists()


def test_finished_dataset_is_returned_as_it_is(tmp_path):
    made = mc.datasets.color_recognition(groups=2, seed=4, out=tmp_path / "d")
    before = checksums(tmp_path / "d")
    again = mc.datasets.color_recognition(groups=2, seed=4, out=tmp_path / "d")
    assert again.table.equals(made.table) and checksums(tmp_path / "d") == before


def test_another_dataset_is_refused_by_what_differs(tmp_path):
    mc.datasets.color_recognition(groups=2, seed=4, out=tmp_path / "d")
    with pytest.raises(mc.IoError, match="holds another dataset .*seed 4 there, 5 here"):
        mc.datasets.color_recognition(groups=2, seed=5, out=tmp_path / "d")


@pytest.mark.parametrize("name", ["notes.txt", WORK, "manifest.parquet"])
def test_foreign_folder_is_refused_and_untouched(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(mc.IoError, match="not empty and holds no dataset"):
        mc.datasets.color_recognition(groups=1, out=tmp_path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["mine"]


def test_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "d").write_text("mine")
    with pytest.raises(mc.IoError, match="is a file; name a folder for the dataset"):
        mc.datasets.color_recognition(groups=1, out=tmp_path / "d")


def test_mark_that_was_not_whole_claims_nothing(tmp_path):
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / "dataset.json.part").write_text('{"ki')
    assert len(mc.datasets.color_recognition(groups=1, out=tmp_path)) == 42


@pytest.fixture
def small_disk(tmp_path):
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_full_disk_is_one_sentence_and_leaves_no_half_file(small_disk):
    with pytest.raises(mc.IoError, match="(?s)^cannot write .*(No space left|free space)") as caught:
        mc.datasets.color_recognition(groups=200, seed=3, out=small_disk / "d", threads=1)
    assert "\n" not in str(caught.value)
    left = [p for p in (small_disk / "d").rglob("*") if p.is_file()]
    assert not [p for p in left if p.suffix in (".part", ".tmp")]
    assert not (small_disk / "d" / "manifest.parquet").exists()
    for path in left:
        if path.suffix == ".png":
            Image.open(path).load()


def test_full_disk_while_the_manifest_is_joined(small_disk):
    builder = DatasetBuilder(small_disk / "d", {"kind": "test"})
    data = mc.datasets.color_recognition(groups=2, seed=0)
    builder.write(0, data.table.to_pylist())
    (small_disk / "filler").write_bytes(b"x" * (os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize))
    with pytest.raises(mc.IoError, match="cannot write .*manifest.parquet.*No space left"):
        builder.finish()
    assert not (small_disk / "d" / "manifest.parquet").exists()
    (small_disk / "filler").unlink()
    assert len(DatasetBuilder(small_disk / "d", {"kind": "test"}).finish()) == 84


@pytest.fixture
def nobody(tmp_path):
    """The rest of the test has no more rights than anybody: root may write everywhere."""
    mc.datasets.color_recognition(groups=1, out=tmp_path / "warm")  # all modules are loaded
    if os.geteuid() == 0:
        os.seteuid(65534)
        yield
        os.seteuid(0)
    else:
        yield


def test_unwritable_folder(nobody):
    with tempfile.TemporaryDirectory() as mine:
        os.chmod(mine, 0o500)
        with pytest.raises(mc.IoError, match=r"cannot make the folder .*Permission denied; name another folder"):
            mc.datasets.color_recognition(groups=1, out=f"{mine}/d")
        with pytest.raises(mc.IoError, match=r"cannot write .*Permission denied; check free space and permissions"):
            mc.datasets.color_recognition(groups=1, out=mine)
        assert os.listdir(mine) == []
        os.chmod(mine, 0o000)
        with pytest.raises(mc.IoError, match="cannot look into .*Permission denied"):
            mc.datasets.color_recognition(groups=1, out=mine)
        os.chmod(mine, 0o700)


def test_folder_that_nobody_may_write_to():
    with pytest.raises(mc.IoError, match=r"cannot make the folder '/proc/modalconflict'.*name another folder"):
        mc.datasets.color_recognition(groups=1, out="/proc/modalconflict")


IMPORT = """
import sys
import modalconflict as mc
mc.datasets.from_table(sys.argv[1], out=sys.argv[2])
"""


def table_of(folder, count):
    for number, png in enumerate(shades(count)):
        (folder / f"{number}.png").write_bytes(png)
    rows = [json.dumps({**GOOD, "image": f"{number}.png"}) for number in range(count)]
    (folder / "t.jsonl").write_text("\n".join(rows))
    return folder / "t.jsonl"


def test_killed_import_is_begun_again_and_ends_byte_identical(tmp_path):
    (tmp_path / "table").mkdir()
    path = table_of(tmp_path / "table", 1000)
    subprocess.run([sys.executable, "-c", IMPORT, str(path), str(tmp_path / "whole")], check=True)
    moments, kills = random.Random(1), 0
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", IMPORT, str(path), str(tmp_path / "d")])
        deadline = time.monotonic() + 60
        while not (tmp_path / "d").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        try:
            process.wait(moments.uniform(0.0, 0.3))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills >= 1
    subprocess.run([sys.executable, "-c", IMPORT, str(path), str(tmp_path / "d")], check=True)
    assert checksums(tmp_path / "d") == checksums(tmp_path / "whole")


def test_unfinished_import_does_not_hold_up_a_corrected_one(tmp_path):
    path = table_of(tmp_path, 3)
    DatasetBuilder(tmp_path / "d", {"kind": "import", "source": "another"})  # killed: only its mark is there
    assert len(mc.datasets.from_table(path, out=tmp_path / "d")) == 3
    with path.open("a") as handle:
        handle.write("\n" + json.dumps({**GOOD, "image": "0.png"}))
    with pytest.raises(mc.IoError, match="holds another dataset .*source_sha256"):
        mc.datasets.from_table(path, out=tmp_path / "d")


def test_full_disk_while_importing(small_disk, tmp_path):
    path = table_of(tmp_path, 1)
    noise = [random.Random(i).randbytes(3 * 400 * 400) for i in range(5)]
    for number, pixels in enumerate(noise):
        Image.frombytes("RGB", (400, 400), pixels).save(tmp_path / f"{number}.png")
    path.write_text("\n".join(json.dumps({**GOOD, "image": f"{i}.png"}) for i in range(5)))
    with pytest.raises(mc.IoError, match="cannot write the image .*No space left on device"):
        mc.datasets.from_table(path, out=small_disk / "d")
    assert list(small_disk.iterdir()) == []
