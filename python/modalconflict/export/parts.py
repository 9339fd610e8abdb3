"""What a model family must name so that the exporter can take the model apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modalconflict.errors import ModelError

# called as progress(stage, done, total)
Progress = Callable[[str, int, int], None]

# rope kinds whose frequencies depend on the length of the sequence at hand: a trace would freeze one length's
_LENGTH_DEPENDENT_ROPES = frozenset({"dynamic", "longrope"})


@dataclass
class Decoder:
    """The pieces of a decoder-only language model, as transformers names them in the Llama line.

    Attributes
    ----------
    config
        The language model's configuration.
    embed, layers, norm, rotary, head
        Token embedding, decoder layers, final norm, rotary table and unembedding.
    """

    config: Any
    embed: nn.Embedding
    layers: nn.ModuleList
    norm: nn.Module
    rotary: nn.Module
    head: nn.Linear

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

    def mask(self, index: int) -> dict[str, Any]:
        """Return the mask entry of layer `index`: causal, or sliding with its window in tokens."""
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
        return {"kind": kind, "weight": "norm.weight", "bias": "norm.bias" if bias else None, "eps": eps, "offset": 0.0}

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
        ``vision(pixel_values[T, 3, H, W]) -> [T, n, dv]``; parameters and buffers under the names to be stored.
    projector
        ``projector([T, n, dv]) -> [T, n, d]``.
    pixel_shape
        ``(3, H, W)`` of one prepared image.
    image_token_id, stop_token_ids
        Token ids.
    prompt
        How `modalconflict.prepare` builds text and pixels: the manifest's ``prompt`` entry.
    save_processor
        Writes tokenizer and processor files into the folder it is given.
    reference
        ``reference(ids[1, S], pixel_values[T, 3, H, W] | None) -> logits[1, S, V]`` by the original model.
    original_processor
        A processor that can be asked for ``(text=, images=)`` to check preparation against, or None.
    """

    family: str
    source: str
    decoder: Decoder
    vision: nn.Module
    projector: nn.Module
    pixel_shape: tuple[int, int, int]
    image_token_id: int
    stop_token_ids: list[int]
    prompt: dict[str, Any]
    save_processor: Callable[[Path], None]
    reference: Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]
    original_processor: Any = None
    extra: dict[str, Any] = field(default_factory=dict)


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
    rope = (getattr(language_model.config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rope in _LENGTH_DEPENDENT_ROPES:
        raise ModelError(f"The language model {name} uses '{rope}' rope, whose table depends on the length at hand.")
    if not isinstance(head, nn.Linear):
        raise ModelError(f"The unembedding of {name} is a {type(head).__name__}, not a linear layer.")
    return Decoder(
        config=language_model.config,
        embed=language_model.embed_tokens,  # type: ignore[arg-type]
        layers=language_model.layers,  # type: ignore[arg-type]
        norm=language_model.norm,  # type: ignore[arg-type]
        rotary=language_model.rotary_emb,  # type: ignore[arg-type]
        head=head,
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
