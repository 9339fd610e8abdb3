"""What pocket learns from: generated scenes with questions, and generated texts. Never a conflict.

Held out for evaluation: the scenes of every other seed, all phrasings of the Color Recognition dataset (none of the
templates below is one of them), and the last four entities a colour of the dataset's own list.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modalconflict import _dataset
from modalconflict.pocket.modeling import GRID, IMAGE_SIZE

COLORS: list[str] = list(_dataset.COLORS)
SHAPES: list[str] = list(_dataset.SHAPES)
SEEN_ENTITIES_PER_COLOR = 8  # of the dataset's own list; the rest are never trained on

# Further things, so that the model learns to recall a colour rather than a list.
EXTRA_ENTITIES = {
    "red": ["a rose", "a chili pepper", "ketchup", "a fire hydrant", "a brick wall", "the planet Mars", "a stop light",
            "a radish", "a poppy", "a valentine card", "lipstick", "a cranberry", "a pomegranate", "rust", "lava"],
    "yellow": ["the sun", "butter", "a pineapple", "a honeybee's stripes", "cheddar cheese", "a yield sign", "gold",
               "a lemon peel", "a buttercup", "a baby chick", "a highlighter pen", "straw", "a taxi cab",
               "popcorn", "a daisy's center"],
    "blue": ["a police uniform", "a bluebird", "the deep sea", "a peacock's neck", "a clear lake",
             "a hydrangea", "a jay bird", "cobalt glass", "the flag of the United Nations", "a summer sky at noon",
             "a dolphin toy", "turquoise water", "a robin's egg", "ink"],
    "green": ["a leaf", "a frog", "a pine tree", "a lawn", "lettuce", "a kiwi's flesh", "moss", "a grasshopper",
              "an avocado", "a fern", "a pickle", "celery", "a watermelon's rind", "seaweed", "a traffic light for go"],
    "purple": ["a grape", "lavender", "a violet", "an aubergine", "a royal robe", "a blackcurrant", "a pansy", "wisteria",
               "grape juice", "a plum pudding", "an orchid", "a lilac bush", "a passion fruit's skin", "amethyst crystal",
               "a mulberry"],
    "orange": ["a mandarin", "a tiger", "a fox", "an autumn leaf", "a life vest", "a goldfish", "a cantaloupe's flesh",
               "a mango", "a campfire's flame", "a Halloween lantern", "a sunset", "a butternut squash", "a clementine",
               "a salmon fillet", "a hunting vest"],
}  # fmt: skip

_DIRECT = (
    "The {a} is {t}.",
    "There is a {t} {a} in the picture.",
    "You can see one {a}. It is {t}.",
    "Looking at the image, a person described the {a} as {t}.",
    "My friend told me that the {a} he saw was {t}.",
    "The artist filled the {a} with {t}. The background was left white.",
    "What the caption says: a {a}, which is {t}, drawn on plain paper.",
    "Somebody drew a {a} and chose {t} for it.",
)
_INDIRECT = (
    "The {a}'s color is the same as a {b}. The {b} is {t}.",
    "A {b} is {t}. The {a} has the color of the {b}.",
    "The {a} looks just like the {b} in color, and the {b} is {t}.",
    "We know that the {b} is {t}, and that the {a} and the {b} are equal in color.",
    "Take the color of the {b}, which is {t}. The {a} is painted with it.",
    "The {a} copies the color of some {b} elsewhere. That {b}, as we know, is {t}.",
)
_KNOWLEDGE = (
    "The {a}'s color is the same as {d}.",
    "The {a} has the color of {d}.",
    "The {a} is as {d} is in color.",
    "Picture {d}. The {a} is colored like that.",
    "The color of the {a} reminds everyone of {d}.",
    "The painter mixed a paint to look like {d} and used it for the {a}.",
    "Its color being that of {d}, the {a} stands out from the white paper.",
)


def question(shape: str) -> str:
    """Return the dataset's question about a shape."""
    return f"What color is the {shape}? Answer in one word."


def training_entities(color: str) -> list[str]:
    """Return the things that may stand for a colour in training."""
    return [*_dataset.entities(color)[:SEEN_ENTITIES_PER_COLOR], *EXTRA_ENTITIES[color]]


def make_text(rng: random.Random, shape: str, color: str, helpers: list[str] | None = None) -> str:
    """Return a text that gives the shape a colour: direct, through a second shape, or through a thing of the world.

    ``helpers`` are the shapes that may serve as the second one: beside a picture, only shapes that it lacks, or the
    text would say something of a figure in it that is not so.
    """
    others = [other for other in (SHAPES if helpers is None else helpers) if other != shape]
    kinds = {"direct": 2, "knowledge": 5, **({"indirect": 3} if others else {})}
    kind = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    pattern = rng.choice({"direct": _DIRECT, "indirect": _INDIRECT, "knowledge": _KNOWLEDGE}[kind])
    helper = rng.choice(others) if others else ""
    text = pattern.format(a=shape, b=helper, t=color, d=rng.choice(training_entities(color)))
    return text.replace(" a arrow", " an arrow").replace(" a orange", " an orange")


@dataclass
class TrainingScene:
    """One picture with what may be asked about it."""

    image: np.ndarray  # uint8 (H, W, 3)
    d_v: int
    askable: list[tuple[str, str]]  # (shape, colour) of figures whose shape stands alone; the target first
    shapes: set[str]
    cells: np.ndarray = field(repr=False)  # (49, 60) uint8: which (shape, colour) each grid cell holds

    def figures(self) -> list[tuple[str, str]]:
        """Return (shape, colour) of all figures in reading order of their first cell."""
        found: list[int] = []
        for cell in self.cells:
            found.extend(label for label in np.flatnonzero(cell).tolist() if label not in found)
        return [(SHAPES[label // len(COLORS)], COLORS[label % len(COLORS)]) for label in found]


# How often each visual tier is drawn: the easy ones must be learned well, the hardest cannot be.
TIER_WEIGHTS = (6, 9, 9, 7, 7, 4, 4, 4, 4, 1, 1, 1, 1, 1)


def make_scene(seed: int, index: int, d_v: int | None = None) -> TrainingScene:
    """Draw scene number ``index`` of a seed; the tier is drawn by :data:`TIER_WEIGHTS` unless given."""
    rng = random.Random(f"{seed}/{index}")
    tier = rng.choices(range(len(TIER_WEIGHTS)), weights=TIER_WEIGHTS)[0] if d_v is None else d_v
    options = _dataset.ColorRecognitionOptions(groups=index + 1, seed=seed)
    scene = _dataset.color_scene(options, _dataset.color_group(options, index), tier)
    target = scene.objects[scene.target]
    counts: dict[str, int] = {}
    for figure in scene.objects:
        counts[figure.shape] = counts.get(figure.shape, 0) + 1
    alone = [(f.shape, f.color) for f in scene.objects if counts[f.shape] == 1 and f.shape != target.shape]
    # Behind a crowd a lone distractor may be hidden: only the separate tiers are asked about more than the target.
    others = rng.sample(alone, min(3, len(alone))) if tier <= 4 else []
    return TrainingScene(
        image=_dataset.render(scene),
        d_v=tier,
        askable=[(target.shape, target.color), *others],
        shapes=set(counts),
        cells=_cell_labels(scene),
    )


def _cell_labels(scene: Any) -> np.ndarray:
    """Mark each figure in the cells whose centre it covers and in the one that holds its own centre."""
    labels = np.zeros((GRID * GRID, len(SHAPES) * len(COLORS)), np.uint8)
    step = IMAGE_SIZE / GRID
    centers = (np.arange(GRID) + 0.5) * step
    for figure in scene.objects:
        x = figure.center_x16 / _dataset.SUBPIXELS * IMAGE_SIZE / scene.width
        y = figure.center_y16 / _dataset.SUBPIXELS * IMAGE_SIZE / scene.height
        half_x = 0.4 * figure.side_x16 / _dataset.SUBPIXELS * IMAGE_SIZE / scene.width
        half_y = 0.4 * figure.side_x16 / _dataset.SUBPIXELS * IMAGE_SIZE / scene.height
        inside = (abs(centers[:, None] - y) < half_y) & (abs(centers[None, :] - x) < half_x)
        inside[min(int(y / step), GRID - 1), min(int(x / step), GRID - 1)] = True
        labels[inside.ravel(), SHAPES.index(figure.shape) * len(COLORS) + COLORS.index(figure.color)] = 1
    return labels
