"""The exporter's proof: the bundle gives what the original model gives, layer by layer.

Three prompts (text only, image only, both) are prepared with the bundle's own processor files, run through the saved
programs with the past cut after the image, and compared with the original's eager run at every layer and position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from modalconflict.bundle import Bundle
from modalconflict.errors import ModelError
from modalconflict.export.parts import Decoder, ImageTensors, ModelParts
from modalconflict.export.programs import LayerProgram, eager_attention, example_positions
from modalconflict.export.runner import BundleRunner
from modalconflict.prepare import Pack, Preparer, RunSpec

# largest |difference| / max(1, largest |reference| of the layer), by the coarser of the two dtypes: rounding of a few
# operations
TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
_SMALL_MODEL_PARAMETERS = 1_000_000_000


def check(model: Any, parts: ModelParts, bundle: Bundle, release: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Compare a freshly written bundle with the model it was made from.

    Parameters
    ----------
    model
        The original.
    parts
        The original taken apart.
    bundle
        The bundle, its weights and programs on disk.
    release
        Called when a layer of the original has run: lets go of memory that can be read again.

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
    own = str(parts.decoder.embed.weight.dtype).removeprefix("torch.")
    tolerance = max(TOLERANCE[bundle.manifest["dtype"]], TOLERANCE[own])
    report: dict[str, Any] = {
        "reference": f"transformers, eager attention, {own}",
        "tolerance": tolerance,
        "prompts": [],
    }
    with eager_attention(model), torch.no_grad(), _few_threads(model):
        for index, spec in enumerate(specs):
            given = _original_inputs(parts, preparer, pack, index, spec)
            report["prompts"].append(_compare(parts, runner, pack, index, spec, given, tolerance, release))
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


def _picture(width: int, height: int) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    x, y = width / 20, height / 20
    draw.ellipse([2 * x, 4 * y, 11 * x, 15 * y], fill=(220, 30, 30))
    draw.rectangle([12 * x, 7 * y, 18 * x, 19 * y], fill=(40, 70, 220))
    return picture


def _specs() -> list[RunSpec]:
    # two sizes and two ratios: what depends on them must not be frozen in a program
    wide, tall = _picture(200, 160), _picture(150, 410)
    text, question = "The circle is green.", "What color is the circle? Answer in one word."
    return [
        RunSpec("parity/text", "text_only", None, text, question, "green", None),
        RunSpec("parity/image", "vision_only", wide, None, question, None, "red"),
        RunSpec("parity/both", "multimodal", tall, text, question, "green", "red"),
    ]


def prepared(pack: Pack, index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
    """Return a run's ids (S,) and its image's inputs of the vision program by name, None without an image."""
    return torch.from_numpy(np.array(pack.ids(index))), pack.image_inputs(index)


def _original_inputs(parts: ModelParts, preparer: Preparer, pack: Pack, index: int, spec: RunSpec) -> ImageTensors:
    """Return what the original model takes besides tokens, and hold prepared tokens and pixels against its processor's."""
    ids, image = prepared(pack, index)
    if parts.original_processor is None:
        return image or {}
    prompt = preparer.prompt(spec)
    images = {} if spec.image is None else {"images": [spec.image]}
    bos = preparer.tokenizer.bos_token
    special = preparer.add_special_tokens and not (bos and prompt.startswith(bos))
    out = parts.original_processor(text=[prompt], return_tensors="pt", add_special_tokens=special, **images)
    if not torch.equal(out["input_ids"][0], ids):
        raise ModelError(f"Preparation gives other tokens than the model's processor for the prompt '{spec.case_id}'.")
    if image is not None:
        pixels = image["pixel_values"]
        difference = float((out["pixel_values"].reshape(pixels.shape) - pixels).abs().max())
        if difference > 1e-5:
            raise ModelError(
                f"Preparation gives pixels that differ by {difference:.2g} from those of the model's processor; "
                "use its Pillow backend (backend='pil')."
            )
    return {name: tensor for name, tensor in out.items() if name not in ("input_ids", "attention_mask")}


def _compare(
    parts: ModelParts,
    runner: BundleRunner,
    pack: Pack,
    index: int,
    spec: RunSpec,
    given: ImageTensors,
    tolerance: float,
    release: Callable[[], None],
) -> dict[str, Any]:
    ids, image = prepared(pack, index)
    places = (ids == parts.image_token_id).nonzero()
    cut = int(places[-1]) + 1 if len(places) else len(ids) // 2
    expected, logits = original_run(parts, ids, given, release)
    walk = runner.run(ids, image, cut, torch.from_numpy(pack.positions(index)))
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
        "answer_max_abs": float((walk.hidden[:, -1].float() - expected[:, -1].float()).abs().max()),
        "hidden_max_scaled": max(scaled for _, scaled in layers),
        "logits_max_abs": head[0],
        "logits_max_scaled": head[1],
        "top1_equal": bool((walk.logits.argmax(-1) == logits.argmax(-1)).all()),
    }


def original_run(
    parts: ModelParts, ids: torch.Tensor, given: ImageTensors, release: Callable[[], None] = lambda: None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the original once, what its layers and the final norm read caught by hooks.

    A state is what the next layer reads: what a model adds between two layers is in it.

    Returns
    -------
    hidden : torch.Tensor
        Shape (layers + 1, S, d), un-normed, in the model's dtype.
    logits : torch.Tensor
        Shape (S, V).
    """
    states: list[torch.Tensor] = []

    def catch(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states.append((args[0] if args else kwargs["hidden_states"])[0])
        release()

    readers = (*parts.decoder.layers, parts.decoder.norm)
    handles = [reader.register_forward_pre_hook(catch, with_kwargs=True) for reader in readers]
    try:
        with torch.no_grad():
            logits = parts.reference(ids[None], given)[0]
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
        rope = decoder.rope(0)
        dims = runner.manifest["ropes"][rope]["position_dims"]
        cos, sin = runner._ropes[rope](example_positions(dims, batch, past, length))
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
