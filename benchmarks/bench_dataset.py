"""Speed of the generated datasets: Color Recognition beside Pillow, Attribute Recognition alone, and memory against size.

Prints one JSON line a comparison: name, ours and theirs in seconds, ratio = theirs / ours.

    python benchmarks/bench_dataset.py            48 groups of Color Recognition, 672 pictures
    python benchmarks/bench_dataset.py --full     all 400 groups, 5,600 pictures

Pillow draws and saves scenes that are placed already, each in the quicker of two ways that people use for smooth edges: the whole
canvas four times as large and reduced, or each figure's mask four times as large and pasted. Ours places the scenes as well, measures
them and hashes the pixels. Both write PNG files at zlib's level 2 with two workers.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from modalconflict import _dataset

WORKERS = 2
SCALE = 4
LEVEL = 2


def report(name: str, ours: float, theirs: float | None, **more: Any) -> None:
    ratio = None if theirs is None else round(theirs / ours, 2)
    print(json.dumps({"name": name, "ours": round(ours, 4), "theirs": theirs, "ratio": ratio, **more}), flush=True)


def _arc(x: float, y: float, radius: float, start: float, end: float) -> list[tuple[float, float]]:
    return [
        (x + radius * math.cos(start + (end - start) * i / 24), y + radius * math.sin(start + (end - start) * i / 24))
        for i in range(25)
    ]


def _outlines() -> dict[str, list[tuple[float, float]]]:
    """Corners of each shape in a square from -1 to 1; the circle is Pillow's own ellipse."""
    star = [(r * math.sin(i * math.pi / 5), -r * math.cos(i * math.pi / 5)) for i, r in enumerate([1, 0.42] * 5)]
    a = 0.33
    return {
        "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
        "triangle": [(0, -0.95), (1, 0.8), (-1, 0.8)],
        "star": star,
        "cross": [
            (-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a), (a, 1), (-a, 1), (-a, a), (-1, a), (-1, -a), (-a, -a),
        ],
        "diamond": [(0, -1), (0.66, 0), (0, 1), (-0.66, 0)],
        "heart": [*_arc(-0.5, -0.32, 0.5, 2.9, 6.28), *_arc(0.5, -0.32, 0.5, 3.14, 6.5), (0, 0.95)],
        "crescent": [*_arc(0, 0, 1, 0.8, 5.5), *_arc(0.42, 0, 0.8, 5.3, 1.0)],
        "arrow": [(1, 0), (0.2, -0.8), (0.2, -a), (-1, -a), (-1, a), (0.2, a), (0.2, 0.8)],
        "hexagon": [(math.cos(i * math.pi / 3), math.sin(i * math.pi / 3)) for i in range(6)],
    }  # fmt: skip


OUTLINES = _outlines()
Figure = tuple[str, tuple[int, int, int], float, float, float]  # shape, colour, centre, side in pixels
Plain = tuple[int, int, list[Figure]]


def plain(scene: Any) -> Plain:
    figures = [(o.shape, o.rgb, o.center_x16 / 16, o.center_y16 / 16, o.side_x16 / 16) for o in scene.objects]
    return scene.width, scene.height, figures


def _draw(draw: Any, shape: str, fill: Any, x: float, y: float, half: float) -> None:
    if shape == "circle":
        draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)
    else:
        draw.polygon([(x + px * half, y + py * half) for px, py in OUTLINES[shape]], fill=fill)


def whole_canvas(scene: Plain) -> Image.Image:
    width, height, figures = scene
    large = Image.new("RGB", (width * SCALE, height * SCALE), "white")
    draw = ImageDraw.Draw(large)
    for shape, color, x, y, side in figures:
        _draw(draw, shape, color, x * SCALE, y * SCALE, side * SCALE / 2)
    return large.reduce(SCALE)


def masks(scene: Plain) -> Image.Image:
    width, height, figures = scene
    image = Image.new("RGB", (width, height), "white")
    for shape, color, x, y, side in figures:
        left, top = int(x - side / 2) - 1, int(y - side / 2) - 1
        size = int(side) + 4
        mask = Image.new("L", (size * SCALE, size * SCALE))
        _draw(ImageDraw.Draw(mask), shape, 255, (x - left) * SCALE, (y - top) * SCALE, side * SCALE / 2)
        image.paste(color, (left, top, left + size, top + size), mask.reduce(SCALE))
    return image


def _seconds(way: Any, scene: Plain, rounds: int = 3) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        way(scene)
        times.append(time.perf_counter() - start)
    return min(times)


def pillow_group(job: tuple[list[tuple[str, Plain]], str, list[str]]) -> int:
    group, folder, ways = job
    size = 0
    for (name, scene), way in zip(group, ways, strict=True):
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        {"whole_canvas": whole_canvas, "masks": masks}[way](scene).save(path, compress_level=LEVEL)
        size += path.stat().st_size
    return size


def color(groups: int) -> None:
    options = _dataset.ColorRecognitionOptions(groups=groups, seed=0)
    folder = Path(tempfile.mkdtemp())
    start = time.perf_counter()
    rows = _dataset.write_color_images(options, str(folder / "ours"), WORKERS)
    ours = time.perf_counter() - start
    our_bytes = sum((folder / "ours" / row.path).stat().st_size for row in rows)

    jobs: list[list[tuple[str, Plain]]] = []
    for number in range(groups):
        group = _dataset.color_group(options, number)
        tiers = range(len(options.tiers))
        jobs.append([(f"{number}/{d_v}.png", plain(_dataset.color_scene(options, group, d_v))) for d_v in tiers])
    # The quicker way of each tier, by trial on a few groups.
    ways = [
        min(
            ("whole_canvas", "masks"),
            key=lambda way: sum(
                _seconds({"whole_canvas": whole_canvas, "masks": masks}[way], g[d_v][1]) for g in jobs[:3]
            ),
        )
        for d_v in range(len(options.tiers))
    ]
    with multiprocessing.Pool(WORKERS) as pool:
        pool.map(abs, range(WORKERS))  # started before the clock
        start = time.perf_counter()
        sizes = pool.map(pillow_group, [(job, str(folder / "theirs"), ways) for job in jobs], chunksize=1)
        theirs = time.perf_counter() - start
    shutil.rmtree(folder)
    count = len(rows)
    report(
        "color_recognition_png",
        ours,
        round(theirs, 4),
        peer="Pillow",
        pictures=count,
        workers=WORKERS,
        pictures_per_second=round(count / ours),
        peer_ways=ways,
        mean_bytes=round(our_bytes / count),
        peer_mean_bytes=round(sum(sizes) / count),
    )


def attribute(groups: int = 8) -> None:
    for subset in ("shape", "material"):
        options = _dataset.AttributeRecognitionOptions(subset, groups=groups, seed=0)
        folder = Path(tempfile.mkdtemp())
        start = time.perf_counter()
        rows = _dataset.write_attribute_images(options, str(folder), 1)
        ours = time.perf_counter() - start
        size = sum((folder / row.path).stat().st_size for row in rows)
        shutil.rmtree(folder)
        report(
            f"attribute_recognition_{subset}_png",
            ours,
            None,
            pictures=len(rows),
            workers=1,
            pictures_per_second=round(len(rows) / ours, 1),
            mean_bytes=round(size / len(rows)),
        )


_CHILD = """
import resource, shutil, sys, tempfile
import modalconflict as mc
folder = tempfile.mkdtemp()
mc.datasets.color_recognition(groups=int(sys.argv[1]), out=folder + "/data", threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
shutil.rmtree(folder)
"""


def memory(few: int, many: int) -> None:
    """Peak resident memory of a whole generation, manifest included, in a process of its own."""
    peaks = [
        int(subprocess.run([sys.executable, "-c", _CHILD, str(n)], check=True, capture_output=True, text=True).stdout)
        for n in (few, many)
    ]
    print(
        json.dumps(
            {"name": "color_recognition_peak_memory_mib", "groups": [few, many], "mib": [p // 1024 for p in peaks]}
        ),
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the published size")
    full = parser.parse_args().full
    color(400 if full else 48)
    attribute(16 if full else 4)
    memory(64, 640 if full else 192)
