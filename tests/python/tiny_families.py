"""Tiny random models of every exported family, with their real processors and a tokenizer trained here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    SiglipVisionConfig,
)

from modalconflict.processors import image_only
from tiny_models import tiny_tokenizer, widen_
from tiny_qwen import QWEN_FAMILIES, tiny_qwen

IMAGE_FIRST = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def chat_template(image: str) -> str:
    """Return a template that puts `image` where a message shows an image."""
    return IMAGE_FIRST.replace("IMAGE", image)


@cache
def _tokenizer_with(**tokens: str) -> PreTrainedTokenizerFast:
    base = tiny_tokenizer()
    base.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>", *tokens.values()]})
    return PreTrainedTokenizerFast(
        tokenizer_object=base.backend_tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"} | tokens,
    )


def _llama(vocabulary: int, layers: int = 3, **changes: Any) -> LlamaConfig:
    values: dict[str, Any] = {
        "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": layers, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": vocabulary, "max_position_embeddings": 2048, "bos_token_id": 1,
        "eos_token_id": 2, "pad_token_id": 3, "tie_word_embeddings": False,
    }  # fmt: skip
    return LlamaConfig(**(values | changes))


def _qwen2(vocabulary: int, layers: int = 3, **changes: Any) -> Qwen2Config:
    values = _llama(vocabulary, layers).to_dict()
    kept = {name: values[name] for name in (
        "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "vocab_size", "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id", "tie_word_embeddings",
    )}  # fmt: skip
    return Qwen2Config(**(kept | changes))


def _finish(model: Any, seed: int) -> Any:
    model = model.eval()
    widen_(model, seed)
    model.tie_weights()
    return model


_TOWER = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 56,
    "patch_size": 14,
}  # fmt: skip


def llava_next(seed: int = 10, layers: int = 3) -> tuple[Any, Any]:
    """LLaVA-1.6: tiles of 56 x 56 pixels, 4 x 4 patches each."""
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration, LlavaNextProcessor
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    tokenizer = _tokenizer_with()
    resolutions = [[56, 112], [112, 56], [112, 112], [56, 168], [168, 56]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**_TOWER),
        text_config=_llama(len(tokenizer), layers),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=resolutions,
        vision_feature_select_strategy="default",
        vision_feature_layer=-2,
        tie_word_embeddings=False,
    )
    processor = LlavaNextProcessor(
        image_processor=LlavaNextImageProcessorPil(
            size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=resolutions
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )
    return _finish(LlavaNextForConditionalGeneration(config), seed), processor


def llava_onevision(seed: int = 11, layers: int = 3, limit: int = 2) -> tuple[Any, Any]:
    """LLaVA-OneVision: tiles of 56 x 56 pixels, 4 x 4 patches each; grids beyond `limit` tiles are shrunk."""
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        LlavaOnevisionProcessor,
    )
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

    tokenizer = _tokenizer_with(video_token="<video>")
    resolutions = [[56 * rows, 56 * columns] for rows in range(1, 4) for columns in range(1, 4)]
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**_TOWER, vision_use_head=False),
        text_config=_qwen2(len(tokenizer), layers, tie_word_embeddings=True),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=resolutions,
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        vision_aspect_ratio=f"anyres_max_{limit}",
        tie_word_embeddings=True,
    )
    processor = image_only(LlavaOnevisionProcessor)(
        image_processor=LlavaOnevisionImageProcessorPil(
            size={"height": 56, "width": 56}, image_grid_pinpoints=resolutions
        ),
        tokenizer=tokenizer,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio=f"anyres_max_{limit}",
        chat_template=chat_template("<image>"),
    )
    return _finish(LlavaOnevisionForConditionalGeneration(config), seed), processor


def gemma3(seed: int = 12, layers: int = 4) -> tuple[Any, Any]:
    """Gemma 3: SigLIP pooled to 2 x 2 tokens, sliding layers but for every third, images seen ahead, a scaled embedding."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, Gemma3TextConfig
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    tokenizer = _tokenizer_with(
        boi_token="<start_of_image>", eoi_token="<end_of_image>", image_token="<image_soft_token>"
    )
    text = Gemma3TextConfig(
        vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=2048, sliding_window=9, query_pre_attn_scalar=16,
        sliding_window_pattern=3, bos_token_id=1, eos_token_id=2, pad_token_id=3,
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    )  # fmt: skip
    config = Gemma3Config(
        text_config=text,
        vision_config=SiglipVisionConfig(**_TOWER, vision_use_head=False),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        image_token_index=tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        tie_word_embeddings=True,
    )
    processor = Gemma3Processor(
        image_processor=Gemma3ImageProcessorPil(size={"height": 56, "width": 56}),
        tokenizer=tokenizer,
        image_seq_length=4,
        chat_template=chat_template("<start_of_image>"),
    )
    return _finish(Gemma3ForConditionalGeneration(config), seed), processor


def internvl(seed: int = 13, layers: int = 3) -> tuple[Any, Any]:
    """InternVL: tiles of 56 x 56 pixels, 2 x 2 tokens each after the pixel shuffle, the whole image last."""
    from transformers import InternVLConfig, InternVLForConditionalGeneration, InternVLProcessor, InternVLVisionConfig
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    tokenizer = _tokenizer_with(
        start_image_token="<img>", end_image_token="</img>", context_image_token="<IMG_CONTEXT>", video_token="<video>"
    )
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(**_TOWER),
        text_config=_qwen2(len(tokenizer), layers),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
        tie_word_embeddings=False,
    )
    processor = image_only(InternVLProcessor)(
        image_processor=GotOcr2ImageProcessorPil(
            size={"height": 56, "width": 56}, crop_to_patches=True, min_patches=1, max_patches=6
        ),
        tokenizer=tokenizer,
        image_seq_length=4,
        chat_template=chat_template("<IMG_CONTEXT>\n"),
    )
    return _finish(InternVLForConditionalGeneration(config), seed), processor


def idefics3(seed: int = 14, layers: int = 3) -> tuple[Any, Any]:
    """Idefics3: tiles of 56 x 56 pixels in rows and columns, 2 x 2 tokens each after the pixel shuffle."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    marks = {f"row_{i}_col_{j}": f"<row_{i}_col_{j}>" for i in range(1, 4) for j in range(1, 4)}
    tokenizer = _tokenizer_with(
        fake="<fake_token_around_image>", end="<end_of_utterance>", whole="<global-img>", **marks
    )
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(size={"longest_edge": 168}, max_image_size={"longest_edge": 56}),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=chat_template("<image>"),
    )
    config = Idefics3Config(
        vision_config=Idefics3VisionConfig(**_TOWER),
        text_config=_llama(len(tokenizer), layers),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        tie_word_embeddings=False,
    )
    return _finish(Idefics3ForConditionalGeneration(config), seed), processor


def smolvlm(seed: int = 15, layers: int = 3) -> tuple[Any, Any]:
    """SmolVLM: as Idefics3, under its own classes, with a tied head."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm import processing_smolvlm
    from transformers.models.smolvlm.configuration_smolvlm import SmolVLMVisionConfig

    # the class refuses to be made without this package, which spells the number of a video's frames
    processing_smolvlm.num2words = processing_smolvlm.num2words or str
    _, like = idefics3()
    processor = image_only(processing_smolvlm.SmolVLMProcessor)(
        image_processor=like.image_processor,
        tokenizer=like.tokenizer,
        image_seq_len=4,
        chat_template=like.chat_template,
    )
    vocabulary = len(processor.tokenizer)
    config = SmolVLMConfig(
        vision_config=SmolVLMVisionConfig(**_TOWER),
        text_config=_llama(vocabulary, layers, tie_word_embeddings=True),
        image_token_id=processor.image_token_id,
        scale_factor=2,
        tie_word_embeddings=True,
    )
    return _finish(SmolVLMForConditionalGeneration(config), seed), processor


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava_next": llava_next,
    "llava_onevision": llava_onevision,
    "gemma3": gemma3,
    "internvl": internvl,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    **{family: partial(tiny_qwen, family) for family in QWEN_FAMILIES},
}

torch.set_num_threads(1)
