"""From a folder or the hub's cache: mapped weights, what is missing, and exports that were killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from modalconflict.bundle import load_bundle
from modalconflict.errors import IoError, ModelError
from modalconflict.export import export_model, export_path
from modalconflict.export.loading import load_original
from modalconflict.export.mapped import MappedTensors
from modalconflict.export.partial import PartialFolder
from modalconflict.export.sources import find_source
from tiny_families import FAMILIES
from tiny_models import tiny_llava

HERE = Path(__file__).parent


def saved(model: Any, processor: Any, folder: Path, shard_size: str = "100KB") -> Path:
    model.save_pretrained(folder, max_shard_size=shard_size)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def llava_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(*tiny_llava(layers=2), tmp_path_factory.mktemp("models") / "tiny-llava")


def weights_of(bundle: Path) -> dict[str, str]:
    files = load_bundle(bundle).manifest["files"]
    return {name: entry["sha256"] for name, entry in files.items() if name.startswith("weights-")}


@pytest.mark.parametrize("family", FAMILIES)
def test_mapped_weights_are_the_models(family: str, tmp_path: Path) -> None:
    model, processor = FAMILIES[family]()
    source = find_source(saved(model, processor, tmp_path / "m"))
    assert len(source.shards) > 2
    loaded, release = load_original(source)
    release()
    expected = model.state_dict() | dict(model.named_buffers())
    found = loaded.state_dict() | dict(loaded.named_buffers())
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name
    mapped = MappedTensors(source.shards)
    assert sum(t.numel() for t in mapped.tensors.values()) == sum(p.numel() for p in model.parameters())


def test_checkpoints_of_older_names_are_read(tmp_path: Path) -> None:
    """The names llava-hf's checkpoints were written with."""
    model, processor = tiny_llava(layers=2)
    old = {}
    for name, tensor in model.state_dict().items():
        name = name.replace("model.language_model.", "language_model.model.").replace(
            "lm_head", "language_model.lm_head"
        )
        name = name.replace("model.vision_tower.", "vision_tower.vision_model.").replace("model.multi_", "multi_")
        old[name] = tensor.contiguous()
    folder = tmp_path / "old"
    folder.mkdir()
    save_file(old, folder / "model.safetensors", {"format": "pt"})
    model.config.save_pretrained(folder)
    processor.save_pretrained(folder)
    loaded, _ = load_original(find_source(folder))
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def test_sharded_single_and_pickled_weights_give_one_bundle(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=2)
    bundles = [export_path(saved(model, processor, tmp_path / "many"), tmp_path / "sharded")]
    bundles.append(export_path(saved(model, processor, tmp_path / "one", "1GB"), tmp_path / "single"))
    pickled = tmp_path / "pickled"
    shutil.copytree(tmp_path / "one", pickled)
    torch.save(load_file(pickled / "model.safetensors"), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    bundles.append(export_path(pickled, tmp_path / "bin"))
    bundles.append(export_model(model, processor, tmp_path / "memory"))
    assert len({json.dumps(weights_of(bundle.path)) for bundle in bundles}) == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_half_precision_checkpoint_keeps_its_dtype(dtype: str, tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    folder = saved(model.to(getattr(torch, dtype)), processor, tmp_path / "m")
    assert export_path(folder, tmp_path / "b").manifest["dtype"] == dtype
    assert export_path(folder, tmp_path / "c", "float32").manifest["dtype"] == "float32"


def test_missing_and_truncated_shards_are_named(llava_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(llava_folder, folder)
    shards = sorted(folder.glob("model-*"))
    data = shards[1].read_bytes()
    shards[1].write_bytes(data[:-64])
    with pytest.raises(IoError, match=rf"{shards[1].name}' is truncated: it ends inside '"):
        export_path(folder, tmp_path / "b")
    shards[1].write_bytes(data[:4])
    with pytest.raises(IoError, match=rf"{shards[1].name}' is no safetensors file, or is truncated"):
        export_path(folder, tmp_path / "b")
    shards[1].unlink()
    shards[2].unlink()
    with pytest.raises(
        IoError, match=rf"lack their file '{shards[1].name}' and 1 more in '.*m'; get the files"
    ) as caught:
        export_path(folder, tmp_path / "b")
    assert "\n" not in str(caught.value)
    (folder / "model.safetensors.index.json").write_text("{")
    with pytest.raises(IoError, match="index.json' is damaged"):
        export_path(folder, tmp_path / "b")
    assert {p.name for p in tmp_path.iterdir()} == {"m"}


def test_a_missing_tensor_is_not_made_up(llava_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(llava_folder, folder)
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    name = next(name for name in index if name.endswith("lm_head.weight"))
    shard = folder / index[name]
    tensors = load_file(shard)
    del tensors[name]
    save_file(tensors, shard, {"format": "pt"})
    with pytest.raises(ModelError, match=r"lack the tensor 'lm_head\.weight', which its config\.json asks for"):
        export_path(folder, tmp_path / "b")


def test_quantised_weights_and_two_of_a_name(tmp_path: Path) -> None:
    header = json.dumps({"w": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + b"ab")
    with pytest.raises(IoError, match="'w' as F8_E4M3, a quantised type"):
        MappedTensors([tmp_path / "a"])
    for name in ("b", "c"):
        save_file({"w": torch.zeros(2)}, tmp_path / name)
    with pytest.raises(IoError, match="'w' stands in 'c' and in another file"):
        MappedTensors([tmp_path / "b", tmp_path / "c"])


def test_folders_that_are_no_model(llava_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"holds no config\.json, so it is no model"):
        export_path(tmp_path, tmp_path / "b")
    folder = tmp_path / "m"
    shutil.copytree(llava_folder, folder)
    for name in ("tokenizer.json", "processor_config.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)
    with pytest.raises(IoError, match="The processor of '.*m' cannot be loaded") as caught:
        export_path(folder, tmp_path / "b")
    assert "\n" not in str(caught.value)


FIND = """
import sys
from modalconflict.errors import IoError
from modalconflict.export.sources import find_source
try:
    print(find_source("someone/tiny-llava").folder)
except IoError as error:
    print(error)
"""


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME"])
def test_the_hubs_cache_is_found_where_its_variables_say(variable: str, llava_folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub" if variable == "HF_HOME" else tmp_path
    repository = cache / "models--someone--tiny-llava"
    commit = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    shutil.copytree(llava_folder, repository / "snapshots" / commit)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    here = subprocess.run(
        [sys.executable, "-c", FIND], env=clean | {variable: str(tmp_path)}, capture_output=True, text=True
    )
    assert here.stdout.strip() == str(repository / "snapshots" / commit), here.stderr
    empty = clean | {variable: str(tmp_path / "empty")}
    absent = subprocess.run([sys.executable, "-c", FIND], env=empty, capture_output=True, text=True)
    assert (
        "neither a folder nor in the Hugging Face cache" in absent.stdout and str(tmp_path / "empty") in absent.stdout
    )
    assert "hf download someone/tiny-llava" in absent.stdout


KILLED = """
import functools, os, signal, sys
import modalconflict.export.writer as writer
from modalconflict.export import export_path

writer.ShardWriter = functools.partial(writer.ShardWriter, cap_bytes=60_000)

def progress(stage, done, total):
    if stage == sys.argv[3] and done == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

export_path(sys.argv[1], sys.argv[2], progress=progress)
"""


def run_until(source: Path, out: Path, stage: str, done: int) -> None:
    command = [sys.executable, "-c", KILLED, str(source), str(out), stage, str(done)]
    run = subprocess.run(command, capture_output=True, timeout=200)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()


def test_a_killed_export_goes_on_where_it_stopped(
    llava_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import functools

    import modalconflict.export.writer as writer

    monkeypatch.setattr(writer, "ShardWriter", functools.partial(writer.ShardWriter, cap_bytes=60_000))
    undisturbed = export_path(llava_folder, tmp_path / "whole")
    assert len(undisturbed.manifest["weights"]) > 4
    out, partial = tmp_path / "b", tmp_path / ".b.partial"
    run_until(llava_folder, out, "writing weights", 4)
    journal = json.loads((partial / "resume.json").read_text())
    kept = {entry["name"]: (partial / entry["name"]).stat().st_mtime_ns for entry in journal["shards"]}
    assert 0 < len(kept) < len(undisturbed.manifest["weights"])
    assert not out.exists()
    run_until(llava_folder, out, "comparing with the original", 0)
    bundle = export_path(llava_folder, out)
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept, "finished shards were written again"
    assert weights_of(out) == weights_of(tmp_path / "whole")
    assert not partial.exists() and not (out / "resume.json").exists()
    load_bundle(bundle.path)


def test_what_another_export_left_is_thrown_away(llava_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    run_until(llava_folder, out, "comparing with the original", 0)
    assert (tmp_path / ".b.partial" / "resume.json").is_file()
    bundle = export_path(llava_folder, out, "bfloat16")
    assert bundle.manifest["dtype"] == "bfloat16"
    load_bundle(out)
    assert {p.name for p in tmp_path.iterdir()} == {"b"}


def test_an_altered_leftover_is_written_again(llava_folder: Path, tmp_path: Path) -> None:
    out, partial = tmp_path / "b", tmp_path / ".b.partial"
    run_until(llava_folder, out, "comparing with the original", 0)
    shard = partial / "weights-00002.safetensors"
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    export_path(llava_folder, out)
    load_bundle(out)


def test_two_exports_do_not_write_one_bundle(llava_folder: Path, tmp_path: Path) -> None:
    with PartialFolder(tmp_path / "b", None), pytest.raises(IoError, match=r"Another export is writing '.*b'"):
        export_path(llava_folder, tmp_path / "b")
    export_path(llava_folder, tmp_path / "b")


def test_an_interrupted_export_of_files_keeps_its_shards(llava_folder: Path, tmp_path: Path) -> None:
    def impatient(stage: str, done: int, total: int) -> None:
        if stage == "comparing with the original":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_path(llava_folder, tmp_path / "b", progress=impatient)
    assert (tmp_path / ".b.partial" / "resume.json").is_file()
    export_path(llava_folder, tmp_path / "b")
    assert {p.name for p in tmp_path.iterdir()} == {"b"}
