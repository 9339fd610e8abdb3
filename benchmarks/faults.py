"""Faults injected and bad inputs tried: the table of docs/reliability.md, from a real run.

A study of a stand-in model over twelve groups is disturbed as often as `--times` says in each of several ways and gone
on with by --resume; its table is then held against the undisturbed one, row for row. Every bad input of
tests/python/faults/bad_inputs.py is tried once.

Run:  python benchmarks/faults.py --times 200 --write docs/reliability.md
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "python"))

from faults.bad_inputs import all_bad_inputs, clear_sentence  # noqa: E402
from faults.injection import in_child, kill_until_whole, rows_lost, steps_of, study  # noqa: E402
from modalconflict.errors import IoError  # noqa: E402
from modalconflict.records import read_records  # noqa: E402
from synthetic_study import make_dataset  # noqa: E402

GROUPS = 12
MARKS = ("<!-- faults -->", "<!-- /faults -->")

Disturb = Callable[["Setting", Path, random.Random], int]


class Setting:
    """The undisturbed study, and how many steps it takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = make_dataset(folder / "data", groups=GROUPS)
        study(self.data, folder / "whole")
        self.whole = read_records(folder / "whole")
        self.steps = steps_of(lambda: study(self.data, folder / "again"))


def killed_at_steps(setting: Setting, out: Path, draw: random.Random) -> int:
    """SIGKILL at a random call of a function, three times in a row."""
    return kill_until_whole(setting.data, out, setting.steps, draw, kills=3)


def killed_by_the_clock(setting: Setting, out: Path, draw: random.Random) -> int:
    """SIGKILL from outside after a random time."""
    child = os.fork()
    if child == 0:
        try:
            study(setting.data, out)
        finally:
            os._exit(0)
    time.sleep(draw.uniform(0, 0.12))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 1


def journal_lost(setting: Setting, out: Path, draw: random.Random) -> int:
    """Killed, and the journal gone."""
    kill_until_whole_once(setting, out, draw)
    (out / "journal.jsonl").unlink(missing_ok=True)
    return 1


def journal_cut(setting: Setting, out: Path, draw: random.Random) -> int:
    """Killed, and the journal cut at a random byte."""
    kill_until_whole_once(setting, out, draw)
    journal = out / "journal.jsonl"
    if journal.exists():
        content = journal.read_bytes()
        journal.write_bytes(content[: draw.randint(0, len(content))])
    return 1


def journal_zeroed(setting: Setting, out: Path, draw: random.Random) -> int:
    """Killed, and the journal's end zeros, as a power cut leaves it on some file systems."""
    kill_until_whole_once(setting, out, draw)
    journal = out / "journal.jsonl"
    if journal.exists():
        content = journal.read_bytes()
        kept = draw.randint(0, len(content))
        journal.write_bytes(content[:kept] + bytes(len(content) - kept))
    return 1


def kill_until_whole_once(setting: Setting, out: Path, draw: random.Random) -> None:
    """One kill in the part of a study in which groups are written."""
    step = draw.randint(setting.steps // 3, setting.steps)
    in_child(lambda: study(setting.data, out), step=step)


def disk_full(setting: Setting, out: Path, draw: random.Random) -> int:
    """A disk of our own that fills at a random byte; then there is space again."""
    import subprocess

    out.mkdir()
    struck = 0
    size = draw.randint(4, 60) * 4096
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(out)], check=True)
    try:
        try:
            study(setting.data, out / "study")
        except IoError as error:
            struck = 1
            if clear_sentence(error) is not None:
                raise AssertionError(f"no clear sentence: {error}") from error
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        study(setting.data, out / "study")
        kept = out.with_name(out.name + "-kept")
        shutil.copytree(out / "study", kept)
    finally:
        subprocess.run(["umount", str(out)], check=True)
    out.rmdir()
    kept.rename(out)
    return struck


def clock_set_back(setting: Setting, out: Path, draw: random.Random) -> int:
    """The wall clock jumps to and fro by years during the run, and the study is killed besides."""
    real = datetime.datetime

    class Jumping(real):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real(draw.randint(1971, 2100), 1, 1, tzinfo=tz)

    with mock.patch("datetime.datetime", Jumping):
        return kill_until_whole(setting.data, out, setting.steps, draw, kills=1)


def stopped_by(number: int) -> Disturb:
    """A signal at a random step, taken as the command line takes it."""

    def disturb(setting: Setting, out: Path, draw: random.Random) -> int:
        from modalconflict.cli.signals import stop

        def run() -> None:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else stop)
            study(setting.data, out)

        return int(in_child(run, step=draw.randint(1, setting.steps), blow=number) != 0)

    return disturb


FAULTS: dict[str, Disturb] = {
    "kill -9 at a random step, three times": killed_at_steps,
    "kill -9 after a random time": killed_by_the_clock,
    "kill -9, then the journal lost": journal_lost,
    "kill -9, then the journal cut at a random byte": journal_cut,
    "kill -9, then the journal's end zeroed": journal_zeroed,
    "SIGTERM at a random step": stopped_by(signal.SIGTERM),
    "SIGHUP at a random step": stopped_by(signal.SIGHUP),
    "SIGINT at a random step": stopped_by(signal.SIGINT),
    "a disk that fills at a random byte": disk_full,
    "the clock jumping by years, and a kill": clock_set_back,
}


def inject(times: int, seed: int) -> list[tuple[str, int, int, int]]:
    """Per fault: times tried, faults that struck, rows lost."""
    rows = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        setting = Setting(Path(folder))
        for name, disturb in FAULTS.items():
            if disturb is disk_full and os.geteuid() != 0:
                print(f"skipped: {name} needs root for a file system of its own", flush=True)
                continue
            draw, struck, lost = random.Random(f"{seed}/{name}"), 0, 0
            for number in range(times):
                out = Path(folder) / f"study-{number}"
                struck += disturb(setting, out, draw)
                study(setting.data, out)
                lost += rows_lost(setting.whole, out)
                shutil.rmtree(out)
            rows.append((name, times, struck, lost))
            print(*rows[-1], sep=" | ", flush=True)
    return rows


def try_bad_inputs() -> list[tuple[str, int, int]]:
    """Per kind: bad inputs tried, those refused in one clear sentence."""
    tried: Counter[str] = Counter()
    clear: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        for number, bad in enumerate(all_bad_inputs()):
            place = Path(folder) / str(number)
            place.mkdir()
            tried[bad.kind] += 1
            try:
                bad.attempt(place)
                why: str | None = "accepted"
            except Exception as error:
                why = clear_sentence(error)
            if why is None:
                clear[bad.kind] += 1
            else:
                print(f"{bad.kind}, {bad.name}: {why}", flush=True)
            shutil.rmtree(place)
    return [(kind, tried[kind], clear[kind]) for kind in sorted(tried)]


def table(faults: list[tuple[str, int, int, int]], inputs: list[tuple[str, int, int]]) -> str:
    """Both tables in Markdown."""
    lines = ["| fault | studies | faults injected | rows lost |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {times} | {struck} | {lost} |" for name, times, struck, lost in faults]
    lines.append(
        f"| **all** | {sum(f[1] for f in faults)} | {sum(f[2] for f in faults)} | {sum(f[3] for f in faults)} |"
    )
    lines += ["", "| bad inputs | tried | one clear sentence |", "|---|---:|---:|"]
    lines += [f"| {kind} | {tried} | {clear} |" for kind, tried, clear in inputs]
    lines.append(f"| **all** | {sum(i[1] for i in inputs)} | {sum(i[2] for i in inputs)} |")
    when = datetime.date.today().isoformat()
    made = f"{GROUPS} groups of 8 runs a study; Linux, Python {platform.python_version()}, {when}."
    return "\n".join([*lines, "", made])


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200, help="studies disturbed in each way")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--write", type=Path, help="page whose table, between two marks, is replaced")
    arguments = parser.parse_args()
    faults, inputs = inject(arguments.times, arguments.seed), try_bad_inputs()
    text = table(faults, inputs)
    print(text)
    if arguments.write is not None:
        page = arguments.write.read_text(encoding="utf-8")
        head, rest = page.split(MARKS[0], 1)
        tail = rest.split(MARKS[1], 1)[1]
        arguments.write.write_text(f"{head}{MARKS[0]}\n{text}\n{MARKS[1]}{tail}", encoding="utf-8")
    return int(any(f[3] for f in faults) or any(i[1] != i[2] for i in inputs))


if __name__ == "__main__":
    raise SystemExit(main())
