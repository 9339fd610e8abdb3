"""Hooks between the layers: what they see, what they replace, and what becomes of their errors."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import modalconflict as mc
from engine_setting import Keep, loaded, reference, specifications
from modalconflict.export import programs
from modalconflict.model import HiddenState, Hook
from tiny_models import tiny_image


@pytest.fixture(scope="module")
def setting() -> Any:
    return loaded("llava")


def test_a_hook_is_handed_the_engines_own_memory(setting: Any) -> None:
    _, model, pack = setting
    seen: list[torch.Tensor] = []

    def double(state: HiddenState) -> torch.Tensor:
        seen.append(state.hidden)
        return state.hidden.mul_(2)

    def look(state: HiddenState) -> None:
        seen.append(state.hidden)

    model.run(pack, [Hook(look, [2], "all"), Hook(double, [2], "all"), Hook(look, [2], "all")], batch_size=len(pack))
    assert len({tensor.data_ptr() for tensor in seen}) == len(seen) // 3  # one buffer a batch for all three hooks
    assert all(not tensor.is_inference() and tensor.dtype == torch.float32 for tensor in seen)


def test_kept_states_stay_valid_after_the_run(setting: Any) -> None:
    theirs, model, pack = setting
    keep = Keep()
    model.run(pack, [keep])
    model.run(pack)  # would overwrite memory that had been let go
    states, _ = reference(theirs, pack, 3)
    np.testing.assert_allclose(keep.states[1, 3].numpy(), states[1], atol=1e-4, rtol=0)


def test_a_replaced_state_changes_what_lies_downstream_and_nothing_else(setting: Any) -> None:
    _, model, pack = setting
    before, after = Keep(), Keep()

    def patch(state: HiddenState) -> torch.Tensor:
        rows = torch.from_numpy(state.runs == 1)
        return torch.where(rows[:, None], torch.full_like(state.hidden, 0.25), state.hidden)

    plain = model.run(pack, [before])
    patched = model.run(pack, [Hook(patch, layers=[2]), after])
    for key, state in before.states.items():
        layer, run = key
        assert torch.equal(state, after.states[key]) != (run == 1 and layer >= 2), key
    assert plain.entropy[1, 1] == patched.entropy[1, 1]
    assert plain.entropy[1, -1] != patched.entropy[1, -1]
    np.testing.assert_array_equal(np.delete(plain.entropy, 1, 0), np.delete(patched.entropy, 1, 0))


@pytest.mark.parametrize("positions", ["all", [5], [-3, 5]])
def test_patching_positions_is_what_transformers_computes_with_the_same_patch(setting: Any, positions: Any) -> None:
    theirs, model, pack = setting
    run, layer = 2, 2
    length = len(pack.ids(run))
    places = [p % length for p in ([5] if positions == "all" else positions)]

    def ours(state: HiddenState) -> torch.Tensor:
        hidden = state.hidden
        assert hidden.ndim == 3
        for row in np.flatnonzero(state.runs == run):
            assert state.lengths[row] == length
            if positions == "all":
                hidden[row, 5] = 0.5
            else:
                hidden[row] = 0.5
        return hidden

    def forward_hook(_: Any, __: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        hidden[:, places] = 0.5
        return output

    reads = model.run(pack, [Hook(ours, [layer], positions)], top_k=8)
    handle = theirs.model.language_model.layers[layer - 1].register_forward_hook(forward_hook)
    try:
        _, logits = reference(theirs, pack, run)
    finally:
        handle.remove()
    np.testing.assert_allclose(reads.top_logits[run, -1], np.sort(logits)[::-1][:8], atol=1e-4, rtol=0)
    unpatched = model.run(pack, top_k=8)
    assert np.abs(unpatched.top_logits[run, -1] - reads.top_logits[run, -1]).max() > 1e-3


def test_every_position_is_shown_as_transformers_has_it(setting: Any) -> None:
    theirs, model, pack = setting
    states: dict[int, torch.Tensor] = {}

    def keep(state: HiddenState) -> None:
        for row, run in enumerate(state.runs):
            states[int(run)] = state.hidden[row, : state.lengths[row]]

    model.run(pack, [Hook(keep, [3], "all")])
    for run in (0, 2, 7):
        ids = torch.from_numpy(pack.ids(run))[None]
        image = int(pack.arrays["image_index"][run])
        pixels = None if image < 0 else torch.from_numpy(pack.arrays[f"pixel_values.{image}"])
        with programs.eager_attention(theirs), torch.no_grad():
            out = theirs(input_ids=ids, pixel_values=pixels, output_hidden_states=True)
        torch.testing.assert_close(states[run], out.hidden_states[3][0], atol=1e-4, rtol=0)


def test_an_early_stop_reads_the_first_layers_only(setting: Any) -> None:
    _, model, pack = setting
    keep = Keep()
    whole, part = model.run(pack), model.run(pack, [keep], stop_after_layer=2)
    assert part.entropy.shape[1] == 3
    np.testing.assert_allclose(part.entropy, whole.entropy[:, :3], atol=1e-6)
    assert max(layer for layer, _ in keep.states) == 2
    assert np.isnan(part.max_prob).all()
    assert part.answers == [""] * len(pack)


@pytest.mark.parametrize("positions", ["answer", [-2, 0], "all"])
@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("layers.*.h", ["layers.1.h", "layers.2.h", "layers.3.h", "layers.4.h"]),
        ("layers.[13].h", ["layers.1.h", "layers.3.h"]),
        (lambda name: name == "embed.h", ["embed.h"]),
        ([0, 2], ["embed.h", "layers.2.h"]),
        (None, ["embed.h", "layers.1.h", "layers.2.h", "layers.3.h", "layers.4.h"]),
    ],
)
def test_a_cache_keeps_the_states_that_are_named(setting: Any, layers: Any, names: list[str], positions: Any) -> None:
    theirs, model, pack = setting
    cache = mc.ActivationCache(layers, positions)
    assert "empty" in repr(cache)
    model.run(pack, [cache], max_new_tokens=1)
    assert list(cache) == names and len(cache) == len(names)
    run = 4
    ids = torch.from_numpy(pack.ids(run))[None]
    pixels = torch.from_numpy(pack.arrays[f"pixel_values.{pack.arrays['image_index'][run]}"])
    with programs.eager_attention(theirs), torch.no_grad():
        states = theirs(input_ids=ids, pixel_values=pixels, output_hidden_states=True).hidden_states
    name = names[0]
    state = states[0 if name == "embed.h" else int(name.split(".")[1])][0]
    expected = {"answer": state[-1], "all": state}.get(positions if isinstance(positions, str) else "", state[[-2, 0]])
    torch.testing.assert_close(cache[name][run], expected, atol=1e-4, rtol=0)
    assert len(cache[name]) == len(pack)
    with pytest.raises(KeyError, match=f"holds {names[0]}"):
        cache["layers.9.h"]


def test_the_example_runs(setting: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, model, _ = setting
    tiny_image(4).save(tmp_path / "scene.png")
    example = Path(__file__).parents[2] / "examples" / "hooks.py"
    runpy.run_path(str(example))["main"](str(model.path), str(tmp_path / "scene.png"))
    printed = capsys.readouterr().out
    assert "layers.4.h: cosine" in printed
    # Behind the last layer the state is all that is read.
    alone = model.run(model.preparer.prepare(specifications()[:1]))
    assert printed.splitlines()[-1].endswith(f"{alone.entropy[0, -1]:.3f} nats")


def test_a_cache_keeps_what_another_hook_made_of_the_state(setting: Any) -> None:
    _, model, pack = setting
    before, after = mc.ActivationCache("layers.2.h", "all"), mc.ActivationCache("layers.2.h", "all")
    model.run(pack, [before, Hook(lambda state: state.hidden.zero_(), "layers.2.h", "all"), after])
    assert all(bool((state != 0).any()) for state in before["layers.2.h"])
    assert all(bool((state == 0).all()) for state in after["layers.2.h"])
    again = mc.ActivationCache("layers.2.h", "all")
    model.run(pack, [again])
    for first, second in zip(before["layers.2.h"], again["layers.2.h"], strict=True):
        torch.testing.assert_close(first, second)


def test_generated_tokens_are_shown_when_asked_for(setting: Any) -> None:
    _, model, pack = setting
    rows = {"prompt": 0, "all": 0}

    def count(name: str) -> Any:
        def called(state: HiddenState) -> None:
            rows[name] += len(state.runs)

        return called

    reads = model.run(pack, [Hook(count("prompt"), [1]), Hook(count("all"), [1], generated=True)], max_new_tokens=3)
    assert rows["prompt"] == len(pack)
    assert rows["all"] == len(pack) + reads.stats["generated_tokens"] > len(pack)


def test_a_hooks_own_error_reaches_the_caller(setting: Any) -> None:
    _, model, pack = setting

    def broken(_: HiddenState) -> None:
        raise KeyError("the hook's own")

    with pytest.raises(KeyError, match="the hook's own"):
        model.run(pack, [broken])
    assert model.run(pack).status == ["ok"] * len(pack)


@pytest.mark.parametrize(
    ("hook", "named"),
    [
        (lambda state: state.hidden[:, :3], r"shape \[\d+, 3\] at layer 0"),
        (lambda state: 5, "int"),
        (Hook(lambda state: None, layers=[9]), r"hooks\[0\] names layer 9"),
        (Hook(lambda state: None, layers=[]), "empty list of layers"),
        (
            Hook(lambda state: None, layers="layer.*"),
            r"'layer\.\*' name no state; the names are embed.h and layers.1.h to",
        ),
        (Hook(lambda state: None, positions="image"), "unknown positions 'image'"),  # type: ignore[arg-type]
        (Hook(lambda state: None, positions=[]), "lists no position"),
        (Hook(lambda state: None, positions=[10_000]), "position 10000"),
    ],
)
def test_a_hook_that_does_not_fit_is_refused(setting: Any, hook: Any, named: str) -> None:
    _, model, pack = setting
    with pytest.raises(mc.InvalidArgument, match=named):
        model.run(pack, [hook])
