"""The bundle on disk: its manifest, its weightless programs, its weights, and what tampering does."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from modalconflict.bundle import load_bundle
from modalconflict.errors import IoError, ModelError
from modalconflict.export import programs
from tiny_bundles import copy_of, tiny_bundle

KINDS = ("llava", "tied", "pocket")


def manifest_of(path: Path) -> dict:
    return json.loads((path / "bundle.json").read_text())


def rewrite(path: Path, **changes: object) -> None:
    (path / "bundle.json").write_text(json.dumps(manifest_of(path) | changes))


def stored(path: Path) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    for name in manifest_of(path)["weights"]:
        tensors |= load_file(path / name)
    return tensors


def test_manifest_states_the_models_own_sizes() -> None:
    model, processor, path = tiny_bundle("llava")
    text = model.config.text_config
    assert load_bundle(path).sizes == {
        "hidden": text.hidden_size,
        "layers": text.num_hidden_layers,
        "vocab": text.vocab_size,
        "heads": text.num_attention_heads,
        "kv_heads": text.num_key_value_heads,
        "head_dim": text.hidden_size // text.num_attention_heads,
        "max_positions": text.max_position_embeddings,
    }
    manifest = manifest_of(path)
    assert manifest["image_token_id"] == model.config.image_token_id
    assert manifest["stop_token_ids"] == [processor.tokenizer.eos_token_id]
    assert manifest["family"] == "llava" and manifest["dtype"] == "float32"
    assert manifest["unembed"]["norm"]["eps"] == text.rms_norm_eps


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_listed_with_its_hash(kind: str) -> None:
    _, _, path = tiny_bundle(kind)
    found = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()} - {"bundle.json"}
    files = manifest_of(path)["files"]
    assert set(files) == found
    for name, entry in files.items():
        data = (path / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert load_bundle(path).sha256 == hashlib.sha256((path / "bundle.json").read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_manifest_holds_no_path_of_this_machine(kind: str, tmp_path: Path) -> None:
    _, _, path = tiny_bundle(kind)
    text = (path / "bundle.json").read_text()
    assert str(path.parent) not in text and str(Path.home()) not in text and str(Path.cwd()) not in text


@pytest.mark.parametrize("kind", KINDS)
def test_one_program_serves_all_layers_and_carries_no_weights(kind: str) -> None:
    _, _, path = tiny_bundle(kind)
    manifest = manifest_of(path)
    assert {layer["program"] for layer in manifest["layers"]} == {"layer"}
    program = programs.load(path / manifest["programs"]["layer"]["file"])
    elements = sum(parameter.numel() for parameter in program.parameters())
    assert elements > 10_000
    assert all(parameter.untyped_storage().nbytes() == 4 for parameter in program.parameters())
    assert (path / manifest["programs"]["layer"]["file"]).stat().st_size < 100_000


def test_program_size_does_not_grow_with_the_layer(tmp_path: Path) -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    sizes = []
    for width in (64, 2048):
        config = LlamaConfig(hidden_size=width, intermediate_size=2 * width, num_attention_heads=4, vocab_size=8)
        config._attn_implementation = "eager"
        block = programs.weightless(programs.LayerProgram(LlamaDecoderLayer(config, 0)), torch.float32)
        cos = torch.zeros(1, 3, width // 4)
        past = torch.zeros(1, 4, 2, width // 4)
        inputs = (torch.zeros(1, 3, width), cos, cos.clone(), torch.zeros(1, 1, 3, 5), past, past.clone())
        file = tmp_path / f"{width}.pt"
        programs.save(programs.trace(block, inputs, "layer"), file)
        sizes.append(file.stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 2_000


@pytest.mark.parametrize("kind", KINDS)
def test_programs_name_only_stored_tensors_of_their_shape(kind: str) -> None:
    _, _, path = tiny_bundle(kind)
    manifest, tensors = manifest_of(path), stored(path)
    parts = [manifest["vision"], manifest["projector"], *manifest["ropes"].values(), *manifest["layers"]]
    used = {manifest["embed"]["weight"], manifest["unembed"]["weight"], manifest["unembed"]["norm"]["weight"]}
    for part in parts:
        program = programs.load(path / manifest["programs"][part["program"]]["file"])
        for name, tensor in (*program.named_parameters(), *program.named_buffers()):
            weight = tensors[part["prefix"] + name]
            assert (weight.shape, weight.dtype) == (tensor.shape, tensor.dtype)
            used.add(part["prefix"] + name)
    assert set(tensors) == used, "a stored tensor that nothing binds"


def test_weights_are_the_models_own() -> None:
    model, _, path = tiny_bundle("llava")
    tensors = stored(path)
    inner = model.model.language_model
    assert torch.equal(tensors["embed.weight"], inner.embed_tokens.weight)
    assert torch.equal(tensors["lm_head.weight"], model.lm_head.weight)
    for index, layer in enumerate(inner.layers):
        for name, parameter in layer.named_parameters():
            assert torch.equal(tensors[f"layers.{index}.block.{name}"], parameter)


@pytest.mark.parametrize("kind", ["tied", "pocket"])
def test_tied_head_is_stored_once(kind: str) -> None:
    _, _, path = tiny_bundle(kind)
    manifest, tensors = manifest_of(path), stored(path)
    assert manifest["unembed"]["weight"] == manifest["embed"]["weight"] == "embed.weight"
    shape = tensors["embed.weight"].shape
    assert [name for name, tensor in tensors.items() if tensor.shape == shape] == ["embed.weight"]


def test_tower_blocks_behind_the_layer_that_is_read_are_not_stored() -> None:
    _, _, path = tiny_bundle("llava")
    blocks = {name.split(".")[2] for name in stored(path) if name.startswith("vision.blocks.")}
    assert blocks == {"0", "1"}, "the tower has three blocks and is read after the second"


def test_batch_norm_statistics_are_stored_and_its_counter_is_not() -> None:
    _, _, path = tiny_bundle("pocket")
    names = set(stored(path))
    assert "vision.stem.1.running_var" in names
    assert not any("num_batches_tracked" in name for name in names)


def test_shards_hold_whole_units_and_are_aligned(tmp_path: Path) -> None:
    from modalconflict.export.weights import ShardWriter

    writer = ShardWriter(tmp_path, cap_bytes=2_000)
    sources = {f"u{i}.{j}": torch.randn(10, 11) for i in range(4) for j in range(2)}
    sources["u0.ids"] = torch.arange(7)
    for i in range(4):
        writer.add((name, t, t.dtype) for name, t in sources.items() if name.startswith(f"u{i}."))
    writer.flush()
    assert len(writer.written) == 2, "880 bytes a unit, 2,000 a shard"
    seen: dict[str, torch.Tensor] = {}
    for shard in writer.written:
        path = tmp_path / shard.name
        assert (8 + int.from_bytes(path.read_bytes()[:8], "little")) % 64 == 0
        with safe_open(path, framework="pt") as stream:
            names = list(stream.keys())
            seen |= {name: stream.get_tensor(name) for name in names}
        assert len({name[:2] for name in names}) == 2
    assert seen.keys() == sources.keys()
    assert all(torch.equal(seen[name], sources[name]) for name in sources)


def test_altered_byte_is_refused(tmp_path: Path) -> None:
    path = copy_of(tiny_bundle("llava")[2], tmp_path)
    file = path / "weights-00001.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(IoError, match=r"weights-00001\.safetensors.*differs from its checksum"):
        load_bundle(path)


def test_truncated_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    path = copy_of(tiny_bundle("llava")[2], tmp_path)
    program = path / "programs" / "layer.float32.pt"
    data = program.read_bytes()
    program.write_bytes(data[:-10])
    with pytest.raises(IoError, match=r"layer\.float32\.pt.*bytes instead of"):
        load_bundle(path)
    program.unlink()
    with pytest.raises(IoError, match=r"lacks its file 'programs/layer\.float32\.pt'"):
        load_bundle(path)
    program.write_bytes(data)
    (path / "processor" / "added.json").write_text("{}")
    with pytest.raises(IoError, match=r"processor/added\.json.*does not list"):
        load_bundle(path)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"format": "other"}, ModelError, "does not describe a bundle"),
        ({"format_version": 99}, ModelError, "format version 99"),
        ({"layers": []}, ModelError, "lists 0 layers where its sizes say 4"),
        ({"unembed": None}, ModelError, 'lacks a valid "unembed"'),
        ({"weights": ["absent.safetensors"]}, ModelError, "without listing its checksum"),
        ({"files": {"../secret": {"sha256": "", "size": 0}}}, IoError, "does not lie inside"),
        ({"files": {"/etc/passwd": {"sha256": "", "size": 0}}}, IoError, "does not lie inside"),
        ({"files": {"a": {"size": 1}}}, ModelError, "no sha256 and size"),
    ],
)
def test_malformed_manifest_is_one_sentence(changes: dict, error: type[Exception], words: str, tmp_path: Path) -> None:
    path = copy_of(tiny_bundle("llava")[2], tmp_path)
    rewrite(path, **changes)
    with pytest.raises(error, match=words) as caught:
        load_bundle(path)
    assert "\n" not in str(caught.value)


def test_folder_without_manifest_and_broken_json(tmp_path: Path) -> None:
    with pytest.raises(IoError, match=r"has no bundle\.json"):
        load_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(IoError, match="not valid JSON"):
        load_bundle(tmp_path)
