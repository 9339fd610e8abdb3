"""Programs for the second runtime: torch.export, then AOTInductor, packaged as .pt2 without weights.

A package holds machine code for the processor it was compiled on. Its weights stay in the bundle's safetensors files and
are bound when it runs, as a TorchScript program's are.
"""

from __future__ import annotations

import copy
import json
import math
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modalconflict.errors import IoError, ModelError

SUFFIX = ".pt2"

# Inductor writes vectors of at most so many elements into its code as literals
_INLINED = 8
_FREE_DIMS = {
    # dimensions that vary from call to call, an input each: batch, sequence, keys
    "layer": ((0, 1), (0, 1), (0, 1), (0, 2, 3), (0, 2), (0, 2)),
}


def require_compiler() -> None:
    """Raise `IoError` unless there is a C++ compiler for AOTInductor to call."""
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except (InvalidCxxCompiler, RuntimeError, OSError) as error:
        raise IoError(
            "The runtime 'aoti' compiles programs when a model is exported and finds no C++ compiler; install g++ "
            "(Debian: apt install g++), or export with the runtime 'torchscript'"
        ) from error


def compile_program(module: nn.Module, example: tuple[torch.Tensor, ...], kind: str, path: Path) -> None:
    """Compile one program and write its package.

    Parameters
    ----------
    module
        A weightless program (`modalconflict.export.programs.weightless`).
    example
        Inputs of the kind it takes; the dimensions that vary must be larger than 1 and unlike each other.
    kind
        "layer", "rotary", "vision" or "projector", maybe with a number behind it.
    path
        The package to write, ending in .pt2.

    Raises
    ------
    IoError
        If there is no C++ compiler.
    ModelError
        If the program cannot be exported or compiled.
    """
    require_compiler()
    program = _with_room(module)
    weights: dict[str, dict[str, Any]] = {
        name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
        for name, tensor in (*program.named_parameters(), *program.named_buffers())
    }
    described = {"inputs": len(example), "cpu": torch.backends.cpu.get_cpu_capability(), "weights": weights}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            exported = torch.export.export(program, example, dynamic_shapes=_dims(kind, example), strict=False)
            torch._inductor.aoti_compile_and_package(
                exported,
                package_path=str(path),
                inductor_configs={
                    "aot_inductor.package_constants_in_so": False,
                    "aot_inductor.metadata": {"modalconflict": json.dumps(described)},
                },
            )
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0][:200]
        raise ModelError(
            f"The program '{kind}' cannot be compiled by AOTInductor ({type(error).__name__}: {line}); export with the "
            "runtime 'torchscript'."
        ) from error
    constants = set(AotiProgram(path).constants)
    unknown = sorted(constants - weights.keys())
    if unknown:
        raise ModelError(
            f"The program '{kind}' holds the constant '{unknown[0]}', which is neither a parameter nor a buffer; register "
            "it as a buffer."
        )
    if kind.split("_")[0] == "layer":
        # the compiler writes tiny vectors into the code, and one layer's code serves its like
        written = [n for n, entry in weights.items() if n not in constants and math.prod(entry["shape"]) <= _INLINED]
        if written:
            raise ModelError(
                f"The layer's tensor '{written[0]}' has at most {_INLINED} elements, which AOTInductor writes into the code; "
                "export with the runtime 'torchscript'."
            )


def _with_room(module: nn.Module) -> nn.Module:
    """Copy a weightless module with dense tensors in place of its one-element stand-ins: the compiler reads strides.

    The memory is reserved and not touched, so it is never taken. Tiny tensors keep their values.
    """
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(_dense(parameter), requires_grad=False)
    for buffer in module.buffers():
        memo.setdefault(id(buffer), _dense(buffer))
    duplicate: nn.Module = copy.deepcopy(module, memo)
    return duplicate.eval()


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone() if tensor.numel() <= _INLINED else torch.empty(tensor.shape, dtype=tensor.dtype)


def _dims(kind: str, example: tuple[torch.Tensor, ...]) -> tuple[dict[int, Any], ...]:
    # AUTO and not a named Dim: only so can the mask's last dimension be the sequence's plus the past's
    free = torch.export.Dim.AUTO
    base = kind.split("_")[0]
    if base == "rotary":
        wanted: tuple[tuple[int, ...], ...] = tuple((x.ndim - 2, x.ndim - 1) for x in example)
    else:
        wanted = _FREE_DIMS.get(base, tuple((0,) for _ in example))
    return tuple({dim: free for dim in dims} for dims in wanted)


class AotiProgram:
    """A package in Python, called like a TorchScript program.

    Parameters
    ----------
    path
        A .pt2 file; loading it runs its code.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._program = torch._inductor.aoti_load_package(str(path))
        self.constants: list[str] = list(self._program.loader.get_constant_fqns())
        self._described = json.loads(self._program.loader.get_metadata()["modalconflict"])
        self._held: dict[str, torch.Tensor] = {}

    def bind(self, tensors: dict[str, torch.Tensor], prefix: str) -> None:
        """Give it the tensors ``prefix + name``, sharing their memory.

        Raises
        ------
        ModelError
            If one is missing or of another shape or dtype.
        """
        for name in self.constants:
            tensor, entry = tensors.get(prefix + name), self._described["weights"][name]
            if tensor is None:
                raise ModelError(f"The weights lack the tensor '{prefix + name}', which a program asks for.")
            if list(tensor.shape) != entry["shape"] or str(tensor.dtype) != f"torch.{entry['dtype']}":
                raise ModelError(
                    f"The tensor '{prefix + name}' is {tensor.dtype} {tuple(tensor.shape)} where its program asks for "
                    f"torch.{entry['dtype']} {tuple(entry['shape'])}."
                )
            self._held[name] = tensor.contiguous()
        self._program.load_constants(self._held, check_full_update=True, user_managed=True)

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Run it; inputs are made dense first, since the machine code does not look at strides."""
        return self._program(*(x.contiguous() for x in inputs))
