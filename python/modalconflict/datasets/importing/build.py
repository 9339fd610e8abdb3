"""From checked rows to a dataset: cases numbered by group and tier, pictures stored, the manifest written in blocks."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modalconflict.datasets.building import WORK, DatasetBuilder
from modalconflict.datasets.dataset import Dataset
from modalconflict.datasets.importing.cells import Place, is_missing, optional_text, text_of, tier_of
from modalconflict.datasets.importing.images import ImageStore
from modalconflict.errors import InvalidArgument, IoError

REQUIRED = ("image", "text", "question", "answer_text", "answer_vision")
OPTIONAL = ("group", "d_v", "d_t", "text_paraphrase", "target", "attribute", "order")
SKIPPED_FILE = "skipped.jsonl"
_ROWS_PER_BLOCK = 1024

Progress = Callable[[int], None]
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class ImportOptions:
    """What every importer takes.

    Attributes
    ----------
    out
        Folder to make.
    images
        Folder that relative image paths begin at; None if the rows bring the bytes.
    link
        Hard-link image files instead of copying them, where the file system can.
    skip_bad_rows
        Leave out rows that do not fit, with their reasons in ``skipped.jsonl``, instead of stopping at the first.
    command
        Added to each question, such as "Answer in one word."; None adds nothing.
    progress
        Called with the number of rows done.
    """

    out: str | Path
    images: str | Path | None = None
    link: bool = False
    skip_bad_rows: bool = False
    command: str | None = None
    progress: Progress | None = field(default=None, compare=False)


def build_dataset(
    rows: Iterable[tuple[int, Fields]],
    labels: Mapping[str, str],
    source: str,
    name: str,
    options: ImportOptions,
    identity: Mapping[str, Any],
) -> Dataset:
    """Make a dataset of rows.

    Parameters
    ----------
    rows
        (row, values by field): the `REQUIRED` fields and any of the `OPTIONAL` ones; from an importer's own texts also
        ``entity`` and ``distractors``.
    labels
        What the source calls each field, for messages.
    source
        Its name, for messages and the manifest's column ``source``.
    name
        The manifest's dataset name.
    options
        Where to and how.
    identity
        What the dataset is made of; a folder that holds another is refused, one that holds this one is returned.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidArgument
        Naming file, column and row of the first value that does not fit, or if no row fits.
    IoError
        If the folder holds anything else or cannot be written.
    """
    folder = Path(options.out)
    images = None if options.images is None else Path(options.images)
    described = {
        "kind": "import",
        "dataset": name,
        "command": options.command,
        "skip_bad_rows": options.skip_bad_rows,
        **identity,
    }
    builder = DatasetBuilder(folder, described, optional=("source",), restarts=True)
    if builder.finished:
        return Dataset(folder)
    try:
        return _fill(builder, rows, labels, source, name, options, images)
    except BaseException:
        # the source is changed or the options are before the next try: nothing of this one would be used
        builder.abandon()
        raise


def _fill(
    builder: DatasetBuilder,
    rows: Iterable[tuple[int, Fields]],
    labels: Mapping[str, str],
    source: str,
    name: str,
    options: ImportOptions,
    images: Path | None,
) -> Dataset:
    folder = builder.folder
    numbering = _Numbering(folder / WORK / "numbering.sqlite")
    try:
        reader = _RowReader(labels, source, name, options, ImageStore(folder, images, options.link), numbering)
        block: list[dict[str, Any]] = []
        written, skipped = 0, []
        for row, values in rows:
            try:
                block.append(reader.case(row, values))
            except InvalidArgument as error:
                if not options.skip_bad_rows:
                    raise
                skipped.append(row)
                _note(folder / WORK / SKIPPED_FILE, row, str(error), first=len(skipped) == 1)
            if len(block) == _ROWS_PER_BLOCK:
                builder.write(written, block)
                written, block = written + 1, []
            if options.progress is not None:
                options.progress(row + 1)
        if block:
            builder.write(written, block)
        elif written == 0:
            why = (
                f"none of its {len(skipped)} rows fits; import without skipping to see why"
                if skipped
                else "it has no rows"
            )
            raise InvalidArgument(f"'{source}' cannot be imported: {why}")
    finally:
        numbering.close()
    if skipped:
        os.replace(folder / WORK / SKIPPED_FILE, folder / SKIPPED_FILE)
    return builder.finish()


class _RowReader:
    def __init__(
        self,
        labels: Mapping[str, str],
        source: str,
        name: str,
        options: ImportOptions,
        store: ImageStore,
        numbering: _Numbering,
    ) -> None:
        self._labels = labels
        self._source = source
        self._name = name
        self._command = options.command
        self._store = store
        self._numbering = numbering

    def case(self, row: int, values: Fields) -> dict[str, Any]:
        """The manifest's row of one source row."""

        def place(column: str) -> Place:
            return Place(self._source, row, self._labels.get(column, column))

        texts = {name: text_of(values.get(name), place(name)) for name in REQUIRED if name != "image"}
        if texts["answer_text"].casefold() == texts["answer_vision"].casefold():
            raise place("answer_text").error(
                f"'{texts['answer_text'][:80]}' is the image's answer too, which is no conflict; change or leave out the row"
            )
        question = texts["question"]
        if self._command and not question.endswith(self._command):
            question = f"{question} {self._command}"
        extra = {
            name: optional_text(values.get(name), place(name))
            for name in ("text_paraphrase", "target", "attribute", "order")
        }
        if extra["order"] not in (None, "image_first", "text_first"):
            raise place("order").error("unknown order; use image_first or text_first")
        image = self._store.add(values.get("image"), place("image"))
        group, d_v, d_t = self._numbering.number(values, image.pixel_sha256, question, texts, place)
        return {
            "case_id": f"{self._name}/{group:05d}/v{d_v:02d}/t{d_t}",
            "dataset": self._name,
            "group": group,
            "d_v": d_v,
            "d_t": d_t,
            "image": image.path,
            "image_width": image.width,
            "image_height": image.height,
            "text": texts["text"],
            "text_paraphrase": extra["text_paraphrase"],
            "question": question,
            "answer_text": texts["answer_text"],
            "answer_vision": texts["answer_vision"],
            "target": extra["target"] or "",
            "attribute": extra["attribute"] or "",
            "distractors": values.get("distractors"),
            "text_words": len(texts["text"].split()),
            "entity": values.get("entity") or "",
            "order": extra["order"] or "image_first",
            "pixel_sha256": image.pixel_sha256,
            "source": f"{self._source}#{row}",
        }


class _Numbering:
    """Numbers of groups and tiers, on disk so that memory does not grow with the rows.

    A group is all rows with the same value in the group column; each row its own where there is none. Tiers that the
    rows do not give are counted in the order in which a group's pictures and texts appear. The runs of one modality
    are shared inside a group, so all that they depend on must agree.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        try:
            self._db = sqlite3.connect(path)
            self._db.executescript(
                """
                PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000;
                CREATE TABLE groups (key TEXT PRIMARY KEY, number INTEGER, question TEXT, row INTEGER) WITHOUT ROWID;
                CREATE TABLE tiers (number INTEGER, side TEXT, tier INTEGER, content TEXT, row INTEGER,
                                    PRIMARY KEY (number, side, tier)) WITHOUT ROWID;
                CREATE UNIQUE INDEX contents ON tiers (number, side, content);
                CREATE TABLE cases (number INTEGER, d_v INTEGER, d_t INTEGER, row INTEGER,
                                    PRIMARY KEY (number, d_v, d_t)) WITHOUT ROWID;
                """
            )
        except sqlite3.Error as error:
            raise _disk(path, error) from None
        self._path = path
        self._groups = 0

    def close(self) -> None:
        self._db.close()

    def number(
        self, values: Fields, pixels: str, question: str, texts: Mapping[str, str], place: Callable[[str], Place]
    ) -> tuple[int, int, int]:
        """Group, d_v and d_t of a row."""
        given = {
            name: None if is_missing(values.get(name)) else tier_of(values[name], place(name))
            for name in ("d_v", "d_t")
        }
        raw = values.get("group")
        if is_missing(raw) or raw == "":
            if "group" in values:
                raise place("group").error("the value is missing; fill it, or leave the column out")
            self._groups += 1
            return self._groups - 1, given["d_v"] or 0, given["d_t"] or 0
        key = text_of(raw, place("group"))
        row = place("group").row
        try:
            found = self._db.execute("SELECT number, question, row FROM groups WHERE key = ?", (key,)).fetchone()
            if found is None:
                number = self._groups
            else:
                number = found[0]
                if found[1] != question:
                    raise place("question").error(
                        f"group '{key[:80]}' asks another question in row {found[2]}; give each question its own group"
                    )
            d_v = self._tier(number, "d_v", given["d_v"], _digest(pixels, texts["answer_vision"]), place)
            d_t = self._tier(number, "d_t", given["d_t"], _digest(texts["text"], texts["answer_text"]), place)
            twice = self._db.execute(
                "SELECT row FROM cases WHERE number = ? AND d_v = ? AND d_t = ?", (number, d_v[0], d_t[0])
            ).fetchone()
            if twice is not None:
                raise place("group").error(
                    f"group '{key[:80]}' has d_v {d_v[0]} with d_t {d_t[0]} in row {twice[0]} already; leave one out"
                )
            # all checks passed: a row that is skipped leaves no trace
            if found is None:
                self._db.execute("INSERT INTO groups VALUES (?, ?, ?, ?)", (key, number, question, row))
                self._groups += 1
            for side, (tier, content, new) in (("d_v", d_v), ("d_t", d_t)):
                if new:
                    self._db.execute("INSERT INTO tiers VALUES (?, ?, ?, ?, ?)", (number, side, tier, content, row))
            self._db.execute("INSERT INTO cases VALUES (?, ?, ?, ?)", (number, d_v[0], d_t[0], row))
        except sqlite3.Error as error:
            raise _disk(self._path, error) from None
        return number, d_v[0], d_t[0]

    def _tier(
        self, number: int, side: str, given: int | None, content: str, place: Callable[[str], Place]
    ) -> tuple[int, str, bool]:
        """(tier, content, whether it is new) of one side of a row."""
        at = "SELECT tier, content, row FROM tiers WHERE number = ? AND side = ? AND "
        if given is None:
            found = self._db.execute(at + "content = ?", (number, side, content)).fetchone()
            if found is not None:
                return found[0], content, False
            last = self._db.execute(
                "SELECT max(tier) FROM tiers WHERE number = ? AND side = ?", (number, side)
            ).fetchone()[0]
            return (0 if last is None else last + 1), content, True
        found = self._db.execute(at + "tier = ?", (number, side, given)).fetchone()
        if found is None:
            same = self._db.execute(at + "content = ?", (number, side, content)).fetchone()
            if same is not None:
                what = "image" if side == "d_v" else "text"
                raise place(side).error(
                    f"the group has the same {what} at {side} {same[0]} in row {same[2]}; give equal ones equal tiers"
                )
            return given, content, True
        if found[1] != content:
            what = "image or image's answer" if side == "d_v" else "text or text's answer"
            raise place(side).error(
                f"the group has another {what} at {side} {given} in row {found[2]}; its run is shared, so give another tier"
            )
        return given, content, False


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _disk(path: Path, error: sqlite3.Error) -> IoError:
    return IoError(f"cannot write '{path}': {error}; check free space and permissions")


def _note(path: Path, row: int, reason: str, first: bool) -> None:
    try:
        with open(path, "w" if first else "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"row": row, "reason": reason}) + "\n")
    except OSError as error:
        raise IoError(f"cannot write '{path}': {error.strerror or error}; check free space and permissions") from None
