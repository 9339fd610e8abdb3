"""A memory limit: a model larger than it runs layer by layer, within it, and gives the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlavaConfig, LlavaForConditionalGeneration

import modalconflict as mc
import tiny_models
from engine_setting import loaded, specifications
from modalconflict.export import export_model

# What a process may take above the limit: the allocator's spare room, the tensor library's buffers, the pack and reads.
OVERHEAD_MB = 64


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LLaVA of about 300 MB, nearly all of it in eight layers."""
    small, processor = tiny_models.tiny_llava()
    config = LlavaConfig.from_dict(small.config.to_dict())
    config.text_config.update(
        {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 8, "num_attention_heads": 12}
    )
    config.text_config.update({"num_key_value_heads": 12, "head_dim": 64})
    model = LlavaForConditionalGeneration(config).eval()
    tiny_models.widen_(model, 0)
    path = tmp_path_factory.mktemp("large") / "bundle"
    export_model(model, processor, path)
    assert sum(file.stat().st_size for file in path.glob("weights-*")) > 290e6
    return path


RUN = """
    import json, sys
    import torch
    torch.set_num_threads(1)
    import modalconflict as mc

    def memory(name):
        for line in open("/proc/self/status"):
            if line.startswith(name):
                return int(line.split()[1]) / 1024

    bundle, pack, limit = sys.argv[1:]
    mc.load_model(sys.argv[2] + ".tiny").run(sys.argv[2] + ".tiny.safetensors")  # libraries and their buffers are in memory now
    open("/proc/self/clear_refs", "w").write("5")  # the peak counts from here
    before = memory("VmRSS")
    model = mc.load_model(bundle, memory_limit=None if limit == "none" else float(limit))
    reads = model.run(pack, max_new_tokens=3)
    json.dump({"peak_mb": memory("VmHWM") - before, **reads.to_dict()}, sys.stdout)
"""


def run_apart(bundle: Path, pack: Path, limit: float | None) -> dict[str, Any]:
    """Run in a process of its own, whose peak memory is this run's."""
    script = textwrap.dedent(RUN)
    call = [sys.executable, "-c", script, str(bundle), str(pack), "none" if limit is None else str(limit)]
    done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured by Linux means")
def test_a_model_larger_than_its_limit_runs_within_it(large: Path, tmp_path: Path) -> None:
    pack = tmp_path / "pack.safetensors"
    mc.load_model(large).preparer.prepare(specifications()).save(pack)
    _, tiny, small_pack = loaded("llava")
    Path(f"{pack}.tiny").symlink_to(tiny.path)
    small_pack.save(f"{pack}.tiny.safetensors")
    limit = 100 / 1024
    whole, streamed = run_apart(large, pack, None), run_apart(large, pack, limit)
    assert whole["peak_mb"] > 290  # what is measured is the weights
    assert streamed["peak_mb"] < 100 + OVERHEAD_MB
    assert streamed["status"] == ["ok"] * 8
    assert streamed["answer_ids"] == whole["answer_ids"]
    np.testing.assert_allclose(streamed["entropy"], whole["entropy"], atol=1e-5)


def test_streamed_layers_give_the_same_numbers(large: Path) -> None:
    whole, streamed = mc.load_model(large), mc.load_model(large, memory_limit=0.125)
    pack = whole.preparer.prepare(specifications())
    first, second = whole.run(pack, max_new_tokens=3), streamed.run(pack, max_new_tokens=3)
    again = streamed.run(pack, max_new_tokens=3)
    np.testing.assert_allclose(first.entropy, second.entropy, atol=1e-5)
    np.testing.assert_array_equal(second.entropy, again.entropy)
    assert first.answer_ids == second.answer_ids
    part = streamed.run(pack, stop_after_layer=3)
    np.testing.assert_allclose(part.entropy, second.entropy[:, :4], atol=1e-5)


def test_a_hooks_error_leaves_a_streamed_model_usable(large: Path) -> None:
    model = mc.load_model(large, memory_limit=0.125)
    pack = model.preparer.prepare(specifications()[:2])

    def broken(state: mc.HiddenState) -> None:
        if state.layer == 3:
            raise KeyError("the hook's own")

    with pytest.raises(KeyError, match="the hook's own"):
        model.run(pack, [broken])
    assert model.run(pack).status == ["ok"] * 2


def test_a_limit_that_is_too_small_names_one_that_would_do(large: Path) -> None:
    with pytest.raises(mc.InvalidArgument, match=r"too small for this model.*give at least (\S+)$") as refused:
        mc.load_model(large, memory_limit=0.02)
    enough = float(str(refused.value).rsplit(" ", 1)[1])
    model = mc.load_model(large, memory_limit=enough)
    pack = model.preparer.prepare(specifications()[:2])
    with pytest.raises(mc.InvalidArgument, match=r"too small for run \d+ of the pack with its \d+ tokens") as refused:
        model.run(pack)
    enough = float(str(refused.value).rsplit(" ", 1)[1])
    assert mc.load_model(large, memory_limit=enough).run(pack).status == ["ok"] * 2


OUT_OF_MEMORY = """
    import resource, sys
    import torch
    torch.set_num_threads(1)
    import modalconflict as mc

    model = mc.load_model(sys.argv[1])
    pack = mc.Pack.load(sys.argv[2])
    model.run(pack, max_new_tokens=1)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20), used + (16 << 20)))
    try:
        model.run(sys.argv[3])
    except mc.ModelError as error:
        print(error)
"""


def test_running_out_of_memory_says_which_limit_would_do(tmp_path: Path) -> None:
    _, model, pack = loaded("llava")
    pack.save(tmp_path / "small.safetensors")
    question = "What color is the circle? " * 9 + "Answer in one word."
    many = [mc.RunSpec(f"t{i}", "text_only", None, f"The circle is {i}.", question) for i in range(1200)]
    model.preparer.prepare(many).save(tmp_path / "many.safetensors")
    call = [sys.executable, "-c", textwrap.dedent(OUT_OF_MEMORY), str(model.path)]
    files = [str(tmp_path / "small.safetensors"), str(tmp_path / "many.safetensors")]
    done = subprocess.run([*call, *files], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "needs more memory than there is; with a memory limit of 0." in done.stdout


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "6G", True])
def test_a_limit_is_a_number_above_zero(limit: Any) -> None:
    with pytest.raises(mc.InvalidArgument, match="memory_limit is .*give an amount of memory in GiB"):
        mc.load_model(loaded("llava")[1].path, memory_limit=limit)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("limit", [None, 0.125])
def test_cuda_gives_what_the_cpu_gives(large: Path, limit: float | None) -> None:
    here, there = mc.load_model(large), mc.load_model(large, device="cuda", memory_limit=limit)
    pack = here.preparer.prepare(specifications())
    states: list[torch.Tensor] = []
    ours, theirs = here.run(pack), there.run(pack, [mc.Hook(lambda s: states.append(s.hidden), layers=[1])])
    np.testing.assert_allclose(ours.entropy, theirs.entropy, atol=1e-3)
    assert ours.answer_ids == theirs.answer_ids
    assert all(state.is_cuda for state in states)
