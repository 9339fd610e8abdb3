"""Tokens a second of one decoder layer in the shapes of 7B and 13B models, and what a study of 23,600 runs takes.

python benchmarks/fleet.py --seconds 8
"""

from __future__ import annotations

import argparse
import json
import time

import torch
from torch.nn import functional as F

# hidden, intermediate, heads, key/value heads, layers, vocabulary: sizes that the models' own configurations publish
SHAPES = {
    "7B (LLaMA 2: 4096)": (4096, 11008, 32, 32, 32, 32064),
    "8B (Qwen2: 3584)": (3584, 18944, 28, 4, 28, 152064),
    "13B (LLaMA 2: 5120)": (5120, 13824, 40, 40, 40, 32064),
}


def parameters(shape: tuple[int, ...]) -> int:
    """Weights of one layer."""
    hidden, inner, heads, kv, _, _ = shape
    return hidden * hidden * 2 + 2 * hidden * (hidden // heads) * kv + 3 * hidden * inner


def rate(shape: tuple[int, ...], tokens: int, dtype: torch.dtype, seconds: float) -> float:
    """Tokens a second through one layer of random weights, prompts of `tokens` tokens."""
    hidden, inner, heads, kv, _, _ = shape
    size = hidden // heads

    def weight(out: int, into: int) -> torch.Tensor:
        return (torch.randn(out, into) * into**-0.5).to(dtype)

    q, o = weight(hidden, hidden), weight(hidden, hidden)
    k, v = weight(kv * size, hidden), weight(kv * size, hidden)
    gate, up, down = weight(inner, hidden), weight(inner, hidden), weight(hidden, inner)
    x = torch.randn(1, tokens, hidden).to(dtype)
    norm = torch.ones(hidden, dtype=dtype)

    def layer(x: torch.Tensor) -> torch.Tensor:
        y = F.rms_norm(x, (hidden,), norm)
        split = [F.linear(y, w).view(1, tokens, -1, size).transpose(1, 2) for w in (q, k, v)]
        a = F.scaled_dot_product_attention(*split, is_causal=True, enable_gqa=kv != heads)
        x = x + F.linear(a.transpose(1, 2).reshape(1, tokens, hidden), o)
        y = F.rms_norm(x, (hidden,), norm)
        return x + F.linear(F.silu(F.linear(y, gate)) * F.linear(y, up), down)

    with torch.inference_mode():
        layer(x)
        best, begin = float("inf"), time.perf_counter()
        while time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            layer(x)
            best = min(best, time.perf_counter() - start)
    return tokens / best


def main() -> None:
    """Print one JSON line a shape and type."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--tokens", type=int, default=640)
    arguments = parser.parse_args()
    for name, shape in SHAPES.items():
        for dtype in (torch.float32, torch.bfloat16):
            measured = rate(shape, arguments.tokens, dtype, arguments.seconds)
            line = {
                "shape": name,
                "dtype": str(dtype).removeprefix("torch."),
                "threads": torch.get_num_threads(),
                "layer_tokens_per_s": round(measured),
                "layer_gflops": round(2e-9 * parameters(shape) * measured, 1),
                "model_tokens_per_s": round(measured / shape[4], 2),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
