"""The lens kernel beside PyTorch: one JSON line a comparison, ours and theirs measured in turn in the same run.

    python benchmarks/bench_lens.py [--quick] [--threads N] [--rounds N]

name    what is compared, with its shape (rows x width x vocabulary) and the type of the weights
ours, theirs    median seconds;  ratio = theirs / ours, so that 2 means twice as fast
threads         of torch, on both sides
peak_extra_mb   memory above the inputs at the kernel's peak (Linux only)

Peers: `mm` is torch's bare matrix product in the type named, nothing read from it (in float32 with its result already
allocated; in a narrow type the hidden states and the logits are rounded too, which the lens does not do); `chunked` is
what a careful user writes in PyTorch (products of 4096 tokens, then log_softmax, entropy, topk and KL over rows x
vocabulary); `reduction` leaves the product out on both sides.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import resource
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from modalconflict.lens_kernel import read_lens, reduce_logits

CASES = [  # rows, width, vocabulary, dtype
    (33, 4096, 32064, torch.float32),
    (41, 5120, 32064, torch.float32),
    (29, 3584, 152064, torch.float32),
    (256, 4096, 32064, torch.float32),
    (33, 4096, 32064, torch.bfloat16),
    (41, 5120, 32064, torch.bfloat16),
    (29, 3584, 152064, torch.bfloat16),
    (256, 4096, 32064, torch.bfloat16),
    (33, 4096, 32064, torch.float16),
]
QUICK = [(33, 1024, 8192, torch.float32), (33, 1024, 8192, torch.bfloat16)]
CHUNK = 4096


def in_turn(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each call, one after the other in each round: a busy machine slows all of them."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for i in range(rounds):
        order = range(len(calls)) if i % 2 == 0 else reversed(range(len(calls)))
        for which in order:
            start = time.perf_counter()
            calls[which]()
            times[which].append(time.perf_counter() - start)
    return [statistics.median(kept) for kept in times]


def torch_reads(logits: torch.Tensor, final: int) -> tuple[torch.Tensor, ...]:
    """Entropy, top 5 and KL to the final row, as PyTorch has them."""
    log_p = torch.log_softmax(logits, -1)
    p = log_p.exp()
    entropy = torch.special.entr(p).sum(-1)
    top = logits.topk(5, -1)
    kl = torch.nn.functional.kl_div(log_p, log_p[final].expand_as(log_p), log_target=True, reduction="none").sum(-1)
    return entropy, top.values, top.indices, kl


def chunked(hidden: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
    logits = torch.empty(len(hidden), len(weight))
    for first in range(0, len(weight), CHUNK):
        part = weight[first : first + CHUNK]
        torch.mm(hidden, part.float().T, out=logits[:, first : first + CHUNK])
    return torch_reads(logits, len(hidden) - 1)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak_extra_mb(call: Callable[[], object]) -> float | None:
    """Largest resident memory during the call, sampled each millisecond, above what was there before it."""
    if not Path("/proc/self/statm").exists():
        return None
    gc.collect()
    # what the allocator keeps of earlier calls would hide what this one takes
    ctypes.CDLL(None).malloc_trim(0)
    before = resident_mb()
    samples = [before]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.001):
            samples.append(resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    call()
    done.set()
    watcher.join()
    return round(max(samples) - before, 1)


def report(name: str, ours: float, theirs: float, **more: object) -> None:
    line = {"name": name, "ours": round(ours, 6), "theirs": round(theirs, 6), "ratio": round(theirs / ours, 3)}
    line |= {"threads": torch.get_num_threads(), **more}
    print(json.dumps(line), flush=True)


def bench_case(rows: int, width: int, vocabulary: int, dtype: torch.dtype, rounds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.empty(vocabulary, width, dtype=dtype).normal_(0.0, 0.05, generator=generator)
    hidden = torch.randn(rows, width, generator=generator)
    final = np.full(rows, rows - 1)
    shape = f"{rows}x{width}x{vocabulary} {str(dtype).removeprefix('torch.')}"

    def ours() -> object:
        return read_lens(hidden, weight, final_row=final, groups=[[5, 6, 7], [100, 200]])

    extra = peak_extra_mb(ours)
    wide = weight.float()
    result = torch.empty(rows, vocabulary)
    peers: dict[str, Callable[[], object]] = {
        "chunked": lambda: chunked(hidden, weight),
        "mm float32": lambda: torch.mm(hidden, wide.T, out=result),
    }
    if dtype != torch.float32:  # rounds the hidden states and the logits to the narrow type: fast, another result
        narrow = hidden.to(dtype)
        peers[f"mm {str(dtype).removeprefix('torch.')}"] = lambda: torch.mm(narrow, weight.T)
    seconds = in_turn([ours, *peers.values()], rounds)
    for name, theirs in zip(peers, seconds[1:], strict=True):
        report(f"lens / {name} {shape}", seconds[0], theirs, peak_extra_mb=extra)


def bench_reduction(rows: int, vocabulary: int, rounds: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, vocabulary, generator=generator) * 3
    final = np.full(rows, rows - 1)
    pair = in_turn([lambda: reduce_logits(logits, final_row=final), lambda: torch_reads(logits, rows - 1)], rounds)
    report(f"reduction {rows}x{vocabulary}", *pair)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small shapes")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", default="", help="only shapes whose line would hold this text, '29x3584' for instance"
    )
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    shapes = [(33, 2048), (33, 8192)] if options.quick else [(33, 2048), (33, 32064), (29, 152064), (256, 32064)]
    for rows, vocabulary in shapes:
        bench_reduction(rows, vocabulary, options.rounds * 3)
    for case in QUICK if options.quick else CASES:
        if options.only in f"{case[0]}x{case[1]}x{case[2]} {case[3]}":
            bench_case(*case, rounds=options.rounds)


if __name__ == "__main__":
    main()
