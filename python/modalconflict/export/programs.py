"""TorchScript programs without weights: one a distinct kind of layer, bound to weights by name when they run.

A module is copied with one-element stand-ins for its tensors, so that a trace of a large layer costs neither its
memory nor its place on disk. Shapes stay free because they are read from the traced inputs; the same program then
serves every batch, length and past, an empty past included.
"""

from __future__ import annotations

import copy
import inspect
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from modalconflict.errors import ModelError
from modalconflict.export.aoti import SUFFIX, AotiProgram

# tensors a trace may carry: scalars and the like. Anything larger is a weight that escaped binding.
_MAX_CONSTANT_ELEMENTS = 16
_MANGLED = re.compile(r"\.?___torch_mangle_\d+")
_COMMENT = re.compile(r"\s*#.*$", re.MULTILINE)


class PastView:
    """Stands in for transformers' cache inside one layer: holds the past and appends to it."""

    def __init__(self, key: torch.Tensor, value: torch.Tensor) -> None:
        self.key = key
        self.value = value

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append along the sequence axis and return the whole, as a cache does."""
        self.key = torch.cat([self.key, key], dim=2)
        self.value = torch.cat([self.value, value], dim=2)
        return self.key, self.value

    def get_seq_length(self, *_: Any) -> int:
        """Return the number of positions held."""
        return int(self.key.shape[2])


class LayerProgram(nn.Module):
    """``(h, cos, sin, mask, past_k, past_v) -> (h, k, v)`` around one decoder layer."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        # transformers 5.24 renamed the argument; the signature says which name this layer has
        self.past_name = "cache" if "cache" in inspect.signature(block.forward).parameters else "past_key_values"

    def forward(
        self, h: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor,
        past_k: torch.Tensor, past_v: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:  # fmt: skip
        past = PastView(past_k, past_v)
        kept: dict[str, Any] = {self.past_name: past}
        out = self.block(h, attention_mask=mask, position_embeddings=(cos, sin), use_cache=True, **kept)
        return (out[0] if isinstance(out, tuple) else out), past.key, past.value


class RotaryProgram(nn.Module):
    """``position_ids -> (cos, sin)`` in the bundle's dtype."""

    def __init__(self, rotary: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.rotary = rotary
        self.dtype = dtype

    def forward(self, position_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        like = position_ids.to(self.dtype)
        cos, sin = self.rotary(like, position_ids)
        return cos, sin


def vision_input(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return an input of the vision program as it takes it: pixels in the bundle's dtype, others as the pack holds them."""
    return tensor.to(dtype) if name == "pixel_values" else tensor


def named_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every parameter and buffer under the name its program binds it by.

    Batch normalisation's step counter is left out: inference does not read it.
    """
    yield from module.named_parameters()
    for name, buffer in module.named_buffers():
        if name.rsplit(".", 1)[-1] != "num_batches_tracked":
            yield name, buffer


def weightless(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Copy a module with one-element stand-ins for its tensors but the tiniest.

    Parameters
    ----------
    module
        Any module in evaluation mode.
    dtype
        Floating-point tensors of the module's own dtype become this one; others keep theirs, as the rotary
        frequencies, which stay float32 whatever the weights are.

    Returns
    -------
    torch.nn.Module
        The copy; attention set to the fused implementation with an explicit mask.
    """
    dtypes = stored_dtypes(module, dtype)
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(_stand_in(parameter, dtypes), requires_grad=False)
    for buffer in module.buffers():
        memo.setdefault(id(buffer), _stand_in(buffer, dtypes))
    duplicate: nn.Module = copy.deepcopy(module, memo)
    for part in duplicate.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.num_batches_tracked = None
        config = getattr(part, "config", None)
        if config is not None and hasattr(config, "_attn_implementation"):
            config._attn_implementation = "sdpa"
    return duplicate.eval()


def stored_dtypes(module: nn.Module, dtype: torch.dtype) -> dict[int, torch.dtype]:
    """Return the dtype each parameter and buffer of a module is stored in, by the tensor's `id`.

    Floating-point tensors of the module's own dtype, that of its first floating-point parameter, take the bundle's. Other
    tensors keep theirs, and so do buffers that no checkpoint holds, such as rotary frequencies: they are computed, in
    float32 whatever the weights are.
    """
    own = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
    computed = {
        id(buffer)
        for part in module.modules()
        for name, buffer in part.named_buffers(recurse=False)
        if name in part._non_persistent_buffers_set
    }
    return {
        id(tensor): dtype
        if tensor.is_floating_point() and tensor.dtype == own and id(tensor) not in computed
        else tensor.dtype
        for tensor in (*module.parameters(), *module.buffers())
    }


def example_positions(dims: int, batch: int, first: int, length: int) -> torch.Tensor:
    """Return position ids of shape (B, S), or (3, B, S) with rows that differ, to trace or compare with."""
    rows = [torch.arange(first, first + length).expand(batch, length) // (1 + row) for row in range(dims)]
    return torch.stack(rows) if dims > 1 else rows[0].contiguous()


def _stand_in(tensor: torch.Tensor, dtypes: dict[int, torch.dtype]) -> torch.Tensor:
    kind = dtypes[id(tensor)]
    if tensor.numel() <= _MAX_CONSTANT_ELEMENTS:
        return tensor.detach().to(device="cpu", dtype=kind, copy=True)
    return torch.zeros((), dtype=kind).expand(tensor.shape)


@dataclass(frozen=True)
class Traced:
    """A traced program and what identifies its kind.

    Attributes
    ----------
    module
        The TorchScript module.
    signature
        Its inlined graph without mangled names: equal for layers that one program serves.
    devices
        Devices named by constants of the graph; only "cpu" is let through.
    source, example
        What was traced, and on which inputs.
    """

    module: torch.jit.ScriptModule
    signature: str
    devices: tuple[str, ...]
    source: nn.Module
    example: tuple[torch.Tensor, ...]


def trace(module: nn.Module, inputs: tuple[torch.Tensor, ...], what: str) -> Traced:
    """Trace a weightless module and scan its graph.

    Raises
    ------
    ModelError
        If tracing fails, a tensor escaped binding, or the graph names a device other than the CPU.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # the checks a tracer warns of (a length compared with one) are covered by the comparison on other shapes
        warnings.filterwarnings("ignore", category=TracerWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        try:
            traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
        except Exception as error:
            raise ModelError(f"The {what} cannot be traced ({type(error).__name__}: {_line(error)}).") from error
    graph = traced.inlined_graph
    devices, constants = scan(graph, what)
    text = _COMMENT.sub("", _MANGLED.sub("", str(graph)))
    return Traced(traced, text + repr(constants), devices, module, inputs)


def scan(graph: Any, what: str) -> tuple[tuple[str, ...], list[Any]]:
    """Return the devices and small tensor constants of a graph.

    Raises
    ------
    ModelError
        If a constant is a large tensor or a device other than the CPU.
    """
    devices: set[str] = set()
    constants: list[Any] = []
    pending = list(graph.nodes())
    while pending:
        node = pending.pop()
        for block in node.blocks():
            pending.extend(block.nodes())
        if node.kind() != "prim::Constant" or not node.hasAttribute("value"):
            continue
        if node.kindOf("value") == "t":
            tensor = node.t("value")
            if tensor.numel() > _MAX_CONSTANT_ELEMENTS:
                raise ModelError(
                    f"The {what} holds a tensor of shape {tuple(tensor.shape)} that is neither a parameter nor a "
                    "buffer; register it as a buffer."
                )
            constants.append((str(tensor.dtype), tensor.tolist()))
        elif node.output().type().kind() == "DeviceObjType":
            devices.add(node.s("value"))
    foreign = sorted(device for device in devices if device != "cpu")
    if foreign:
        raise ModelError(f"The {what} names the device '{foreign[0]}'; move the model to the CPU and export again.")
    return tuple(sorted(devices)), constants


def save(traced: Traced, path: Path) -> None:
    """Write a program."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        traced.module.save(str(path))


def load(path: Path) -> torch.jit.ScriptModule | AotiProgram:
    """Read a program on the CPU, TorchScript's or AOTInductor's by its file's name."""
    if path.suffix == SUFFIX:
        return AotiProgram(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        program: torch.jit.ScriptModule = torch.jit.load(  # type: ignore[no-untyped-call]
            str(path), map_location="cpu"
        )
    return program


def bind(program: torch.jit.ScriptModule | AotiProgram, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Give a program the tensors ``prefix + name`` for each of its parameters and buffers, sharing their memory.

    Raises
    ------
    ModelError
        If a tensor is missing or of another shape or dtype.
    """
    if isinstance(program, AotiProgram):
        program.bind(tensors, prefix)
        return
    for name, slot in (*program.named_parameters(), *program.named_buffers()):
        tensor = tensors.get(prefix + name)
        if tensor is None:
            raise ModelError(f"The weights lack the tensor '{prefix + name}', which a program asks for.")
        if tensor.shape != slot.shape or tensor.dtype != slot.dtype:
            raise ModelError(
                f"The tensor '{prefix + name}' is {tensor.dtype} {tuple(tensor.shape)} where its program asks for "
                f"{slot.dtype} {tuple(slot.shape)}."
            )
        slot.data = tensor


@contextmanager
def eager_attention(module: nn.Module) -> Iterator[None]:
    """Switch a transformers model to eager attention, and back at the end."""
    configs: dict[int, Any] = {}
    for part in module.modules():
        config = getattr(part, "config", None)
        if config is not None and hasattr(config, "_attn_implementation"):
            configs[id(config)] = config
    before = [(config, config._attn_implementation) for config in configs.values()]
    try:
        for config, _ in before:
            config._attn_implementation = "eager"
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation = implementation


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]
