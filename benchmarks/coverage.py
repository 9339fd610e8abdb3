"""Coverage of the balance point's intervals, and the error of its estimates, by simulation.

Every scenario has its true crossing at -0.3. Prints one JSON line a scenario and estimator: the share of intervals
that hold the truth with its standard error, the root mean square error, how often there was no crossing or an open end.
What each sample gave is kept in a folder, so that a run that was cut off goes on where it stopped; after a change of an
estimator, name another folder.

    python benchmarks/coverage.py                      the numbers of the documentation, 1,000 samples a scenario
    python benchmarks/coverage.py --table              the same as the documentation's table
    python benchmarks/coverage.py --replicates 60 --out /tmp/quick
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import modalconflict as mc

TRUTH = -0.3
WIDTH = 0.4
Floats = NDArray[np.float64]
Cases = tuple[Floats, Floats, NDArray[np.int64] | None]


def logistic(x: Floats, shift: Floats | float = 0.0) -> Floats:
    return 1 / (1 + np.exp((x - TRUTH) / WIDTH - shift))


def drawn(rng: np.random.Generator, p: Floats) -> Floats:
    return (rng.random(len(p)) < p).astype(np.float64)


def independent(rng: np.random.Generator) -> Cases:
    x = rng.uniform(-2, 2, 2000)
    return x, drawn(rng, logistic(x)), None


def lapses(rng: np.random.Generator) -> Cases:
    x = rng.uniform(-2, 2, 2000)
    return x, drawn(rng, 0.08 + 0.84 * logistic(x)), None


def grouped(rng: np.random.Generator) -> Cases:
    """400 groups of 42 with a common shift of standard deviation one."""
    g = np.repeat(np.arange(400), 42)
    x = rng.uniform(-2, 2, len(g))
    return x, drawn(rng, logistic(x, rng.normal(0, 1, 400)[g])), g


def lattice(rng: np.random.Generator) -> Cases:
    """The same groups with x from 3 texts x 14 images a group: cases share H_t and H_v, and the group's shift."""
    g = np.repeat(np.arange(400), 42)
    h_text = rng.gamma(4.0, 0.2, (400, 3))
    h_vision = np.linspace(0.3, 2.0, 14) * rng.lognormal(0, 0.3, (400, 14))
    x = mc.relative_uncertainty(np.repeat(h_text, 14, axis=1), np.tile(h_vision, (1, 3))).reshape(-1)
    return x, drawn(rng, logistic(x, rng.normal(0, 1, 400)[g])), g


def clustered(rng: np.random.Generator) -> Cases:
    """Groups that sit together on x: 200 of 10, each within a tenth of the axis."""
    g = np.repeat(np.arange(200), 10)
    x = rng.uniform(-1.9, 1.9, 200)[g] + rng.uniform(-0.1, 0.1, len(g))
    return x, drawn(rng, logistic(x, rng.normal(0, 1, 200)[g])), g


def soft(rng: np.random.Generator) -> Cases:
    """Probabilities instead of answers: they scatter around the curve by a normal shift of their logit."""
    x = rng.uniform(-2, 2, 2000)
    return x, logistic(x, rng.normal(0, 1, 2000)), None


def plateau(rng: np.random.Generator) -> Cases:
    """Flat near one half over a tenth of the axis on either side of the crossing, where it falls by a hundredth."""
    x = rng.uniform(-2, 2, 2000)
    d = x - TRUTH
    p = (
        0.5
        - 0.01 * np.clip(d, -0.2, 0.2) / 0.2
        - 0.49 * np.sign(d) * (1 - np.exp(-np.maximum(np.abs(d) - 0.2, 0) / 0.3))
    )
    return x, drawn(rng, p), None


def asymmetric(rng: np.random.Generator) -> Cases:
    """Steep above one half and shallow below: no logistic curve has this shape, with whatever lapses."""
    x = rng.uniform(-2, 2, 2000)
    d = x - TRUTH
    p = np.where(d < 0, 1 - 0.5 * np.exp(np.minimum(d, 0) / 0.15), 0.5 * np.exp(-np.maximum(d, 0) / 1.0))
    return x, drawn(rng, p), None


SCENARIOS: dict[str, Callable[[np.random.Generator], Cases]] = {
    "independent": independent,
    "lapses": lapses,
    "grouped": grouped,
    "lattice": lattice,
    "clustered": clustered,
    "soft": soft,
    "plateau": plateau,
    "asymmetric": asymmetric,
}
ESTIMATORS: dict[str, dict[str, object]] = {
    "cir": {"method": "cir"},
    "cir_uncorrected": {"method": "cir", "cluster_correction": False},
    "logistic_bca": {"method": "logistic", "interval": "bca", "replicates": 500},
    "logistic_percentile": {"method": "logistic", "interval": "percentile", "replicates": 500},
    "logistic_fieller": {"method": "logistic", "interval": "fieller"},
}
LEVEL = 0.95
Found = dict[str, tuple[str, float, float, float]]


def one(job: tuple[str, int]) -> Found:
    """Status, estimate, low and high of every estimator on one sample."""
    scenario, seed = job
    # A number that belongs to the scenario's name, so that a new scenario leaves the others' samples as they are.
    rng = np.random.default_rng([seed, *scenario.encode()])
    x, y, groups = SCENARIOS[scenario](rng)
    out: Found = {}
    resampled = np.empty(0)
    for name, options in ESTIMATORS.items():
        if name == "logistic_percentile" and len(resampled) and np.isfinite(resampled).all():
            # The same replicates as the last estimator's: their percentiles are what a second bootstrap would give.
            low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            out[name] = (*out["logistic_bca"][:2], float(low), float(high))
            continue
        point = mc.balance_point(
            x,
            y,
            groups=groups,
            level=LEVEL,
            random_state=seed,
            threads=1,
            **options,  # type: ignore[arg-type]
        )
        out[name] = (point.status, point.estimate, point.low, point.high)
        resampled = point.replicate_estimates
    isotonic = mc.isotonic_fit(x, y).threshold(0.5)
    out["isotonic"] = ("crossing", np.nan if isotonic is None else isotonic, np.nan, np.nan)
    return out


def summary(scenario: str, name: str, rows: list[tuple[str, float, float, float]]) -> dict[str, object]:
    numbers = np.array([row[1:] for row in rows], dtype=np.float64)
    held = (numbers[:, 1] <= TRUTH) & (TRUTH <= numbers[:, 2])
    statuses = [row[0] for row in rows]
    coverage = float(held.mean())
    intervals = name != "isotonic"
    return {
        "scenario": scenario,
        "estimator": name,
        "coverage": round(coverage, 4) if intervals else None,
        "coverage_error": round(float(np.sqrt(coverage * (1 - coverage) / len(rows))), 4) if intervals else None,
        "bias": round(float(np.nanmean(numbers[:, 0]) - TRUTH), 4),
        "rmse": round(float(np.sqrt(np.nanmean((numbers[:, 0] - TRUTH) ** 2))), 4),
        "width": round(float(np.median(numbers[:, 2] - numbers[:, 1])), 4) if intervals else None,
        "no_crossing": sum(s.startswith("always") for s in statuses),
        "open": sum(s in ("one_sided", "unbounded") for s in statuses),
        "replicates": len(rows),
    }


def kept(path: Path) -> dict[int, Found]:
    """Samples of an earlier run by seed; a last line that was cut off in writing is left out."""
    found: dict[int, Found] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[row["seed"]] = {name: tuple(value) for name, value in row["found"].items()}
    return found


def simulate(scenario: str, replicates: int, folder: Path, pool: Any) -> list[Found]:
    """Every sample of a scenario, each written down as soon as it is there."""
    path = folder / f"{scenario}.jsonl"
    found = kept(path)
    wanted = [seed for seed in range(replicates) if seed not in found]
    with path.open("a+b") as raw:
        # A line that was cut off in writing must not swallow the next one.
        raw.seek(0, 2)
        if raw.tell() > 0:
            raw.seek(-1, 2)
            if raw.read(1) != b"\n":
                raw.write(b"\n")
    with path.open("a") as file:
        jobs = [(scenario, seed) for seed in wanted]
        for seed, result in zip(wanted, pool.imap(one, jobs, chunksize=2), strict=True):
            found[seed] = result
            file.write(json.dumps({"seed": seed, "found": result}) + "\n")
            file.flush()
    return [found[seed] for seed in range(replicates)]


def table(rows: list[dict[str, object]]) -> str:
    """Coverage and error, a scenario a line, in Markdown."""
    by = {(row["scenario"], row["estimator"]): row for row in rows}
    intervals = [*ESTIMATORS]
    lines = [
        f"| scenario | {' | '.join(intervals)} | RMSE cir / isotonic / logistic |",
        "|---" * (len(intervals) + 2) + "|",
    ]
    for scenario in dict.fromkeys(str(row["scenario"]) for row in rows):
        cells = [f"{by[scenario, name]['coverage']:.3f}".lstrip("0") for name in intervals]
        errors = [
            f"{by[scenario, name]['rmse']:.3f}".lstrip("0") for name in ("cir", "isotonic", "logistic_percentile")
        ]
        lines.append(f"| {scenario} | {' | '.join(cells)} | {' / '.join(errors)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=1000, help="samples a scenario")
    parser.add_argument("--scenarios", nargs="*", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/coverage"), help="folder that keeps every sample")
    parser.add_argument("--table", action="store_true", help="end with a table in Markdown")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with multiprocessing.Pool(options.processes) as pool:
        for scenario in options.scenarios:
            found = simulate(scenario, options.replicates, options.out, pool)
            for name in found[0]:
                rows.append(summary(scenario, name, [sample[name] for sample in found]))
                print(json.dumps(rows[-1]), flush=True)
    (options.out / "summary.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if options.table:
        print(table(rows))


if __name__ == "__main__":
    main()
