"""The second runtime: a tiny LLaVA compiled by AOTInductor gives what transformers and the TorchScript bundle give."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import modalconflict as mc
import tiny_models
from engine_setting import Keep, reference, specifications
from modalconflict.bundle import sha256_of
from modalconflict.cli.app import app
from modalconflict.errors import InvalidArgument, IoError, ModelError
from modalconflict.export import aoti, export_model
from modalconflict.export.runner import BundleRunner
from tiny_bundles import _folder, copy_of

pytestmark = pytest.mark.slow  # compiles four programs


@cache
def compiled() -> tuple[Any, Path, Path]:
    """Return a tiny model and its bundles for both runtimes."""
    model, processor = tiny_models.tiny_llava(seed=4, layers=2)
    for runtime in ("torchscript", "aoti"):
        export_model(model, processor, _folder() / f"second-{runtime}", runtime=runtime)
    return model, _folder() / "second-torchscript", _folder() / "second-aoti"


def test_the_bundle_names_its_runtime_and_holds_no_weights_in_its_programs() -> None:
    _, script, machine = compiled()
    manifest = json.loads((machine / "bundle.json").read_text())
    assert manifest["runtime"] == "aoti"
    assert {Path(entry["file"]).suffix for entry in manifest["programs"].values()} == {".pt2"}
    assert all(size["hidden_max_scaled"] < 1e-5 for size in manifest["parity"]["prompts"])
    weights = [name for name in manifest["files"] if name.endswith(".safetensors")]
    assert [sha256_of(machine / name) for name in weights] == [sha256_of(script / name) for name in weights]


@pytest.mark.parametrize(
    ("batch", "length", "past"), [(1, 1, 0), (1, 7, 0), (3, 5, 0), (1, 1, 6), (4, 1, 9), (2, 3, 1), (5, 11, 4)]
)
def test_one_compiled_layer_serves_every_batch_length_and_past(batch: int, length: int, past: int) -> None:
    """An empty past and a batch of one are shapes that a compiler likes to specialise to."""
    _, script, machine = compiled()
    sizes = mc.load_bundle(machine).sizes
    runners = [BundleRunner(mc.load_bundle(path)) for path in (script, machine)]
    generator = torch.Generator().manual_seed(0)
    h = torch.randn(batch, length, sizes["hidden"], generator=generator)
    key = torch.randn(batch, sizes["kv_heads"], past, sizes["head_dim"], generator=generator)
    positions = torch.arange(past, past + length).expand(batch, length).contiguous()
    mask = runners[0].mask(runners[0].manifest["layers"][0], past, past + length).expand(batch, -1, -1, -1)
    for layer in range(sizes["layers"]):
        results = []
        for runner in runners:
            cos, sin = runner._ropes["default"](positions)
            results.append(runner._layers[layer](h, cos, sin, mask, key, key * 0.5))
        for ours, theirs in zip(results[1], results[0], strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("share", [True, False])
def test_the_engine_runs_it_as_transformers_does(share: bool) -> None:
    theirs, _, machine = compiled()
    model = mc.load_model(machine)
    pack = model.preparer.prepare(specifications())
    keep = Keep()
    model.run(pack, [keep], share=share)
    for run in range(len(pack)):
        states, _ = reference(theirs, pack, run)
        for layer in range(model.info["sizes"]["layers"]):
            np.testing.assert_allclose(keep.states[layer, run].numpy(), states[layer], atol=1e-4, rtol=0)


def test_both_runtimes_give_the_same_reads_and_answers() -> None:
    _, script, machine = compiled()
    models = [mc.load_model(path) for path in (script, machine)]
    pack = models[0].preparer.prepare(specifications())
    first, second = (model.run(pack, max_new_tokens=4) for model in models)
    assert second.status == ["ok"] * len(pack)
    np.testing.assert_allclose(second.entropy, first.entropy, atol=1e-5)
    np.testing.assert_allclose(second.kl_final, first.kl_final, atol=1e-4)
    assert second.answer_ids == first.answer_ids
    small = models[1].run(pack, batch_size=1, max_new_tokens=4)
    np.testing.assert_allclose(small.entropy, first.entropy, atol=1e-5)


def test_a_hooks_replacement_reaches_the_next_compiled_layer() -> None:
    _, script, machine = compiled()
    results = []
    for path in (script, machine):
        model = mc.load_model(path)
        pack = model.preparer.prepare(specifications())
        hook = mc.Hook(lambda state: torch.ones_like(state.hidden), layers=[1])
        results.append(model.run(pack, [hook]).entropy)
    np.testing.assert_allclose(results[1], results[0], atol=1e-5)


def refuse(tmp_path: Path, change: Any, words: str, error: type[Exception] = ModelError) -> None:
    _, _, machine = compiled()
    path = copy_of(machine, tmp_path)
    manifest = json.loads((path / "bundle.json").read_text())
    change(path, manifest)
    for name in manifest["files"]:
        file = path / name
        if file.exists():
            manifest["files"][name] = {"sha256": sha256_of(file), "size": file.stat().st_size}
    (path / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(error, match=words):
        mc.load_model(path)


def test_a_package_that_is_none_is_refused(tmp_path: Path) -> None:
    def spoil(path: Path, manifest: dict[str, Any]) -> None:
        (path / manifest["programs"]["layer"]["file"]).write_bytes(b"PK\x03\x04 no package")

    refuse(tmp_path, spoil, "no AOTInductor package")


def test_a_package_of_another_kind_is_refused(tmp_path: Path) -> None:
    def swap(path: Path, manifest: dict[str, Any]) -> None:
        programs = manifest["programs"]
        shutil.copy(path / programs["rotary"]["file"], path / programs["layer"]["file"])

    refuse(tmp_path, swap, "takes 1 tensors instead of 6")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    def bend(path: Path, manifest: dict[str, Any]) -> None:
        manifest["projector"]["prefix"] = "vision."

    refuse(tmp_path, bend, "vision\\.linear_1|hold no")


def test_an_unknown_runtime_is_refused(tmp_path: Path) -> None:
    def rename(path: Path, manifest: dict[str, Any]) -> None:
        manifest["runtime"] = "tomorrow"

    refuse(tmp_path, rename, "tomorrow.*torchscript.*aoti")


def test_without_a_compiler_the_export_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import cpp_builder, exc

    def nothing() -> str:
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", nothing)
    with pytest.raises(IoError, match="install g\\+\\+"):
        aoti.require_compiler()
    model, processor = tiny_models.tiny_llava(layers=1)
    with pytest.raises(IoError, match="install g\\+\\+.*torchscript"):
        export_model(model, processor, tmp_path / "b", runtime="aoti")
    assert not (tmp_path / "b").exists()


def test_options_are_checked(tmp_path: Path) -> None:
    model, processor = tiny_models.tiny_llava(layers=1)
    with pytest.raises(InvalidArgument, match="torchscript or aoti"):
        export_model(model, processor, tmp_path / "b", runtime="onnx")
    wrong = CliRunner().invoke(app, ["export", "pocket", "--out", str(tmp_path / "b"), "--runtime", "onnx"])
    assert wrong.exit_code == 2
