"""A generated dataset described by a TOML file: tiers, colours, shapes, texts, sizes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from modalconflict.datasets.attribute import attribute_recognition
from modalconflict.datasets.color import color_recognition
from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.options import NamedColor, SolidTier, VisionTier
from modalconflict.errors import InvalidArgument, IoError

GENERATORS: dict[str, Callable[..., Dataset]] = {
    "color": color_recognition,
    "attribute": attribute_recognition,
}
# Arguments of a call, not of a dataset.
_NOT_OPTIONS = ("out", "threads", "progress")
# Keys of the tables in a list, by kind and list.
_TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "color": {
        "tiers": tuple(field.name for field in fields(VisionTier)),
        "colors": tuple(field.name for field in fields(NamedColor)),
        "texts": ("templates",),
    },
    "attribute": {"tiers": tuple(field.name for field in fields(SolidTier)), "texts": ("templates",)},
}
MAX_BYTES = 16 << 20


def read_config(path: str | Path) -> tuple[str, dict[str, Any]]:
    r"""Read a TOML file that describes a dataset.

    Parameters
    ----------
    path : path
        With ``kind`` ("color" or "attribute") and any of the generator's options: ``groups``, ``seed``, ``subset``, ``shapes``,
        ``question``, ``controls`` …, and the lists of tables ``[[tiers]]``, ``[[colors]]`` and ``[[texts]]`` (with ``templates``).

    Returns
    -------
    kind : str
    options : dict
        Keyword arguments of the generator.

    Raises
    ------
    InvalidArgument
        Naming the key that is unknown, and the known one nearest to it.
    IoError
        If the file is missing or unreadable.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "study.toml"
    >>> _ = path.write_text('kind = "color"\ngroups = 2\nshapes = ["circle", "square", "star"]\n')
    >>> read_config(path)
    ('color', {'groups': 2, 'shapes': ['circle', 'square', 'star']})
    """
    path = Path(path)
    content = _parse(path)
    kind = content.pop("kind", None)
    if kind not in GENERATORS:
        known = " or ".join(f'"{name}"' for name in GENERATORS)
        raise InvalidArgument(f"'{path}': kind is {kind!r}; say which dataset by kind = {known}")
    known_keys = options_of(kind)
    for key, value in content.items():
        _require_known(path, key, known_keys, "")
        if key in _TABLES[kind] and isinstance(value, list):
            for place, table in enumerate(value):
                for name in table if isinstance(table, Mapping) else ():
                    _require_known(path, name, _TABLES[kind][key], f"{key}[{place}].")
    if isinstance(content.get("texts"), list):
        content["texts"] = [one.get("templates", []) if isinstance(one, Mapping) else one for one in content["texts"]]
    return kind, content


def from_config(
    path: str | Path,
    *,
    out: str | Path,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    **overrides: Any,
) -> Dataset:
    """Make the dataset that a TOML file describes; see :func:`read_config`.

    Parameters
    ----------
    path : path
        The TOML file.
    out, threads, progress
        As the generators take them.
    **overrides
        Options that stand above the file's, such as ``groups``.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidArgument
        Naming the file and the key or value that does not fit.
    IoError
        If the file is unreadable, or the folder holds something else or cannot be written.

    Examples
    --------
    >>> import modalconflict as mc
    >>> mc.datasets.from_config("examples/study.toml", out="data")       # doctest: +SKIP
    """
    kind, options = read_config(path)
    try:
        return GENERATORS[kind](**{**options, **overrides}, out=out, threads=threads, progress=progress)
    except InvalidArgument as error:
        raise InvalidArgument(f"'{path}': {error}") from None
    except TypeError as error:
        raise InvalidArgument(
            f"'{path}': a value has the wrong type ({error}); see the documentation of datasets"
        ) from None


def options_of(kind: str) -> tuple[str, ...]:
    """Names of a generator's options."""
    return tuple(name for name in inspect.signature(GENERATORS[kind]).parameters if name not in _NOT_OPTIONS)


def _parse(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib  # type: ignore[no-redef, unused-ignore]
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidArgument(f"'{path}' has more than {MAX_BYTES} bytes; this is no description of a dataset")
        with open(path, "rb") as handle:
            return tomllib.load(handle)
    except FileNotFoundError:
        raise IoError(f"'{path}' does not exist; name a TOML file") from None
    except OSError as error:
        raise IoError(f"'{path}' cannot be read ({error.strerror or error}); name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"'{path}' is no TOML ({error}); repair it") from None


def _require_known(path: Path, key: str, known: Iterable[str], where: str) -> None:
    known = tuple(known)
    if key in known:
        return
    near = difflib.get_close_matches(key, known, 1, 0.4)
    hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
    raise InvalidArgument(f"'{path}': '{where}{key}' is not known; {hint}")
