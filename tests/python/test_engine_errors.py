"""Bad bundles, bad packs and bad numbers: one sentence that names the thing and says what to do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import modalconflict as mc
from engine_setting import loaded
from tiny_bundles import copy_of, tiny_bundle


def reseal(bundle: Path) -> None:
    """Make the sizes and checksums of an altered bundle right again."""
    description = json.loads((bundle / "bundle.json").read_text())
    for name, entry in description["files"].items():
        data = (bundle / name).read_bytes()
        entry.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    (bundle / "bundle.json").write_text(json.dumps(description))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return copy_of(tiny_bundle("llava")[2], tmp_path)


def weights_of(bundle: Path) -> Path:
    return next(bundle.glob("weights-*.safetensors"))


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(mc.IoError, match=r"nowhere.*export"):
        mc.load_model(tmp_path / "nowhere")
    with pytest.raises(mc.IoError, match=r"no bundle.json; export the model again"):
        mc.load_model(tmp_path)


def test_a_truncated_file_is_named_even_with_trust(bundle: Path) -> None:
    path = weights_of(bundle)
    path.write_bytes(path.read_bytes()[:-10])
    for trust in (False, True):
        with pytest.raises(mc.IoError, match=rf"'{path.name}' has \d+ bytes instead of \d+ \(truncated\); export"):
            mc.load_model(bundle, trust=trust)


def test_an_altered_file_is_named(bundle: Path) -> None:
    path = next((bundle / "programs").iterdir())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(mc.IoError, match=rf"'programs/{path.name}' differs from its SHA-256"):
        mc.load_model(bundle)


def test_weights_of_another_model_are_a_model_error(bundle: Path, tmp_path: Path) -> None:
    path = weights_of(bundle)
    tensors = load_file(path)
    name = next(n for n in tensors if n.startswith("layers.1.") and tensors[n].ndim == 2)
    tensors[name] = tensors[name][:, :-1].contiguous()
    save_file(tensors, path)
    reseal(bundle)
    with pytest.raises(mc.ModelError, match=rf"'{name}'.*another model; export the model again"):
        mc.load_model(bundle)
    del tensors[name]
    save_file(tensors, path)
    reseal(bundle)
    with pytest.raises(mc.ModelError, match=rf"hold no '{name}'"):
        mc.load_model(bundle)


def test_a_program_of_another_kind_is_a_model_error(bundle: Path) -> None:
    description = json.loads((bundle / "bundle.json").read_text())
    files = {name: entry["file"] for name, entry in description["programs"].items()}
    layer = bundle / files[description["layers"][0]["program"]]
    layer.write_bytes((bundle / files["rotary"]).read_bytes())
    reseal(bundle)
    with pytest.raises(mc.ModelError, match=r"takes 1 tensors instead of 6"):
        mc.load_model(bundle)


def test_non_finite_numbers_stay_with_their_run(bundle: Path) -> None:
    _, model, pack = loaded("llava")
    clean = model.run(pack)
    path = weights_of(bundle)
    tensors = load_file(path)
    only = set(pack.ids(7).tolist()) - set(np.concatenate([pack.ids(i) for i in range(7) if i not in (2, 5)]).tolist())
    tensors["embed.weight"][sorted(only)[0]] = float("inf")
    save_file(tensors, path)
    reseal(bundle)
    reads = mc.load_model(bundle).run(pack)
    broken = [i for i in range(len(pack)) if reads.status[i] != "ok"]
    assert set(broken) == {i for i in range(len(pack)) if sorted(only)[0] in pack.ids(i)}
    for run in range(len(pack)):
        if run in broken:
            assert reads.status[run].startswith("non-finite logits at layer")
            assert np.isnan(reads.entropy[run]).all() and (reads.top_ids[run] == -1).all()
            assert reads.answer_ids[run] == []
        else:
            np.testing.assert_allclose(reads.entropy[run], clean.entropy[run], atol=1e-6)
            assert reads.answer_ids[run] == clean.answer_ids[run]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda a: a.update(ids=a["ids"][:-1]), "offsets must start at 0 and end at"),
        (lambda a: a.update(positions=a["positions"][:, :-1]), "positions has"),
        (lambda a: a.update(positions=a["positions"][0]), r"positions have shape"),
        (lambda a: a.update(image_index=a["image_index"][:-1]), "offsets has"),
        (lambda a: a.update(candidate_offsets=a["candidate_offsets"][:-1]), "candidate_offsets has"),
        (lambda a: a.pop("offsets"), "lacks the array 'offsets'"),
        (lambda a: a.pop("pixel_values.1"), r"image_index\[3\] = 1 names no image"),
        (lambda a: a.update(ids=a["ids"].astype(np.int32)), "'ids' holds int32 instead of int64"),
        (lambda a: a.update(ids=a["ids"].astype(complex)), "'ids' holds complex128"),
        (lambda a: a.update(ids=np.where(a["ids"] == a["ids"][-1], 10**6, a["ids"])), "token id 1000000"),
        (
            lambda a: a.update(image_index=np.zeros_like(a["image_index"])),
            "has 0 image tokens, but its image gives 16 rows",
        ),
    ],
)
def test_a_pack_that_does_not_fit_is_refused(spoil: Any, named: str) -> None:
    _, model, pack = loaded("llava")
    arrays = dict(pack.arrays)
    spoil(arrays)
    with pytest.raises(mc.InvalidArgument, match=named):
        model.run(arrays)


def test_a_pack_for_another_bundle_is_refused(tmp_path: Path) -> None:
    _, model, pack = loaded("llava")
    _, _, other = loaded("chat")
    assert mc.load_bundle(model.path).preparation_sha256 == model.info["preparation_sha256"] == pack.preparation_sha256
    other.save(tmp_path / "other.safetensors")
    assert mc.Pack.load(tmp_path / "other.safetensors").preparation_sha256 == other.preparation_sha256
    for foreign in (other, tmp_path / "other.safetensors"):
        with pytest.raises(
            mc.InvalidArgument, match=r"prepared for another model's bundle \(\w{8}, not \w{8}\); prepare"
        ):
            model.run(foreign)
    half = mc.load_model(tiny_bundle("llava", "bfloat16")[2])  # the same model in another dtype takes it
    assert half.run(pack).status == ["ok"] * len(pack)


def test_options_out_of_range_are_refused(tmp_path: Path) -> None:
    _, model, pack = loaded("llava")
    for options in ({"top_k": 0}, {"max_new_tokens": 0}, {"batch_size": 0}, {"stop_after_layer": 99}):
        with pytest.raises(mc.InvalidArgument, match=next(iter(options))):
            model.run(pack, **options)
    with pytest.raises(mc.InvalidArgument, match="max_new_tokens"):
        model.run(pack, max_new_tokens=4000)  # more than the model has positions
    with pytest.raises(mc.InvalidArgument, match="threads is 0"):
        mc.load_model(model.path, threads=0)
    with pytest.raises(mc.InvalidArgument, match="'toaster'"):
        mc.load_model(model.path, device="toaster")
    if not torch.cuda.is_available():
        with pytest.raises(mc.InvalidArgument, match="'cuda'"):
            mc.load_model(model.path, device="cuda")
    with pytest.raises(mc.InvalidArgument, match="pack is a list"):
        model.run([1, 2])  # type: ignore[arg-type]
    with pytest.raises(mc.IoError, match=r"none\.safetensors"):
        model.run(tmp_path / "none.safetensors")
