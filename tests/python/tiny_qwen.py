"""Tiny random Qwen2-VL, Qwen2.5-VL and Qwen3-VL with their real processors and a tokenizer trained here."""

from __future__ import annotations

from functools import cache
from typing import Any

from transformers import PreTrainedTokenizerFast, Qwen2VLImageProcessorPil

from modalconflict.processors import image_only
from tiny_models import tiny_tokenizer, widen_

MARKS = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}SYSTEM{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


@cache
def qwen_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that knows Qwen's marks, and like Qwen's begins no prompt with one of its own."""
    from tokenizers.processors import TemplateProcessing

    core = tiny_tokenizer().backend_tokenizer
    core.add_special_tokens(list(MARKS))
    core.post_processor = TemplateProcessing(single="$A")
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    )


def qwen_processor(family: str, patch: int, *, system: bool = True, **pixels: Any) -> Any:
    """The family's own processor; images become 1 x 1 to 4 x 4 or so image tokens of 2 x 2 patches."""
    import transformers

    kind = {"qwen2_vl": "Qwen2VLProcessor", "qwen2_5_vl": "Qwen2_5_VLProcessor", "qwen3_vl": "Qwen3VLProcessor"}[family]
    limits = {"min_pixels": (2 * patch) ** 2, "max_pixels": 40 * (2 * patch) ** 2} | pixels
    images = Qwen2VLImageProcessorPil(patch_size=patch, **limits)
    template = TEMPLATE.replace("SYSTEM", SYSTEM if system else "")
    return image_only(getattr(transformers, kind))(images, qwen_tokenizer(), chat_template=template)


def _text(tokenizer: PreTrainedTokenizerFast, **changes: Any) -> dict[str, Any]:
    values = {
        "vocab_size": len(tokenizer) + 5, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
        "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 2, 2]},
        "tie_word_embeddings": False,
    }  # fmt: skip
    return values | changes


def _marks(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    names = {"vision_start_token_id": 2, "vision_end_token_id": 3, "image_token_id": 4, "video_token_id": 5}
    return {name: tokenizer.convert_tokens_to_ids(MARKS[mark]) for name, mark in names.items()}


def tiny_qwen(family: str, seed: int = 0, layers: int = 3, tied: bool = False) -> tuple[Any, Any]:
    """Return a random model of a family, its vision tower 4 blocks deep, and its processor."""
    import transformers

    tokenizer = qwen_tokenizer()
    common = _marks(tokenizer) | {"tie_word_embeddings": tied}
    if family == "qwen2_vl":
        config = transformers.Qwen2VLConfig(
            text_config=_text(tokenizer, num_hidden_layers=layers, tie_word_embeddings=tied),
            vision_config={
                "depth": 4, "embed_dim": 32, "hidden_size": 48, "num_heads": 2, "mlp_ratio": 2, "patch_size": 6,
                "spatial_merge_size": 2, "temporal_patch_size": 2,
            },
            **common,
        )  # fmt: skip
        model: Any = transformers.Qwen2VLForConditionalGeneration(config)
    elif family == "qwen2_5_vl":
        config = transformers.Qwen2_5_VLConfig(
            text_config=_text(tokenizer, num_hidden_layers=layers, tie_word_embeddings=tied),
            vision_config={
                "depth": 4, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 48,
                "patch_size": 6, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 36,
                "fullatt_block_indexes": [1, 3],
            },
            **common,
        )  # fmt: skip
        model = transformers.Qwen2_5_VLForConditionalGeneration(config)
    else:
        config = transformers.Qwen3VLConfig(
            text_config=_text(tokenizer, num_hidden_layers=layers, head_dim=16, tie_word_embeddings=tied)
            | {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}},
            vision_config={
                "depth": 4, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "out_hidden_size": 48,
                "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 25,
                "deepstack_visual_indexes": [0, 2],
            },
            **common,
        )  # fmt: skip
        model = transformers.Qwen3VLForConditionalGeneration(config)
    model = model.eval()
    widen_(model, seed)
    if tied:
        model.tie_weights()
    return model, qwen_processor(family, 8 if family == "qwen3_vl" else 6, system=family != "qwen3_vl")
