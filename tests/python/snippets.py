"""The code that the documentation prints, page by page, and what the pages say about running it.

A page speaks to the tests in HTML comments, which neither GitHub nor Sphinx shows:

``<!-- snippets: given study analysis pocket.bundle=m.bundle -->``
    what the reader has at this point, put into the page's folder, here one of them under another name;
``<!-- snippets: fresh -->``
    from here on in another, empty folder;
``<!-- snippets: setup`` … ``-->``
    Python that runs at this point, unseen;
``<!-- snippets: skip REASON -->``
    the next block is not run, and why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PIECE = re.compile(
    r"^<!-- snippets: (?P<word>given|setup|skip|fresh)(?P<rest>.*?)-->|^```(?P<language>[\w{}-]*)[^\n]*\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^(modalconflict|python3?|pip|make|cmake|pytest|export) ", re.MULTILINE)
# What a page prints at full size is run small.
_SMALL = ((r"--groups \d+", "--groups 2"), (r"\bgroups=\d+", "groups=2"), (r"--replicates \d+", "--replicates 100"))


@dataclass(frozen=True)
class Step:
    """One thing a page does: "given", "setup", "fresh", "skip", "python", "sh" or "silent" (a block that holds no code)."""

    kind: str
    text: str
    line: int


def pages() -> list[Path]:
    """Every page that is written by hand."""
    docs = sorted(p for p in (ROOT / "docs").rglob("*.md") if not {"_build", "api"} & set(p.relative_to(ROOT).parts))
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *docs]


def steps(page: Path) -> list[Step]:
    """A page's steps in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _PIECE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["word"]:
            found.append(Step(match["word"], match["rest"].strip(), line))
            continue
        kind = {"python": "python", "sh": "sh", "bash": "sh"}.get(match["language"], "silent")
        found.append(Step(kind, match["code"], line))
    return found


def holds_commands(step: Step) -> bool:
    """Whether a block without a language looks like commands, which would then not be run."""
    return step.kind == "silent" and _COMMAND.search(step.text) is not None


def small(code: str) -> str:
    """The same code on tiny sizes."""
    for pattern, replacement in _SMALL:
        code = re.sub(pattern, replacement, code)
    return code


def command_lines(code: str) -> list[str]:
    """A block's commands, lines that end in a backslash joined."""
    joined = code.replace("\\\n", " ")
    return [line for line in (text.strip() for text in joined.splitlines()) if line and not line.startswith("#")]
