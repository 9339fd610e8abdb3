"""Tiny random models with real tokenizers and image processors, made in a second without any download.

Their weights are drawn wider than a trained model's initialisation, so that a wrong mask, position or weight
moves the hidden states far beyond any tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

torch.set_num_threads(1)  # on matrices this small, two threads only wait for each other

COLORS = ("red", "yellow", "blue", "green", "purple", "orange")
SHAPES = ("circle", "square", "triangle", "pentagon", "star", "diamond", "hexagon", "cross")
IMAGE_TOKEN = "<image>"


def corpus() -> list[str]:
    """Return the sentences the tiny tokenizer is trained on: the study's own wording."""
    lines = ["USER: ASSISTANT:", "Answer in one word.", "The answer is the same as the color of an object."]
    for shape in SHAPES:
        lines.append(f"What color is the {shape}? Answer in one word.")
        for color in COLORS:
            lines += [f"The {shape} is {color}.", f" {color.capitalize()} {color} {color.upper()}"]
    return lines


def tiny_tokenizer(vocab_size: int = 480) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer on `corpus`; it adds ``<s>`` and knows the token ``<image>``."""
    core = Tokenizer(models.BPE(unk_token=None))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>", IMAGE_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(corpus(), trainer)
    core.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": IMAGE_TOKEN},
    )


def widen_(module: nn.Module, seed: int) -> None:
    """Redraw every floating-point parameter so that activations are of order one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim >= 2:
                fan_in = parameter[0].numel()
                parameter.normal_(0.0, 1.0 / fan_in**0.5, generator=generator)
            else:
                parameter.add_(torch.empty_like(parameter).uniform_(-0.2, 0.2, generator=generator))


def tiny_llava(
    *,
    seed: int = 0,
    layers: int = 4,
    kv_heads: int = 2,
    tied: bool = False,
    strategy: str = "default",
    attention_bias: bool = False,
    chat_template: str | None = None,
    max_positions: int = 256,
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """Return a random LLaVA-1.5 (CLIP tower of 3 blocks on 56 x 56 pixels, 16 image tokens) and its processor."""
    tokenizer = tiny_tokenizer()
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=56,
            patch_size=14,
        ),
        text_config=LlamaConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=kv_heads,
            vocab_size=len(tokenizer),
            max_position_embeddings=max_positions,
            tie_word_embeddings=tied,
            attention_bias=attention_bias,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=3,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        vision_feature_select_strategy=strategy,
        vision_feature_layer=-2,
        tie_word_embeddings=tied,
    )
    model = LlavaForConditionalGeneration(config).eval()
    widen_(model, seed)
    if tied:
        model.tie_weights()
    image_processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    processor = LlavaProcessor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=1,
        chat_template=chat_template,
    )
    return model, processor


class TinyConvTower(nn.Module):
    """Pixels (B, 3, 32, 32) to features (B, 16, 24) by convolutions and batch normalisation, as a small CNN does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(12), nn.ReLU6())
        self.body = nn.Sequential(nn.Conv2d(12, 24, 3, stride=4, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU6())

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.body(self.stem(pixel_values)).flatten(2).transpose(1, 2)


class TinyConvProjector(nn.Module):
    """Features (B, 16, 24) to language-model inputs (B, 16, 48), mixing neighbours of the 4 x 4 grid."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(24)
        self.mix = nn.Conv2d(24, 24, 3, padding=1)
        self.out = nn.Linear(24, 48)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        grid = self.norm(features).transpose(1, 2).reshape(-1, 24, 4, 4)
        return self.out(torch.nn.functional.gelu(self.mix(grid)).flatten(2).transpose(1, 2))


class TinyPocket(nn.Module):
    """The embedded model's shape in small: a convolutional tower, a projector and a Llama decoder with a tied head."""

    def __init__(self, vocab_size: int, image_token_id: int) -> None:
        super().__init__()
        self.vision_tower = TinyConvTower()
        self.projector = TinyConvProjector()
        self.language_model = LlamaForCausalLM(
            LlamaConfig(
                hidden_size=48,
                intermediate_size=96,
                num_hidden_layers=3,
                num_attention_heads=3,
                num_key_value_heads=1,
                vocab_size=vocab_size,
                max_position_embeddings=128,
                tie_word_embeddings=True,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=3,
            )
        )
        self.image_token_id = image_token_id
        self.num_image_tokens = 16
        self.image_size = 32

    @property
    def config(self) -> LlamaConfig:
        """The decoder's configuration."""
        return self.language_model.config

    def forward(self, input_ids: torch.Tensor, pixel_values: torch.Tensor | None = None, **kwargs: Any) -> Any:
        """Run a prompt; `pixel_values` (images, 3, 32, 32) fill the image tokens in order."""
        embeddings = self.language_model.get_input_embeddings()(input_ids)
        if pixel_values is not None:
            features = self.projector(self.vision_tower(pixel_values))
            places = (input_ids == self.image_token_id).unsqueeze(-1).expand_as(embeddings)
            embeddings = embeddings.masked_scatter(places, features)
        return self.language_model(inputs_embeds=embeddings, **kwargs)


def tiny_pocket(seed: int = 0) -> tuple[TinyPocket, PreTrainedTokenizerFast]:
    """Return a random `TinyPocket` in evaluation mode, its running statistics moved off 0 and 1, and a tokenizer."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model = TinyPocket(len(tokenizer), tokenizer.convert_tokens_to_ids(IMAGE_TOKEN))
    widen_(model, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    model.language_model.tie_weights()
    return model.eval(), tokenizer


def tiny_image(seed: int = 0, size: tuple[int, int] = (72, 60)) -> Image.Image:
    """Return a small RGB picture of a few discs, the same for the same seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y, r = rng.integers(0, size[0]), rng.integers(0, size[1]), rng.integers(4, 16)
        draw.ellipse([x - r, y - r, x + r, y + r], fill=tuple(int(c) for c in rng.integers(0, 255, 3)))
    return image
