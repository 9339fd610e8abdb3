"""What a model family must name so that the exporter can take the model apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError

# called as progress(stage, done, total)
Progress = Callable[[str, int, int], None]

# tensors of one image by name
ImageTensors = Mapping[str, torch.Tensor]

# rope kinds whose frequencies depend on the length of the sequence at hand: a trace would freeze one length's
_LENGTH_DEPENDENT_ROPES = frozenset({"dynamic", "longrope"})


@dataclass
class Decoder:
    """The pieces of a decoder-only language model, as transformers names them in the Llama line.

    Attributes
    ----------
    config
        The language model's configuration.
    embed, layers, norm, head
        Token embedding, decoder layers, final norm and unembedding.
    ropes
        Rotary tables by name, each called as ``table(x, position_ids) -> (cos, sin)``.
    layer_ropes
        The table each layer uses; None: all layers use the only one.
    embed_scale
        What embedding rows are multiplied by before the first layer; the image's rows are not.
    norm_offset
        Added to the final norm's weight.
    image_blocks
        Whether the tokens of one image see each other, the later ones too.
    """

    config: Any
    embed: nn.Embedding
    layers: nn.ModuleList
    norm: nn.Module
    head: nn.Linear
    ropes: dict[str, nn.Module]
    layer_ropes: list[str] | None = None
    embed_scale: float = 1.0
    norm_offset: float = 0.0
    image_blocks: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes written into the manifest."""
        heads = int(self.config.num_attention_heads)
        hidden = int(self.config.hidden_size)
        return {
            "hidden": hidden,
            "layers": len(self.layers),
            "vocab": int(self.head.weight.shape[0]),
            "heads": heads,
            "kv_heads": int(getattr(self.config, "num_key_value_heads", None) or heads),
            "head_dim": int(getattr(self.config, "head_dim", None) or hidden // heads),
            "max_positions": int(self.config.max_position_embeddings),
        }

    def rope(self, index: int) -> str:
        """Return the name of the rotary table of layer `index`."""
        return next(iter(self.ropes)) if self.layer_ropes is None else self.layer_ropes[index]

    def mask(self, index: int) -> dict[str, Any]:
        """Return the mask entry of layer `index`: causal or sliding with its window in tokens, and whether images see ahead."""
        entry = self._text_mask(index)
        if self.image_blocks:
            entry["mask"] += "_bidirectional_image"
        return entry

    def _text_mask(self, index: int) -> dict[str, Any]:
        kinds = getattr(self.config, "layer_types", None)
        window = getattr(self.config, "sliding_window", None)
        if kinds is not None:
            if kinds[index] == "full_attention":
                return {"mask": "causal"}
            if kinds[index] == "sliding_attention" and window:
                return {"mask": "sliding", "window": int(window)}
            raise ModelError(f"Layer {index} attends by '{kinds[index]}', which a bundle cannot express.")
        if window and getattr(self.config, "use_sliding_window", True):
            return {"mask": "sliding", "window": int(window)}
        return {"mask": "causal"}

    def norm_spec(self) -> dict[str, Any]:
        """Return the final norm's kind and numbers; its tensors are named ``norm.weight`` and ``norm.bias``."""
        bias = getattr(self.norm, "bias", None) is not None
        if isinstance(self.norm, nn.LayerNorm):
            kind, eps = "layer", float(self.norm.eps)
        elif "RMSNorm" in type(self.norm).__name__:
            kind = "rms"
            eps = float(getattr(self.norm, "variance_epsilon", None) or getattr(self.norm, "eps", None) or 0.0)
        else:
            raise ModelError(f"The final norm is a {type(self.norm).__name__}; a bundle knows RMSNorm and LayerNorm.")
        if not eps > 0.0:
            raise ModelError(f"The final norm {type(self.norm).__name__} does not say its epsilon.")
        return {
            "kind": kind,
            "weight": "norm.weight",
            "bias": "norm.bias" if bias else None,
            "eps": eps,
            "offset": self.norm_offset,
        }

    @property
    def tied(self) -> bool:
        """Whether the unembedding is the embedding, by memory or by value."""
        a, b = self.embed.weight, self.head.weight
        return a.data_ptr() == b.data_ptr() or (a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b))


@dataclass
class ModelParts:
    """A multimodal model taken apart: what every family recipe returns.

    Attributes
    ----------
    family
        The registry's name for the model.
    source
        Where the weights came from: a name, or a path's last part.
    decoder
        The language model's pieces.
    vision
        ``vision(pixel_values[T, 3, H, W]) -> [T, n, dv]``; parameters and buffers under the names to be stored. It may
        take more, in the order of `vision_inputs`, and give [rows, d] where there is no projector.
    vision_inputs
        The tensors `vision` takes, by name, with an example of each to trace with: ``torch.zeros(2, 3, H, W)``.
        Preparation makes them for each image.
    projector
        ``projector([T, n, dv]) -> [T, n, d]``, or None where `vision` gives the language model's rows itself.
    image_token_id, stop_token_ids
        Token ids.
    prompt
        How `modalconflict.prepare` builds text and pixels: the manifest's ``prompt`` entry.
    save_processor
        Writes tokenizer and processor files into the folder it is given.
    reference
        ``reference(ids[1, S], inputs) -> logits[1, S, V]`` by the original model. `inputs` is what the original
        processor gives for the prompt besides its tokens; without such a processor, the pack's tensors of the image.
    original_processor
        A processor that can be asked for ``(text=, images=)`` to check preparation against, or None.
    image_inputs
        Kind and settings of the maker of these tensors (`modalconflict.image_inputs`); by default tiles, whose number
        of tokens is measured.
    position_dims
        Rows of rotary positions: 1, or 3 for time, height and width.
    inject
        Layers, the first being 1, behind which a further output of `vision` each, [rows, d], is added to the states of the
        image's tokens; `vision` then gives a tuple.
    """

    family: str
    source: str
    decoder: Decoder
    vision: nn.Module
    projector: nn.Module | None
    vision_inputs: dict[str, torch.Tensor]
    image_token_id: int
    stop_token_ids: list[int]
    prompt: dict[str, Any]
    save_processor: Callable[[Path], None]
    reference: Callable[[torch.Tensor, ImageTensors], torch.Tensor]
    original_processor: Any = None
    image_inputs: dict[str, Any] = field(default_factory=lambda: {"kind": "tiles"})
    position_dims: int = 1
    inject: tuple[int, ...] = ()


def take_decoder(language_model: nn.Module, head: nn.Module) -> Decoder:
    """Name the pieces of a Llama-like language model.

    Parameters
    ----------
    language_model
        A module with ``embed_tokens``, ``layers``, ``norm``, ``rotary_emb`` and ``config``.
    head
        The unembedding, a linear layer.

    Returns
    -------
    Decoder

    Raises
    ------
    ModelError
        If a piece is missing or its positions depend on the length of the sequence.
    """
    name = type(language_model).__name__
    for piece in ("embed_tokens", "layers", "norm", "rotary_emb", "config"):
        if not hasattr(language_model, piece):
            raise ModelError(f"The language model {name} has no '{piece}', which this family's recipe needs.")
    settings = getattr(language_model.config, "rope_parameters", None) or {}
    for one in (settings, *(value for value in settings.values() if isinstance(value, dict))):
        if (rope := one.get("rope_type", "default")) in _LENGTH_DEPENDENT_ROPES:
            raise ModelError(
                f"The language model {name} uses '{rope}' rope, whose table depends on the length at hand."
            )
    if not isinstance(head, nn.Linear):
        raise ModelError(f"The unembedding of {name} is a {type(head).__name__}, not a linear layer.")
    return Decoder(
        config=language_model.config,
        embed=language_model.embed_tokens,  # type: ignore[arg-type]
        layers=language_model.layers,  # type: ignore[arg-type]
        norm=language_model.norm,  # type: ignore[arg-type]
        head=head,
        ropes={"default": language_model.rotary_emb},  # type: ignore[dict-item]
    )


def source_name(config: Any, fallback: str) -> str:
    """Return a model's name without the folders of the machine it was exported on."""
    name = str(getattr(config, "_name_or_path", "") or "").replace("\\", "/").rstrip("/")
    return name.rsplit("/", 1)[-1] or fallback


def stop_ids(model: Any, tokenizer: Any) -> list[int]:
    """Collect the token ids that end an answer, from the generation settings and the tokenizer."""
    found: list[int] = []
    generation = getattr(model, "generation_config", None)
    configured = getattr(generation, "eos_token_id", None)
    for value in (*(configured if isinstance(configured, (list, tuple)) else [configured]), tokenizer.eos_token_id):
        if value is not None and int(value) not in found:
            found.append(int(value))
    if not found:
        raise ModelError("Neither the model nor its tokenizer names an end-of-sequence token; set eos_token_id.")
    return found


def check_image_token(processor: Any, expected: int, found: int | None = None) -> None:
    """Raise `ModelError` unless the processor puts the token that the model replaces by the image.

    Parameters
    ----------
    processor
        With ``image_token`` and ``image_token_id``.
    expected
        The model's image token.
    found
        The token the processor puts, where that is not its ``image_token_id``.
    """
    found = int(processor.image_token_id if found is None else found)
    if found != int(expected):
        raise ModelError(
            f"The processor's image token '{processor.image_token}' has the id {found} and the model expects "
            f"{int(expected)}; use the processor that belongs to the model."
        )


def prompt_of(processor: Any, *, prefix: str, after_image: str, suffix: str) -> dict[str, Any]:
    """Return a manifest's prompt entry: the processor's chat template, or these segments where it has none."""
    prompt = {"pixels": "processor", "image_token": processor.image_token}
    if getattr(processor, "chat_template", None):
        return prompt | {"style": "chat_template"}
    return prompt | {"style": "segments", "prefix": prefix, "after_image": after_image, "suffix": suffix}


def original_logits(model: Any) -> Callable[[torch.Tensor, ImageTensors], torch.Tensor]:
    """Return a reference that runs a transformers model on its own processor's output, without a cache."""

    def reference(ids: torch.Tensor, inputs: ImageTensors) -> torch.Tensor:
        given = {name: t.to(model.dtype) if t.is_floating_point() else t for name, t in inputs.items()}
        out = model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False, **given)
        logits: torch.Tensor = out.logits
        return logits

    return reference
