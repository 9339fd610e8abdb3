"""The exporter's proof: the bundle gives what the original model gives, layer by layer.

Three prompts (text only, image only, both) are prepared with the bundle's own processor files, run through the saved
programs with the past cut after the image, and compared with the original's eager run at every layer and position.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from modalconflict.bundle import Bundle
from modalconflict.errors import ModelError
from modalconflict.export.parts import Decoder, ModelParts
from modalconflict.export.programs import LayerProgram, eager_attention
from modalconflict.export.runner import BundleRunner
from modalconflict.prepare import Pack, Preparer, RunSpec

# largest |difference| / max(1, largest |reference| of the layer), by the bundle's dtype: rounding of a few operations
TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
_SMALL_MODEL_PARAMETERS = 1_000_000_000


def check(model: Any, parts: ModelParts, bundle: Bundle) -> dict[str, Any]:
    """Compare a freshly written bundle with the model it was made from.

    Parameters
    ----------
    model
        The original.
    parts
        The original taken apart.
    bundle
        The bundle, its weights and programs on disk.

    Returns
    -------
    dict
        The manifest's ``parity`` entry: tolerance, and a prompt's differences a layer.

    Raises
    ------
    ModelError
        If a layer, the logits, the tokens or the pixels differ beyond the tolerance.
    """
    preparer = Preparer(bundle)
    specs = _specs()
    pack = preparer.prepare(specs)
    runner = BundleRunner(bundle)
    tolerance = TOLERANCE[bundle.manifest["dtype"]]
    report: dict[str, Any] = {
        "reference": f"transformers, eager attention, {str(parts.decoder.embed.weight.dtype).removeprefix('torch.')}",
        "tolerance": tolerance,
        "prompts": [],
    }
    with eager_attention(model), torch.no_grad(), _few_threads(model):
        for index, spec in enumerate(specs):
            _check_preparation(parts, preparer, pack, index, spec)
            report["prompts"].append(_compare(parts, runner, pack, index, spec, tolerance))
        report["other_shapes"] = _check_shapes(parts.decoder, runner, tolerance)
    return report


@contextmanager
def _few_threads(model: Any) -> Iterator[None]:
    """Use one thread for a small model: on a busy machine its short matrices' threads mostly wait for each other."""
    before = torch.get_num_threads()
    small = sum(parameter.numel() for parameter in model.parameters()) < _SMALL_MODEL_PARAMETERS
    try:
        if small:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def _specs() -> list[RunSpec]:
    picture = Image.new("RGB", (200, 160), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse([20, 30, 110, 120], fill=(220, 30, 30))
    draw.rectangle([120, 60, 180, 150], fill=(40, 70, 220))
    text, question = "The circle is green.", "What color is the circle? Answer in one word."
    return [
        RunSpec("parity/text", "text_only", None, text, question, "green", None),
        RunSpec("parity/image", "vision_only", picture, None, question, None, "red"),
        RunSpec("parity/both", "multimodal", picture, text, question, "green", "red"),
    ]


def _inputs(pack: Pack, index: int) -> tuple[torch.Tensor, torch.Tensor | None]:
    image = int(pack.arrays["image_index"][index])
    pixels = None if image < 0 else torch.from_numpy(pack.arrays[f"pixel_values.{image}"])
    return torch.from_numpy(np.array(pack.ids(index))), pixels


def _check_preparation(parts: ModelParts, preparer: Preparer, pack: Pack, index: int, spec: RunSpec) -> None:
    """Compare prepared tokens and pixels with those of the original processor, where there is one to ask."""
    if parts.original_processor is None:
        return
    ids, pixels = _inputs(pack, index)
    prompt = preparer.prompt(spec)
    images = {} if spec.image is None else {"images": [spec.image]}
    bos = preparer.tokenizer.bos_token
    special = not (bos and prompt.startswith(bos))
    out = parts.original_processor(text=[prompt], return_tensors="pt", add_special_tokens=special, **images)
    if not torch.equal(out["input_ids"][0], ids):
        raise ModelError(f"Preparation gives other tokens than the model's processor for the prompt '{spec.case_id}'.")
    if pixels is not None:
        difference = float((out["pixel_values"] - pixels).abs().max())
        if difference > 1e-5:
            raise ModelError(
                f"Preparation gives pixels that differ by {difference:.2g} from those of the model's processor; "
                "use its Pillow backend (backend='pil')."
            )


def _compare(
    parts: ModelParts, runner: BundleRunner, pack: Pack, index: int, spec: RunSpec, tolerance: float
) -> dict[str, Any]:
    ids, pixels = _inputs(pack, index)
    places = (ids == parts.image_token_id).nonzero()
    cut = int(places[-1]) + 1 if len(places) else len(ids) // 2
    expected, logits = original_run(parts, ids, pixels)
    walk = runner.run(ids, pixels, cut)
    layers = [_difference(a, b) for a, b in zip(walk.hidden, expected, strict=True)]
    head = _difference(walk.logits, logits)
    for depth, (_, scaled) in enumerate((*layers, head)):
        if not scaled <= tolerance:
            place = f"layer {depth}" if depth < len(layers) else "the logits"
            raise ModelError(
                f"The exported program differs from the model by {scaled:.3g} at {place} of the {spec.condition} "
                f"prompt, where {tolerance:g} is allowed; the family's recipe does not fit this model."
            )
    return {
        "condition": spec.condition,
        "tokens": len(ids),
        "prefix": cut,
        "hidden_max_abs": [absolute for absolute, _ in layers],
        "answer_max_abs": float((walk.hidden[:, -1].float() - expected[:, -1]).abs().max()),
        "hidden_max_scaled": max(scaled for _, scaled in layers),
        "logits_max_abs": head[0],
        "logits_max_scaled": head[1],
        "top1_equal": bool((walk.logits.argmax(-1) == logits.argmax(-1)).all()),
    }


def original_run(
    parts: ModelParts, ids: torch.Tensor, pixels: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the original once, its layers' inputs and outputs caught by hooks.

    Returns
    -------
    hidden : torch.Tensor
        Shape (layers + 1, S, d), un-normed, float32.
    logits : torch.Tensor
        Shape (S, V), float32.
    """
    states: list[torch.Tensor] = []

    def catch_input(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states.append((args[0] if args else kwargs["hidden_states"])[0].float())

    def catch_output(_: Any, __: Any, out: Any) -> None:
        states.append((out[0] if isinstance(out, tuple) else out)[0].float())

    layers = parts.decoder.layers
    handles = [layers[0].register_forward_pre_hook(catch_input, with_kwargs=True)]
    handles += [layer.register_forward_hook(catch_output) for layer in layers]
    try:
        with torch.no_grad():
            logits = parts.reference(ids[None], pixels)[0].float()
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(states), logits


def _check_shapes(decoder: Decoder, runner: BundleRunner, tolerance: float) -> list[dict[str, Any]]:
    """Compare the first layer's program with the layer on batches, lengths and pasts it was not traced with."""
    sizes = decoder.sizes
    generator = torch.Generator().manual_seed(0)
    own = decoder.embed.weight.dtype
    layer = LayerProgram(decoder.layers[0]).eval()
    found = []
    for batch, length, past in ((1, 1, 0), (1, 9, 0), (3, 1, 11), (4, 7, 2)):
        h = torch.randn(batch, length, sizes["hidden"], generator=generator)
        shape = (batch, sizes["kv_heads"], past, sizes["head_dim"])
        key, value = (torch.randn(shape, generator=generator) for _ in range(2))
        cos, sin = runner._rotary(torch.arange(past, past + length).expand(batch, length))
        mask = runner.mask({"mask": "causal"}, past, past + length).expand(batch, 1, length, past + length)
        ours = runner._layers[0](h.to(runner.dtype), cos, sin, mask, key.to(runner.dtype), value.to(runner.dtype))
        theirs = layer(h.to(own), cos.to(own), sin.to(own), mask.to(own), key.to(own), value.to(own))
        scaled = max(_difference(a, b)[1] for a, b in zip(ours, theirs, strict=True))
        if not scaled <= tolerance:
            raise ModelError(
                f"The layer program differs by {scaled:.3g} on batch {batch}, length {length}, past {past}: its shapes "
                "were frozen by tracing; the family's recipe does not fit this model."
            )
        found.append({"batch": batch, "length": length, "past": past, "max_scaled": scaled})
    return found


def _difference(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[float, float]:
    """Return the largest difference, and the same over the reference's largest value where that exceeds 1."""
    theirs = theirs.float()
    absolute = float((ours.float() - theirs).abs().max())
    return absolute, absolute / max(1.0, float(theirs.abs().max()))
