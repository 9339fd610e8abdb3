"""Memory and time of an analysis that streams: a table of any number of runs, written in pieces, then analysed.

python benchmarks/stream_records.py --runs 10000000
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modalconflict.records import record_schema

IMAGE_TIERS, TEXT_TIERS = 14, 3
RUNS_OF_A_GROUP = TEXT_TIERS + IMAGE_TIERS + IMAGE_TIERS * TEXT_TIERS
GROUPS_A_PIECE = 2000
BALANCE_POINT, WIDTH = -0.3, 0.4


def piece(first: int, groups: int) -> pa.Table:
    """Runs of some groups whose outcomes obey a logistic law of ΔU_rel."""
    rng = np.random.default_rng(first)
    d_t = np.r_[np.arange(TEXT_TIERS), np.full(IMAGE_TIERS, -1), np.tile(np.arange(TEXT_TIERS), IMAGE_TIERS)]
    d_v = np.r_[np.full(TEXT_TIERS, -1), np.arange(IMAGE_TIERS), np.repeat(np.arange(IMAGE_TIERS), TEXT_TIERS)]
    condition = np.where(d_v < 0, "text_only", np.where(d_t < 0, "vision_only", "multimodal"))
    text = 0.1 + 0.3 * np.arange(TEXT_TIERS) * np.exp(rng.normal(0, 0.3, (groups, TEXT_TIERS)))
    vision = 0.1 + 0.1 * np.arange(IMAGE_TIERS) * np.exp(rng.normal(0, 0.3, (groups, IMAGE_TIERS)))
    u_t, u_v = text[:, np.maximum(d_t, 0)], vision[:, np.maximum(d_v, 0)]
    delta = 2 * (u_t - u_v) / (u_t + u_v)
    follows = rng.random(delta.shape) < 1 / (1 + np.exp((delta - BALANCE_POINT) / WIDTH))
    says_text = np.where(d_v < 0, True, np.where(d_t < 0, False, follows))
    entropy = np.where(d_v < 0, u_t, np.where(d_t < 0, u_v, (u_t + u_v) / 2))
    n = groups * RUNS_OF_A_GROUP
    tiers = {"d_v": np.tile(d_v, groups), "d_t": np.tile(d_t, groups)}
    group = np.repeat(np.arange(first, first + groups), RUNS_OF_A_GROUP)
    answers = np.where(says_text.reshape(-1), "blue", "red")
    schema = pa.schema([f for f in record_schema(0, 0) if f.name != "answer_token_log_probs"])
    columns = {
        "case_id": pa.array(np.arange(group[0] * RUNS_OF_A_GROUP, group[0] * RUNS_OF_A_GROUP + n)).cast(pa.string()),
        "group": group,
        "condition": np.tile(condition, groups),
        **{k: pa.array(t, pa.int32(), mask=t < 0) for k, t in tiers.items()},
        "answer": answers,
        "answer_class": np.where(answers == "blue", "text", "vision"),
        "correct": pa.array(np.full(n, True), mask=np.tile(condition == "multimodal", groups)),
        "entropy": entropy.reshape(-1),
        "max_prob": np.tanh(entropy).reshape(-1),
        "margin": np.tanh(entropy / 2).reshape(-1),
    }
    constant = {"dataset": "synthetic", "order": "image_first", "status": "ok", "model": "law", "bundle_sha256": "0"}
    for name, value in constant.items():
        columns[name] = pa.repeat(pa.scalar(value), n)
    return pa.table(
        [columns[f.name] if f.name in columns else pa.nulls(n, f.type) for f in schema],
        schema=schema,
    )


def write(path: Path, runs: int) -> int:
    """Write at least so many runs; return how many."""
    groups = -(-runs // RUNS_OF_A_GROUP)
    writer = None
    for first in range(0, groups, GROUPS_A_PIECE):
        table = piece(first, min(GROUPS_A_PIECE, groups - first))
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return groups * RUNS_OF_A_GROUP


def measure(path: str, runs: int) -> None:
    """Analyse in a process of its own, whose peak memory then is the analysis'."""
    import modalconflict as mc

    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    begin = time.perf_counter()
    model = mc.analyze(path, replicates=200).models[0]
    point = model.balance_point
    print(
        json.dumps(
            {
                "runs": runs,
                "path": model.summary["computed"]["path"],
                "seconds": round(time.perf_counter() - begin, 1),
                "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "before_mib": round(base),
                "balance_point": [round(v, 5) for v in (point.low, point.estimate, point.high)],
                "file_mib": round(Path(path).stat().st_size / 2**20),
            }
        ),
        flush=True,
    )


def main() -> None:
    """Measure each size, smallest first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[2_000_000, 10_000_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for wanted in sorted(arguments.runs):
            path = Path(folder) / "records.parquet"
            runs = write(path, wanted)
            # spawned: a forked process would begin with the writer's memory
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(str(path), runs))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
