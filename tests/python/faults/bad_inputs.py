"""A wide table of bad inputs: what is given, and the call that must refuse it in one sentence."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import modalconflict as mc
from modalconflict.bundle import load_bundle
from modalconflict.datasets.config import from_config
from modalconflict.datasets.dataset import read_manifest
from modalconflict.records import RecordWriter, read_journal, read_records, validate_records
from modalconflict.records.reading import study_information
from modalconflict.runner import run
from modalconflict.runner.study import rerun_options
from synthetic_study import StandInModel, StandInPreparer, make_dataset, make_records

HUGE = (2**63, 2**64, 2**70, -(2**70), 10**400)
NOT_JSON = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"3",
    b'"text"',
    b"\xff\xfe",
    b"\0" * 100,
    b"{'single': 1}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 10_000,
    b'{"format": null}',
    b'{"format": ["modalconflict-study"]}',
)


class BadInput(NamedTuple):
    """One bad input.

    Attributes
    ----------
    kind
        What was bad: a row of the table.
    name
        Which one, for a message.
    attempt
        Called with an empty folder; must raise one of our errors.
    """

    kind: str
    name: str
    attempt: Callable[[Path], Any]


def clear_sentence(error: BaseException) -> str | None:
    """Why an error is no clear sentence of ours; None if it is one."""
    words = str(error)
    if not isinstance(error, mc.ModalConflictError):
        return f"{type(error).__name__} is none of our errors: {words[:200]}"
    if "\n" in words or "Traceback" in words:
        return f"more than one line: {words[:200]}"
    if not 20 <= len(words) <= 600:
        return f"{len(words)} characters: {words[:200]}"
    return None


def all_bad_inputs() -> list[BadInput]:
    """Every bad input, in a fixed order."""
    makers = (_bundles, _journals, _studies, _manifests, _records, _tables, _configs, _analyses, _packs, _numbers)
    return [bad for maker in makers for bad in maker()]


# ---- bundle.json -------------------------------------------------------------------------------------------------
def good_bundle() -> dict[str, Any]:
    """A bundle's description that passes the check of its form."""
    sha = "0" * 64
    return {
        "format": "modalconflict-bundle",
        "format_version": 1,
        "family": "llava",
        "source": "a model",
        "dtype": "float32",
        "runtime": "torchscript",
        "versions": {"torch": "2.13.0"},
        "sizes": {"hidden": 8, "layers": 1, "vocab": 16},
        "image_token_id": 3,
        "stop_token_ids": [2],
        "prompt": {
            "style": "segments",
            "prefix": "U: ",
            "image_token": "<image>",
            "after_image": "",
            "suffix": " A:",
            "add_special_tokens": True,
            "image_inputs": {"kind": "tiles", "tokens": 4},
            "pixels": {"height": 8, "width": 8, "resample": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3},
        },
        "weights": ["weights-0.safetensors"],
        "programs": {"layer": {"file": "programs/layer.pt"}},
        "embed": {},
        "ropes": {"": {"program": "rotary", "position_dims": 1}},
        "layers": [{"program": "layer", "rope": ""}],
        "inject": [],
        "vision": {},
        "unembed": {},
        "files": {
            "weights-0.safetensors": {"sha256": sha, "size": 1},
            "programs/layer.pt": {"sha256": sha, "size": 1},
        },
    }


_WRONG: dict[str, tuple[Any, ...]] = {
    "text": (None, 3, [], {}, True),
    "object": (None, 3, "x", [], True),
    "list": (None, 3, "x", {}, True),
    "number": (None, "x", [], {}, 0.5, -1, 2**40, 10**400, float("nan")),
}
_BUNDLE_FIELDS: tuple[tuple[str, str], ...] = (
    *((f, "text") for f in ("family", "source", "dtype", "runtime", "format")),
    *(
        (f, "object")
        for f in ("versions", "sizes", "prompt", "programs", "embed", "ropes", "vision", "unembed", "files")
    ),
    *((f, "list") for f in ("stop_token_ids", "weights", "layers", "inject")),
    *(
        (f"prompt.{f}", "text")
        for f in ("style", "prefix", "image_token", "after_image", "suffix", "image_inputs.kind")
    ),
    *((f, "object") for f in ("prompt.image_inputs", "prompt.pixels", "ropes.", "programs.layer")),
    *((f"prompt.pixels.{f}", "number") for f in ("height", "width")),
    *((f"prompt.pixels.{f}", "list") for f in ("mean", "std")),
    *((f, "number") for f in ("image_token_id", "ropes..position_dims", "format_version")),
    ("prompt.pixels.resample", "text"),
    ("programs.layer.file", "text"),
)
_ESCAPES = ("../x", "/etc/passwd", "a/../../x", "..", "", "a\\..\\..\\x", "C:\\x", "./../x")


def _with(description: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one field replaced, or left out where the value is `...`."""
    changed = copy.deepcopy(description)
    at: Any = changed
    *parents, last = path.split(".")
    for name in parents:
        at = at[name]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return changed


def _load_bundle(content: bytes) -> Callable[[Path], Any]:
    def attempt(folder: Path) -> Any:
        (folder / "bundle.json").write_bytes(content)
        return load_bundle(folder, verify=False)

    return attempt


def _bundles() -> Iterator[BadInput]:
    kind = "bundle.json"
    for number, content in enumerate(NOT_JSON):
        yield BadInput(kind, f"no bundle {number}", _load_bundle(content))
    good = good_bundle()
    for path, wanted in _BUNDLE_FIELDS:
        values = _WRONG[wanted] + (() if path == "prompt.add_special_tokens" else (...,))
        for value in values:
            content = json.dumps(_with(good, path, value)).encode()
            yield BadInput(kind, f"{path} = {str(value)[:20]}", _load_bundle(content))
    more: list[tuple[str, Any]] = [
        *(("files", {**good["files"], name: {"sha256": "0" * 64, "size": 1}}) for name in _ESCAPES),
        *(
            ("layers", [entry])
            for entry in (None, 3, {}, {"program": []}, {"program": "layer", "rope": []}, {"program": "x", "rope": ""})
        ),
        *(
            ("inject", [entry])
            for entry in (None, 3, {}, {"layer": 0, "output": 1}, {"layer": 1, "output": 0}, {"layer": 9, "output": 1})
        ),
        *(("weights", [entry]) for entry in (None, 3, [], {}, "other.safetensors")),
        *(
            ("prompt.pixels.mean", v)
            for v in ([0.5] * 2, [0.5] * 4, ["x"] * 3, [None] * 3, [float("inf")] * 3, [10**400] * 3)
        ),
        *(("prompt.pixels.std", v) for v in ([0, 1, 1], [-1, 1, 1], [float("nan")] * 3)),
        *(("prompt.pixels", v) for v in ("other", "", [3])),
        *(("prompt.style", v) for v in ("", "chat", "segments ")),
        *(("prompt.add_special_tokens", v) for v in (None, 1, "true", [])),
        ("layers", []),
        ("ropes", {}),
        ("sizes.layers", 2),
        ("runtime", "onnx"),
        ("prompt.image_token", ""),
    ]
    for path, value in more:
        content = json.dumps(_with(good, path, value)).encode()
        yield BadInput(kind, f"{path} = {str(value)[:60]}", _load_bundle(content))
    yield BadInput(kind, "no such folder", lambda folder: load_bundle(folder / "none"))
    yield BadInput(kind, "larger than any bundle's", _load_bundle(b" " * (65 << 20)))


# ---- studies -----------------------------------------------------------------------------------------------------
@cache
def _one_group() -> pa.Table:
    return make_records(groups=1)


def _journals() -> Iterator[BadInput]:
    def attempt(change: Callable[[str], bytes]) -> Callable[[Path], Any]:
        def read(folder: Path) -> Any:
            RecordWriter(folder).write(0, _one_group(), 0.5)
            journal = folder / "journal.jsonl"
            journal.write_bytes(change(journal.read_text()))
            return read_journal(folder)

        return read

    changes: list[dict[str, Any]] = [
        *({"part": p} for p in (*_ESCAPES, None, 3, "records/part-000001.parquet", "records/../study.json")),
        *({"group": g} for g in (None, "0", 0.0, -1, True, *HUGE)),
        *({"rows": r} for r in (None, "8", -1, True, *HUGE)),
        *({"failed": f} for f in (None, "0", -1, 10**9)),
        *({"sha256": s} for s in (None, 3, "0" * 64, "")),
        *({"seconds": s} for s in ("x", [], True)),
        {"more": 1},
    ]
    for change in changes:
        yield BadInput(
            "journal",
            str(change)[:60],
            attempt(lambda line, change=change: (json.dumps(json.loads(line) | change) + "\n").encode()),  # type: ignore[misc]
        )
    for number, content in enumerate(NOT_JSON[1:]):
        yield BadInput("journal", f"no line {number}", attempt(lambda line, c=content: c + b"\n" + line.encode()))  # type: ignore[misc]


def _studies() -> Iterator[BadInput]:
    def attempt(content: bytes) -> Callable[[Path], Any]:
        def read(folder: Path) -> Any:
            (folder / "study.json").write_bytes(content)
            return study_information(folder), rerun_options(folder)

        return read

    for number, content in enumerate(NOT_JSON):
        yield BadInput("study.json", f"no study {number}", attempt(content))
    good = {
        "format": "modalconflict-study",
        "model": {"path": "/bundle"},
        "dataset": {"path": "/data"},
        "options": {"text": "original", "top_k": 5},
    }
    changes: list[tuple[str, Any]] = [
        *((section, value) for section in ("model", "dataset", "options") for value in (..., *_WRONG["object"])),
        *((f"{section}.path", value) for section in ("model", "dataset") for value in (..., None, 3, [], {})),
        *(("options.text", value) for value in (None, 3, [], "other")),
        *(("options.order", value) for value in (3, [], "other")),
        *(("options.top_k", value) for value in ("x", [], {}, 0, -1, *HUGE)),
        *(("options.memory_limit", value) for value in ("x", [], 0, -1, float("nan"))),
        *(("options.max_new_tokens", value) for value in ("x", [], 0, 2**70)),
    ]
    for path, value in changes:
        content = json.dumps(_with(good, path, value)).encode()
        yield BadInput("study.json", f"{path} = {str(value)[:20]}", attempt(content))


# ---- tables ------------------------------------------------------------------------------------------------------
@cache
def _good_manifest() -> pa.Table:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return mc.datasets.color_recognition(groups=1, seed=5, out=Path(folder) / "data").table


def _manifests() -> Iterator[BadInput]:
    def attempt(table: Callable[[], pa.Table]) -> Callable[[Path], Any]:
        def read(folder: Path) -> Any:
            pq.write_table(table(), folder / "manifest.parquet")
            return read_manifest(folder)

        return read

    def cell(column: str, value: Any) -> Callable[[], pa.Table]:
        def make() -> pa.Table:
            table = _good_manifest()
            values = table[column].to_pylist()
            values[2] = value
            kind = None if value is None or isinstance(value, (list, str)) else table.schema.field(column).type
            number = table.column_names.index(column)
            return table.set_column(number, column, pa.array(values, kind or table.schema.field(column).type))

        return make

    required = ("case_id", "group", "d_v", "d_t", "image", "text", "question", "answer_text", "answer_vision", "order")
    for column in (*required, "image_width", "image_height", "pixel_sha256", "target", "attribute", "entity"):
        yield BadInput("manifest", f"no {column}", attempt(lambda c=column: _good_manifest().drop_columns([c])))  # type: ignore[misc]
        yield BadInput("manifest", f"{column} missing in a row", attempt(cell(column, None)))
        lists = pa.array([[1]] * _good_manifest_rows())
        yield BadInput(
            "manifest",
            f"{column} of lists",
            attempt(lambda c=column, v=lists: _replaced(_good_manifest(), c, v)),  # type: ignore[misc]
        )
    for image in ("../x.png", "/etc/passwd", "a/../../x.png", "..", "C:\\x.png", "\\x.png", "a\0b.png", "a\\..\\b.png"):
        yield BadInput("manifest", f"image {image!r}", attempt(cell("image", image)))
    for column in ("group", "d_v", "d_t", "image_width", "image_height"):
        yield BadInput("manifest", f"{column} negative", attempt(cell(column, -1)))
    for sha in ("", "0" * 63, "G" * 64, "0" * 65):
        yield BadInput("manifest", f"sha {sha[:4]}", attempt(cell("pixel_sha256", sha)))
    for column in ("text", "question", "answer_text", "answer_vision", "case_id"):
        yield BadInput("manifest", f"{column} blank", attempt(cell(column, "  ")))
    yield BadInput("manifest", "order unknown", attempt(cell("order", "sideways")))
    for number, content in enumerate((*NOT_JSON, b"PAR1", b"PAR1" * 100)):
        yield BadInput("manifest", f"no Parquet {number}", _write_and_read("manifest.parquet", content, read_manifest))
    draw = random.Random(8)
    for cut in range(30):
        share = draw.random()
        yield BadInput("manifest", f"truncated, draw {cut}", _truncated("manifest.parquet", _good_manifest, share))
    yield BadInput("manifest", "ten million million rows in a few bytes", _bomb)


@cache
def _good_manifest_rows() -> int:
    return int(_good_manifest().num_rows)


def _replaced(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _write_and_read(name: str, content: bytes, read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def attempt(folder: Path) -> Any:
        (folder / name).write_bytes(content)
        return read(folder)

    return attempt


def _truncated(name: str, table: Callable[[], pa.Table], share: float) -> Callable[[Path], Any]:
    def attempt(folder: Path) -> Any:
        pq.write_table(table(), folder / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])
        return read_manifest(folder) if name == "manifest.parquet" else read_records(folder / name)

    return attempt


def _bomb(folder: Path) -> Any:
    """A file of a few hundred bytes whose footer declares ten million million rows."""
    path = folder / "manifest.parquet"
    pq.write_table(pa.table({"group": [1, 2, 3]}), path)
    content = path.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    begin, footer = content[: -8 - length], content[-8 - length : -8]
    many, varint = 2 * 10**13, b""
    while many:
        varint += bytes([many & 127 | (128 if many > 127 else 0)])
        many >>= 7
    footer = footer.replace(b"\x16\x06\x19", b"\x16" + varint + b"\x19", 1)  # Thrift: field 3, the number of rows
    path.write_bytes(begin + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    return read_manifest(folder)


def _records() -> Iterator[BadInput]:
    def check(column: str, value: Any, row: int = 3) -> Callable[[Path], Any]:
        def attempt(folder: Path) -> Any:
            table = _one_group()
            values = table[column].to_pylist()
            values[row] = value
            return validate_records(_replaced(table, column, pa.array(values)), "records.parquet")

        return attempt

    for value in ("both", "", None, "Multimodal"):
        yield BadInput("records", f"condition {value}", check("condition", value))
    for column in ("entropy", "max_prob", "margin"):
        for number in (float("nan"), float("inf"), -float("inf"), -1e-9, None):
            yield BadInput("records", f"{column} {number}", check(column, number))
    for column in ("case_id", "group", "model", "answer"):
        yield BadInput("records", f"{column} missing", check(column, None))
        yield BadInput("records", f"no {column}", lambda _, c=column: validate_records(_one_group().drop_columns([c])))  # type: ignore[misc]
    yield BadInput("records", "d_t missing", check("d_t", None, 0))
    draw = random.Random(9)
    for cut in range(30):
        yield BadInput("records", f"truncated, draw {cut}", _truncated("r.parquet", _one_group, draw.random()))
    for number, content in enumerate((*NOT_JSON, b"PAR1")):
        for name in ("r.parquet", "r.csv"):
            yield BadInput(
                "records",
                f"{name} {number}",
                _write_and_read(name, content, lambda f, n=name: read_records(f / n)),  # type: ignore[misc]
            )
    yield BadInput("records", "another suffix", _write_and_read("r.txt", b"x", lambda f: read_records(f / "r.txt")))
    yield BadInput("records", "absent", lambda folder: read_records(folder / "none.parquet"))


def _tables() -> Iterator[BadInput]:
    header = "case_id,h_text,h_vision,outcome\n"
    good = "".join(f"c{i},0.{i + 1},1.{i},{'text' if i % 2 else 'vision'}\n" for i in range(8))
    rows = (
        "c1,0.1,0.2,maybe\n",
        "c9,-0.1,0.2,text\n",
        "c9,nan,0.2,text\n",
        "c9,inf,0.2,text\n",
        "c9,x,0.2,text\n",
        "c9,,0.2,text\n",
        ",0.1,0.2,text\n",
        "c9,0.1,0.2\n",
        "c9,0.1,0.2,text,more\n",
        "c1,0.1,0.2,text\n",
        "c9,0.1,0.2,\n",
        "c9,0.1,0.2,TEXT\n",
        '"c9,0.1,0.2,text\n',
        "c9,0.1,-inf,text\n",
    )
    for row in rows:
        yield BadInput("table of cases", row.strip(), _analysis_of((header + good + row).encode()))
    for column in ("case_id", "h_text", "h_vision", "outcome"):
        content = (header.replace(column, "x") + good).encode()
        yield BadInput("table of cases", f"no {column}", _analysis_of(content))
    for number, content in enumerate((b"", header.encode(), b"\xff\xfe", b"\0\0\0", b"a,a\n1,2\n", b"case_id\n")):
        yield BadInput("table of cases", f"no table {number}", _analysis_of(content))


def _analysis_of(content: bytes, **options: Any) -> Callable[[Path], Any]:
    def attempt(folder: Path) -> Any:
        (folder / "cases.csv").write_bytes(content)
        return mc.analyze(folder / "cases.csv", **{"replicates": 20, **options})

    return attempt


# ---- other files -------------------------------------------------------------------------------------------------
def _configs() -> Iterator[BadInput]:
    bodies = (
        "", "kind = 3", "kind = 'colour'", "kind = 'color'\ngroups = 'x'", "kind = 'color'\ngroups = -1",
        "kind = 'color'\ngroups = 0", "kind = 'color'\ngroups = 9223372036854775807",
        "kind = 'color'\ngroups = 99999999999999999999999", "kind = 'color'\ngroups = 1.5", "kind = 'color'\ngroups = true",
        "kind = 'color'\nseed = -1", "kind = 'color'\nseed = 'x'", "kind = 'color'\nseed = 99999999999999999999999",
        "kind = 'color'\nshapes = 'circle'", "kind = 'color'\nshapes = []", "kind = 'color'\nshapes = [3]",
        "kind = 'color'\nshapes = ['blob']", "kind = 'color'\nshape = ['circle']", "kind = 'color'\ntiers = 3",
        "kind = 'color'\ntiers = [3]", "kind = 'color'\n[[tiers]]\ndistractor = 3", "kind = 'color'\n[[texts]]\nx = 1",
        "kind = 'color'\n[[texts]]\ntemplates = 3", "kind = 'color'\n[[texts]]\ntemplates = []",
        "kind = 'color'\n[[texts]]\ntemplates = ['{nothing}']", "kind = 'color'\n[[colors]]\nname = 3",
        "kind = 'color'\nquestion = 3", "kind = 'color'\nquestion = ''", "kind = 'color'\ncontrols = 'x'",
        "kind = 'color'\ncontrols = ['x']", "kind = 'color'\nout = '/tmp/x'", "kind = 'color'\nthreads = 3",
        "kind = 'attribute'\nsubset = 'size'", "kind = 'attribute'\ngroups = []", "kind = 'color'\nkind = 'color'",
        "= 3", "[", "kind = ", "a.b.c = 1", "kind = 'color'\ngroups = nan", "kind = 'color'\ngroups = inf",
        "kind = 'color'\ngroups = 1979-05-27", "x = " + "[" * 5000, "kind = 'color'\n\0",
    )  # fmt: skip
    for body in bodies:
        yield BadInput("TOML", body[:60], _config_of(body.encode()))
    for number, content in enumerate((b"\xff\xfe", b"\0" * 10, b"#" * (17 << 20))):
        yield BadInput("TOML", f"no text {number}", _config_of(content))
    yield BadInput("TOML", "absent", lambda folder: from_config(folder / "none.toml", out=folder / "data"))
    yield BadInput("TOML", "a folder", lambda folder: from_config(folder, out=folder / "data"))


def _config_of(content: bytes) -> Callable[[Path], Any]:
    def attempt(folder: Path) -> Any:
        (folder / "study.toml").write_bytes(content)
        return from_config(folder / "study.toml", out=folder / "data")

    return attempt


def _analyses() -> Iterator[BadInput]:
    good = {"format": "modalconflict-analysis", "format_version": 1, "models": [{}], "options": {}, "versions": {}}
    contents = [
        *NOT_JSON,
        *(
            json.dumps(_with(good, p, v)).encode()
            for p in ("models", "options", "versions")
            for v in (..., None, 3, "x")
        ),
        *(json.dumps(good | {"format_version": v}).encode() for v in (None, "1", 0, 2**70, [])),
        *(json.dumps(good | {"models": [m]}).encode() for m in (None, 3, "x", [], {})),
    ]
    for number, content in enumerate(contents):
        yield BadInput(
            "summary.json", f"no analysis {number}", _write_and_read("summary.json", content, mc.load_analysis)
        )


def _packs() -> Iterator[BadInput]:
    from safetensors.numpy import save

    whole = save({"ids": np.arange(3)}, {"format": "modalconflict-pack"})
    header = b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    contents = [
        *NOT_JSON,
        whole,
        whole[:-4],
        whole[:8],
        (2**63 - 1).to_bytes(8, "little") + b"{}",
        (2**64 - 1).to_bytes(8, "little"),
        len(header).to_bytes(8, "little") + header,
        len(header).to_bytes(8, "little") + header.replace(b"[4]", b"[4000000000000]") + b"\0" * 16,
        len(header).to_bytes(8, "little") + header.replace(b"16]", b"99]") + b"\0" * 16,
        *(
            save({"ids": np.arange(3)}, {"format": "modalconflict-pack", "format_version": v, "case_ids": names})
            for v in ("1", "2", "9")
            for names in ("", "3", "{", "[1]", "[" * 50_000)
        ),
    ]
    for number, content in enumerate(contents):
        yield BadInput(
            "case pack",
            f"no pack {number}",
            _write_and_read("p.safetensors", content, lambda f: mc.Pack.load(f / "p.safetensors")),
        )


def _numbers() -> Iterator[BadInput]:
    """Numbers that no 64 bits hold, and numbers that are none, in the Python interface."""
    table = b"case_id,h_text,h_vision,outcome\n" + b"".join(
        f"c{i},0.{i + 1},1.{i},{'text' if i % 2 else 'vision'}\n".encode() for i in range(9)
    )
    x, y = np.linspace(-1, 1, 9), np.arange(9) % 2 == 0
    calls: dict[str, Callable[[Path, Any], Any]] = {
        "color groups": lambda f, n: mc.datasets.color_recognition(groups=n, seed=1, out=f / "d"),
        "color seed": lambda f, n: mc.datasets.color_recognition(groups=1, seed=n, out=f / "d"),
        "color threads": lambda f, n: mc.datasets.color_recognition(groups=1, seed=1, threads=n, out=f / "d"),
        "attribute groups": lambda f, n: mc.datasets.attribute_recognition("shape", groups=n, seed=1, out=f / "d"),
        "attribute seed": lambda f, n: mc.datasets.attribute_recognition("shape", groups=1, seed=n, out=f / "d"),
        "analyze replicates": lambda f, n: _analysis_of(table, replicates=n)(f),
        "analyze random_state": lambda f, n: _analysis_of(table, random_state=n)(f),
        "balance_point replicates": lambda f, n: mc.balance_point(x, y, replicates=n),
        "balance_point random_state": lambda f, n: mc.balance_point(x, y, random_state=n),
        "run limit": lambda f, n: _run(f, limit=-abs(n)),
        "run top_k": lambda f, n: _run(f, top_k=n),
        "run max_new_tokens": lambda f, n: _run(f, max_new_tokens=n),
        "run batch_size": lambda f, n: _run(f, batch_size=n),
        "load_model threads": lambda f, n: mc.load_model(f, threads=n),
        "load_model memory_limit": lambda f, n: mc.load_model(f, memory_limit=n),
        "entropy": lambda f, n: mc.entropy([n, n]),
        "relative_uncertainty": lambda f, n: mc.relative_uncertainty(n, -1),
        "isotonic_regression": lambda f, n: mc.isotonic_regression([float("nan"), 1.0], weights=[n, 1]),
    }
    for name, call in calls.items():
        for number in HUGE[1:]:
            yield BadInput("numbers", f"{name} = {str(number)[:24]}", lambda f, c=call, n=number: c(f, n))  # type: ignore[misc]


def _run(folder: Path, **options: Any) -> Any:
    data = make_dataset(folder / "data", groups=1)
    return run(StandInModel(), data, folder / "study", preparer=StandInPreparer(), **options)
