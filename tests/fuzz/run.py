"""Run the libFuzzer programs of a build and print what they did, a row a target.

`--seconds` runs each target for a time, for every change; `--runs` until the ledger in the build folder counts so many
executions of each, in pieces, so that a run that was cut off goes on where it stopped. A finding ends its target, leaves
the input in BUILD/findings and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
PIECE_SECONDS = 300
LIMITS = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1", "-verbosity=1"]


def run_piece(build: Path, name: str, runs: int | None, seconds: int) -> dict[str, float]:
    """Run one target once; returns its executions, seconds, covered edges and whether it found something."""
    corpus, findings = build / "corpus" / name, build / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(exist_ok=True)
    command = [str(build / "tests" / "fuzz" / "cpp" / f"fuzz_{name}"), *LIMITS, f"-max_total_time={seconds}"]
    command += [f"-artifact_prefix={findings / name}-", str(corpus), str(HERE / "corpus" / name)]
    if runs is not None:
        command.insert(1, f"-runs={runs}")
    environment = {**os.environ, "UBSAN_OPTIONS": "print_stacktrace=1"}
    if os.access("/dev/shm", os.W_OK):
        environment["TMPDIR"] = "/dev/shm"  # every input is written to a file first: memory, not a disk
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    if done.returncode != 0:
        (findings / f"{name}.log").write_text(done.stderr[-20000:])
        print(f"{name}: a finding, see {findings / (name + '.log')}\n{done.stderr[-3000:]}", file=sys.stderr)
    return {
        "executions": int(executed[1]) if executed else 0,
        "seconds": time.monotonic() - started,
        "edges": int(covered[-1]) if covered else 0,
        "findings": int(done.returncode != 0),
    }


def run_target(build: Path, name: str, runs: int | None, seconds: int | None) -> int:
    """Run one target to its time or its number of executions, adding each piece to the ledger; returns its findings."""
    ledger = build / "ledger" / f"{name}.json"
    ledger.parent.mkdir(exist_ok=True)
    total = json.loads(ledger.read_text()) if ledger.exists() else {"executions": 0, "seconds": 0.0, "edges": 0}
    ends = None if seconds is None else time.monotonic() + seconds
    while (runs is None or total["executions"] < runs) and (ends is None or time.monotonic() < ends):
        limit = PIECE_SECONDS if ends is None else max(1, min(PIECE_SECONDS, round(ends - time.monotonic())))
        piece = run_piece(build, name, None if runs is None else runs - total["executions"], limit)
        for key in ("executions", "seconds"):
            total[key] += piece[key]
        total["edges"] = max(total["edges"], piece["edges"])
        part = ledger.with_suffix(".part")
        part.write_text(json.dumps(total))
        part.replace(ledger)
        if piece["findings"]:
            return 1
    return 0


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--runs", type=int, help="executions of each target, those of earlier calls counted")
    parser.add_argument("--seconds", type=int, help="at most so long a target in this call")
    parser.add_argument("--jobs", type=int, default=1, help="targets side by side")
    parser.add_argument("targets", nargs="*", help="all where none is named")
    args = parser.parse_args()
    if args.runs is None and args.seconds is None:
        parser.error("give --runs, --seconds or both")
    built = sorted(
        p.name.removeprefix("fuzz_")
        for p in (args.build / "tests" / "fuzz" / "cpp").glob("fuzz_*")
        if os.access(p, os.X_OK)
    )
    targets = args.targets or built
    if not targets or set(targets) - set(built):
        parser.error(f"{args.build} holds the targets {', '.join(built) or 'none'}; build them first (make fuzz-short)")
    with ThreadPoolExecutor(args.jobs) as pool:
        found = list(pool.map(lambda name: run_target(args.build, name, args.runs, args.seconds), targets))
    print(f"{'target':<20}{'executions':>14}{'a second':>10}{'edges':>8}{'findings':>10}")
    for name, findings in zip(targets, found, strict=True):
        total = json.loads((args.build / "ledger" / f"{name}.json").read_text())
        rate = total["executions"] / max(total["seconds"], 1e-9)
        print(f"{name:<20}{total['executions']:>14,}{rate:>10,.0f}{total['edges']:>8,}{findings:>10}")
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
