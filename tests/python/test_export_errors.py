"""What the exporter refuses, and what a refused or killed export leaves behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import modalconflict as mc
from modalconflict.bundle import load_bundle
from modalconflict.errors import InvalidArgument, IoError, ModelError
from modalconflict.export import export_model, export_path, known_families, programs
from modalconflict.export.parts import take_decoder
from tiny_models import TinyConvTower, tiny_llava, tiny_pocket

HERE = Path(__file__).parent

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from tiny_models import tiny_llava
from modalconflict.export import export_model

def progress(stage, done, total):
    if stage == "comparing with the original":
        os.kill(os.getpid(), signal.SIGKILL)

export_model(*tiny_llava(layers=1), sys.argv[2], progress=progress)
"""


def test_killed_export_leaves_no_bundle_and_can_be_repeated(tmp_path: Path) -> None:
    target = tmp_path / "b"
    done = subprocess.run([sys.executable, "-c", KILLED, str(HERE), str(target)], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not target.exists()
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].name == ".b.partial"
    assert (left[0] / "weights-00001.safetensors").is_file(), "it was killed late, with everything but the manifest"
    assert not (left[0] / "bundle.json").exists()
    export_model(*tiny_llava(layers=1), target)
    assert load_bundle(target).sizes["layers"] == 1


def test_error_while_exporting_leaves_nothing(tmp_path: Path) -> None:
    def progress(stage: str, done: int, total: int) -> None:
        if stage == "writing weights":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_model(*tiny_llava(layers=1), tmp_path / "b", progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_taken_target_is_refused_and_untouched(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(IoError, match=r"study' exists already and is not an empty folder"):
        export_model(model, processor, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    with pytest.raises(IoError, match="is a file; name a folder for the bundle"):
        export_model(model, processor, folder / "notes.txt")


def test_empty_target_folder_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "b"
    folder.mkdir()
    export_model(*tiny_llava(layers=1), folder)
    assert {p.name for p in tmp_path.iterdir()} == {"b"}
    load_bundle(folder)


def test_progress_counts_to_the_end_of_every_stage(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    export_model(*tiny_llava(layers=2), tmp_path / "b", progress=lambda *call: calls.append(call))
    last = {stage: (done, total) for stage, done, total in calls}
    assert list(last) == ["tracing layers", "writing weights", "comparing with the original"]
    assert all(done == total for done, total in last.values())


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    before = {name: (tensor.data_ptr(), tensor.clone()) for name, tensor in model.state_dict().items()}
    implementation = model.config.text_config._attn_implementation
    threads = torch.get_num_threads()
    export_model(model, processor, tmp_path / "b")
    assert model.config.text_config._attn_implementation == implementation
    assert torch.get_num_threads() == threads
    for name, tensor in model.state_dict().items():
        assert tensor.data_ptr() == before[name][0] and torch.equal(tensor, before[name][1])


def test_unknown_family_names_the_known_ones_and_the_recipe(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=8, pad_token_id=0
    )
    with pytest.raises(ModelError, match=r"'llama' is not known \(known: .*llava, .*pocket.*\).*register") as caught:
        export_model(LlamaForCausalLM(config).eval(), None, tmp_path / "b")
    assert "\n" not in str(caught.value)
    assert {"llava", "pocket"} <= set(known_families())
    assert list(tmp_path.iterdir()) == []


def test_training_mode_and_dtype_are_checked(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    with pytest.raises(InvalidArgument, match=r"'int8' cannot be exported; use float32, float16, bfloat16"):
        export_model(model, processor, tmp_path / "b", "int8")
    with pytest.raises(InvalidArgument, match=r"training mode.*model\.eval"):
        export_model(model.train(), processor, tmp_path / "b")


def test_processor_of_another_model(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    model.config.image_token_id = 7
    with pytest.raises(ModelError, match=r"'<image>' has the id 4 and the model expects 7"):
        export_model(model, processor, tmp_path / "b")


def test_processor_that_counts_other_image_tokens(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    processor.patch_size = 7
    with pytest.raises(ModelError, match=r"the processor puts 64 image tokens and the model makes 16"):
        export_model(model, processor, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_processor_without_patch_size_and_model_elsewhere(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    with pytest.raises(InvalidArgument, match="weights on 'meta'; load it whole on the CPU"):
        export_model(tiny_llava(layers=1)[0].to("meta"), processor, tmp_path / "b")
    processor.patch_size = None
    with pytest.raises(ModelError, match="does not say its patch_size"):
        export_model(model, processor, tmp_path / "b")


def test_vision_tower_of_another_kind(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    model.config.vision_config.model_type = "pixtral"
    with pytest.raises(ModelError, match=r"'pixtral' is not known to this family.s recipe \(clip_vision_model, siglip"):
        export_model(model, processor, tmp_path / "b")


def test_pocket_tokenizer_without_the_image_token(tmp_path: Path) -> None:
    model, tokenizer = tiny_pocket()
    model.image_token_id = len(tokenizer) + 5
    with pytest.raises(ModelError, match=r"does not read the image token \d+"):
        export_model(model, tokenizer, tmp_path / "b")


def test_projector_of_another_width(tmp_path: Path) -> None:
    model, tokenizer = tiny_pocket()
    model.projector.out = nn.Linear(24, 40)
    with pytest.raises(ModelError, match=r"gives the shape \(2, 16, 40\).*\(2, n, 48\) is expected"):
        export_model(model, tokenizer, tmp_path / "b")


def test_length_dependent_rope_is_refused() -> None:
    from transformers import LlamaConfig, LlamaModel

    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    config = LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=8,
        rope_parameters=rope, pad_token_id=0,
    )  # fmt: skip
    with pytest.raises(ModelError, match="'dynamic' rope, whose table depends on the length"):
        take_decoder(LlamaModel(config), nn.Linear(16, 8))


def test_module_without_the_pieces_of_a_decoder() -> None:
    with pytest.raises(ModelError, match=r"TinyConvTower has no 'embed_tokens'"):
        take_decoder(TinyConvTower(), nn.Linear(2, 2))


class Captures(nn.Module):
    """Adds a tensor that is neither parameter nor buffer."""

    def __init__(self, elements: int) -> None:
        super().__init__()
        self.hidden = [torch.arange(float(elements))]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.hidden[0].sum() if len(self.hidden[0]) < 17 else x + self.hidden[0]


def test_tensor_that_escapes_binding_is_refused() -> None:
    programs.trace(Captures(3), (torch.zeros(3),), "layer 0")
    with pytest.raises(ModelError, match=r"layer 0 holds a tensor of shape \(17,\).*register it as a buffer"):
        programs.trace(Captures(17), (torch.zeros(17),), "layer 0")


def test_graph_that_names_another_device_is_refused() -> None:
    text = """
    graph(%x : Tensor):
      %device : Device = prim::Constant[value="cuda:0"]()
      %none : NoneType = prim::Constant()
      %false : bool = prim::Constant[value=0]()
      %type : int = prim::Constant[value=6]()
      %y : Tensor = aten::to(%x, %device, %type, %false, %false, %none)
      return (%y)
    """
    graph = torch._C.parse_ir(text)
    with pytest.raises(ModelError, match="layer 3 names the device 'cuda:0'"):
        programs.scan(graph, "layer 3")
    devices, _ = programs.scan(torch._C.parse_ir(text.replace("cuda:0", "cpu")), "layer 3")
    assert devices == ("cpu",)


def test_untraceable_module_is_one_sentence() -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            raise ValueError("first line\nsecond line")

    with pytest.raises(ModelError, match=r"projector cannot be traced \(ValueError: first line\)") as caught:
        programs.trace(Fails(), (torch.zeros(1),), "projector")
    assert "\n" not in str(caught.value)


def test_export_path_loads_a_folder(tmp_path: Path) -> None:
    model, processor = tiny_llava(layers=1)
    model.save_pretrained(tmp_path / "tiny-llava")
    processor.save_pretrained(tmp_path / "tiny-llava")
    bundle = export_path(tmp_path / "tiny-llava", tmp_path / "b")
    assert bundle.manifest["source"] == "tiny-llava"
    direct = mc.export.export_model(model, processor, tmp_path / "c")
    weights = "weights-00001.safetensors"
    assert bundle.manifest["files"][weights] == direct.manifest["files"][weights]


def test_export_path_refuses_before_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(IoError, match=r"model '.*absent' is neither a folder nor in the Hugging Face cache") as caught:
        export_path(tmp_path / "absent", tmp_path / "b")
    assert "\n" not in str(caught.value)
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="'bert' is not known"):
        export_path(folder, tmp_path / "b")
    (folder / "config.json").write_text("{")
    with pytest.raises(IoError, match="cannot be loaded"):
        export_path(folder, tmp_path / "b")
    with pytest.raises(IoError, match="exists already"):
        export_path(tmp_path / "absent", folder)
