"""Writing a bundle: programs, weights, processor files, manifest; whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modalconflict.bundle import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    RUNTIMES,
    Bundle,
    check_manifest,
    load_bundle,
    sha256_of,
)
from modalconflict.errors import InvalidArgument, ModelError
from modalconflict.export import aoti, parity, programs
from modalconflict.export.partial import PartialFolder
from modalconflict.export.parts import ModelParts, Progress
from modalconflict.export.registry import family_of, recipe_for
from modalconflict.export.weights import ShardWriter
from modalconflict.folders import require_free

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# a program this large carries weights: a layer's takes tens of kilobytes, a tower's a few per block
_MAX_PROGRAM_BYTES = 4 << 20
# machine code is larger: one to two megabytes a layer, more for a tower
_MAX_PACKAGE_BYTES = 64 << 20


def export_model(
    model: nn.Module,
    processor: Any,
    out: str | Path,
    dtype: str | torch.dtype | None = None,
    progress: Progress | None = None,
    *,
    runtime: str = "torchscript",
    fingerprint: str | None = None,
    release: Callable[[], None] | None = None,
) -> Bundle:
    """Export a multimodal model as a bundle, verified against the original before it takes its name.

    Parameters
    ----------
    model
        A model of a known family (`known_families`), in evaluation mode, on the CPU.
    processor
        Its processor; pocket's is its tokenizer.
    out
        The bundle's folder, absent or empty. Everything is written into a hidden folder beside it, which is renamed at
        the end: a killed export leaves no bundle.
    dtype
        "float32", "float16" or "bfloat16"; None keeps the model's.
    progress
        Called as ``progress(stage, done, total)``.
    runtime
        "torchscript", or "aoti": programs compiled by AOTInductor for this machine's processor, which takes g++ and
        minutes (docs/runtimes.md).
    fingerprint
        What identifies the model's weights. An export that was killed is gone on with by the next one of the same
        fingerprint and settings; without one it starts anew. `export_path` gives the files'.
    release
        Called when a tensor has been written or a layer run: lets go of memory that can be read again.

    Returns
    -------
    Bundle

    Raises
    ------
    InvalidArgument
        If the dtype is not one of the three, or the model is in training mode or not on the CPU.
    IoError
        If `out` is taken or cannot be written.
    ModelError
        If the family is unknown, the model cannot be traced, or the bundle differs from the model.

    Examples
    --------
    >>> from modalconflict.pocket import load_pocket                      # doctest: +SKIP
    >>> bundle = export_model(*load_pocket(), "pocket.bundle")            # doctest: +SKIP
    >>> bundle.sizes["layers"]                                            # doctest: +SKIP
    30
    """
    target = Path(out)
    require_free(target, "bundle")
    if model.training:
        raise InvalidArgument("The model is in training mode, where dropout is active; call model.eval() first.")
    if runtime not in RUNTIMES:
        raise InvalidArgument(f"The runtime '{runtime}' is unknown; use {' or '.join(RUNTIMES)}.")
    if runtime == "aoti":
        aoti.require_compiler()
    parts = recipe_for(family_of(model))(model, processor)
    elsewhere = next((p.device for p in model.parameters() if p.device.type != "cpu"), None)
    if elsewhere is not None:
        raise InvalidArgument(f"The model has weights on '{elsewhere}'; load it whole on the CPU and export again.")
    wanted = _dtype(dtype, parts.decoder.embed.weight.dtype)
    if fingerprint is not None:
        settings = [fingerprint, parts.family, str(wanted), runtime, *_versions().values()]
        fingerprint = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    with PartialFolder(target, fingerprint) as partial:
        _write(model, parts, partial, wanted, runtime, progress or _silent, release or (lambda: None))
        partial.finish()
    return load_bundle(target, verify=False)


def _write(
    model: nn.Module,
    parts: ModelParts,
    partial: PartialFolder,
    dtype: torch.dtype,
    runtime: str,
    progress: Progress,
    release: Callable[[], None],
) -> None:
    folder = partial.path
    dtype_name = str(dtype).removeprefix("torch.")
    (folder / "programs").mkdir()
    (folder / "processor").mkdir()
    traced, names = _trace_all(parts, dtype, progress)
    entries: dict[str, dict[str, Any]] = {}
    for done, (kind, program) in enumerate(traced.items()):
        file = f"programs/{kind}.{dtype_name}{aoti.SUFFIX if runtime == 'aoti' else '.pt'}"
        if runtime == "aoti":
            progress("compiling programs", done, len(traced))
            aoti.compile_program(program.source, program.example, kind, folder / file)
        else:
            programs.save(program, folder / file)
        size = (folder / file).stat().st_size
        if size > (_MAX_PACKAGE_BYTES if runtime == "aoti" else _MAX_PROGRAM_BYTES):
            raise ModelError(f"The program '{kind}' takes {size} bytes: weights escaped binding by name.")
        entries[kind] = {"file": file, "devices": list(program.devices)}
    writer = ShardWriter(folder, finished=partial.finished, note=partial.note, release=release)
    _write_weights(parts, writer, dtype, progress)
    parts.save_processor(folder / "processor")
    manifest = _manifest(parts, dtype, entries, names)
    manifest["runtime"] = runtime
    manifest["weights"] = [shard.name for shard in writer.written]
    known = {shard.name: {"sha256": shard.sha256, "size": shard.size} for shard in writer.written}
    for path in sorted((*(folder / "programs").rglob("*"), *(folder / "processor").rglob("*"))):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            known[name] = {"sha256": sha256_of(path), "size": path.stat().st_size}
    manifest["files"] = dict(sorted(known.items()))
    check_manifest(manifest, folder / MANIFEST)
    progress("comparing with the original", 0, 1)
    manifest["parity"] = parity.check(model, parts, Bundle(folder, manifest, ""), release)
    progress("comparing with the original", 1, 1)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


class _Kinds:
    """Traced programs, one a distinct graph."""

    def __init__(self) -> None:
        self.programs: dict[str, programs.Traced] = {}
        self._by_signature: dict[str, str] = {}

    def add(self, kind: str, program: programs.Traced) -> str:
        """Keep a program unless its like is there; return the name under which it is."""
        if program.signature not in self._by_signature:
            same = sum(name.split("_")[0] == kind for name in self.programs)
            self._by_signature[program.signature] = f"{kind}_{same + 1}" if same else kind
            self.programs[self._by_signature[program.signature]] = program
        return self._by_signature[program.signature]


def _trace_all(
    parts: ModelParts, dtype: torch.dtype, progress: Progress
) -> tuple[dict[str, programs.Traced], dict[str, list[str]]]:
    """Trace every program; return them by name, and the names of the ropes' and of each layer's in order."""
    sizes = parts.decoder.sizes
    batch, length, past = 2, 5, 3
    h = torch.zeros(batch, length, sizes["hidden"], dtype=dtype)
    positions = programs.example_positions(parts.position_dims, batch, past, length)
    mask = torch.zeros(batch, 1, length, past + length, dtype=dtype)
    key = torch.zeros(batch, sizes["kv_heads"], past, sizes["head_dim"], dtype=dtype)
    kinds = _Kinds()
    names: dict[str, list[str]] = {"ropes": [], "layers": []}
    angles = {}
    for name, table in parts.decoder.ropes.items():
        rotary = programs.RotaryProgram(programs.weightless(table, dtype), dtype)
        with torch.no_grad():
            angles[name] = rotary(positions)
        names["ropes"].append(kinds.add("rotary", programs.trace(rotary, (positions,), "rotary table")))
    for index, layer in enumerate(parts.decoder.layers):
        block = programs.weightless(programs.LayerProgram(layer), dtype)
        cos, sin = angles[parts.decoder.rope(index)]
        program = programs.trace(block, (h, cos, sin, mask, key, key.clone()), f"layer {index}")
        names["layers"].append(kinds.add("layer", program))
        progress("tracing layers", index + 1, sizes["layers"])
    _trace_vision(parts, dtype, kinds)
    return kinds.programs, names


def _trace_vision(parts: ModelParts, dtype: torch.dtype, kinds: _Kinds) -> None:
    """Trace the vision tower and the projector; measure a tile's tokens where the recipe does not say how many rows."""
    hidden = parts.decoder.sizes["hidden"]
    example = tuple(programs.vision_input(name, tensor, dtype) for name, tensor in parts.vision_inputs.items())
    vision = programs.weightless(parts.vision, dtype)
    with torch.no_grad():
        out = vision(*example)
    features, *injected = out if isinstance(out, tuple) else (out,)
    rows = features
    kinds.add("vision", programs.trace(vision, example, "vision tower"))
    if parts.projector is not None:
        projector = programs.weightless(parts.projector, dtype)
        with torch.no_grad():
            rows = projector(features)
        kinds.add("projector", programs.trace(projector, (features,), "projector"))
    tiles = parts.image_inputs["kind"] == "tiles"
    if rows.shape[-1] != hidden or (tiles and (rows.ndim != 3 or rows.shape[0] != len(example[0]))):
        wanted = f"({len(example[0])}, n, {hidden})" if tiles else f"(rows, {hidden})"
        raise ModelError(
            f"The projector gives the shape {tuple(rows.shape)} where {wanted} is expected; the family's recipe does not "
            "fit this model."
        )
    if [tuple(tensor.shape) for tensor in injected] != [(rows.numel() // hidden, hidden)] * len(parts.inject):
        raise ModelError(
            f"The vision tower gives {len(injected)} tensors to inject where {len(parts.inject)} of shape "
            f"({rows.numel() // hidden}, {hidden}) are expected; the family's recipe does not fit this model."
        )
    if tiles:
        parts.image_inputs["tokens"] = int(rows.shape[1])


def _write_weights(parts: ModelParts, writer: ShardWriter, dtype: torch.dtype, progress: Progress) -> None:
    decoder = parts.decoder
    units: list[tuple[str, nn.Module]] = [("embed.", decoder.embed)]
    units += [(f"layers.{i}.", programs.LayerProgram(layer)) for i, layer in enumerate(decoder.layers)]
    units += [("norm.", decoder.norm)]
    units += [(_rope_prefix(name), programs.RotaryProgram(table, dtype)) for name, table in decoder.ropes.items()]
    if not decoder.tied:
        units.append(("lm_head.", decoder.head))
    elif decoder.head.bias is not None:
        units.append(("lm_head.", _BiasOnly(decoder.head.bias)))
    units.append(("vision.", parts.vision))
    if parts.projector is not None:
        units.append(("projector.", parts.projector))
    for done, (prefix, module) in enumerate(units, start=1):
        dtypes = programs.stored_dtypes(module, dtype)
        writer.add((prefix + name, tensor, dtypes[id(tensor)]) for name, tensor in programs.named_tensors(module))
        progress("writing weights", done, len(units))
    writer.flush()


def _rope_prefix(name: str) -> str:
    return "rotary." if name == "default" else f"rotary.{name}."


class _BiasOnly(nn.Module):
    """A tied head's bias: its weight is the embedding, stored once."""

    def __init__(self, bias: nn.Parameter) -> None:
        super().__init__()
        self.bias = bias


def _manifest(
    parts: ModelParts, dtype: torch.dtype, entries: dict[str, Any], names: dict[str, list[str]]
) -> dict[str, Any]:
    decoder = parts.decoder
    softcap = getattr(decoder.config, "final_logit_softcapping", None)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "family": parts.family,
        "source": parts.source,
        "dtype": str(dtype).removeprefix("torch."),
        "runtime": "torchscript",
        "versions": _versions(),
        "sizes": decoder.sizes,
        "image_token_id": parts.image_token_id,
        "stop_token_ids": parts.stop_token_ids,
        "prompt": parts.prompt | {"image_inputs": parts.image_inputs},
        "programs": entries,
        # rounded as the model itself rounds it
        "embed": {"weight": "embed.weight", "scale": float(torch.tensor(decoder.embed_scale, dtype=dtype))},
        "ropes": {
            name: {"program": program, "prefix": _rope_prefix(name), "position_dims": parts.position_dims}
            for name, program in zip(decoder.ropes, names["ropes"], strict=True)
        },
        "layers": [
            {"program": kind, "prefix": f"layers.{index}.", "rope": decoder.rope(index), **decoder.mask(index)}
            for index, kind in enumerate(names["layers"])
        ],
        "inject": [{"layer": layer, "output": output} for output, layer in enumerate(parts.inject, start=1)],
        "vision": {"program": "vision", "prefix": "vision.", "inputs": list(parts.vision_inputs)},
        "projector": None if parts.projector is None else {"program": "projector", "prefix": "projector."},
        "unembed": {
            "norm": decoder.norm_spec(),
            "weight": "embed.weight" if decoder.tied else "lm_head.weight",
            "bias": "lm_head.bias" if decoder.head.bias is not None else None,
            "scale": 1.0,
            "softcap": None if softcap is None else float(softcap),
        },
    }


def _dtype(wanted: str | torch.dtype | None, own: torch.dtype) -> torch.dtype:
    chosen = own if wanted is None else _DTYPES.get(str(wanted).removeprefix("torch."))
    if chosen not in _DTYPES.values():
        raise InvalidArgument(f"The dtype '{wanted or own}' cannot be exported; use {', '.join(_DTYPES)}.")
    assert chosen is not None
    return chosen


def _versions() -> dict[str, str]:
    import modalconflict

    return {name: version(name) for name in ("torch", "transformers")} | {"modalconflict": modalconflict.__version__}


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
