"""What holds for every command: what is printed and where, errors, exit statuses, warnings, Ctrl-C."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer
from typer.core import TyperGroup

from modalconflict.cli.signals import Stopped
from modalconflict.errors import ModalConflictError

ORDER = (
    "demo",
    "generate",
    "import",
    "contact-sheet",
    "card",
    "export",
    "prepare",
    "run",
    "analyze",
    "report",
    "verify",
)
"""The commands in the order in which a study needs them."""

GOES_ON = {
    "demo": "give the same command again to go on",
    "generate": "give the same command again to go on",
    "export": "give the same command again to go on",
    "run": "finished groups are kept; add --resume to go on",
}
"""Commands that go on where Ctrl-C stopped them, and how."""

_HERE = str(Path(__file__).resolve().parents[1])
_USAGE: tuple[type[Exception], ...] = tuple(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
_JSON = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object, and nothing else on stdout.")]
Function = TypeVar("Function", bound="Callable[..., Result]")
_LAST_RESORT = logging.lastResort
_debug = False


@dataclass(frozen=True)
class Result:
    """What a command did.

    Attributes
    ----------
    data
        For --json: strict JSON, or a function that makes it.
    text
        For people: lines and rich tables, printed in turn.
    """

    data: dict[str, Any] | Callable[[], dict[str, Any]]
    text: Iterable[Any]

    def print(self, as_json: bool) -> None:
        """Print one of the two on stdout."""
        if as_json:
            data = self.data() if callable(self.data) else self.data
            plain = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
            typer.echo(json.dumps(data, ensure_ascii=plain, allow_nan=False))
            return
        from modalconflict.cli.display import console

        for part in self.text:
            if isinstance(part, str):
                typer.echo(part)
            else:
                console().print(part)


class Commands(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; whatever goes wrong becomes one sentence and an exit status. --debug lets it through."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            how = GOES_ON.get(ctx.invoked_subcommand or "")
            typer.echo(f"Stopped{f'; {how}' if how else ''}.", err=True)
            raise typer.Exit(128 + stop.number if isinstance(stop, Stopped) else 130) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except _USAGE:
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, ModalConflictError):
                typer.echo(f"Error: {error}", err=True)
            else:  # not foreseen, or it would be one of ours: still one sentence, and the way to the rest
                first = (str(error).splitlines() or [""])[0][:300]
                kind = type(error).__name__
                text = f"Error: {kind}: {first}; check the input, --debug shows where it came from"
                typer.echo(text, err=True)
            raise typer.Exit(1) from error

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order of a study."""
        return [name for name in ORDER if name in self.commands]


class App(typer.Typer):
    """A Typer whose commands keep the rules above."""

    def command(self, *arguments: Any, **options: Any) -> Callable[[Function], Function]:
        """Register a function that returns a :class:`Result`; it gets --json."""
        register = super().command(*arguments, **options)

        def add(function: Function) -> Function:
            register(_with_json(function))
            return function

        return add


def _with_json(function: Callable[..., Result]) -> Callable[..., None]:
    """The function with one more parameter, which prints what it returns."""
    signature = inspect.signature(function)
    hints = get_type_hints(function, include_extras=True)
    parameters = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
    json_kind = inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_JSON)

    @functools.wraps(function)
    def command(*arguments: Any, as_json: bool, **options: Any) -> None:
        function(*arguments, **options).print(as_json)

    del command.__wrapped__  # Typer would look through to the parameters without --json
    command.__signature__ = signature.replace(parameters=[*parameters, json_kind], return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {**{k: v for k, v in hints.items() if k != "return"}, "as_json": _JSON}
    return command


def set_debug(on: bool) -> None:
    """Let tracebacks and other libraries' warnings through, or not."""
    global _debug
    _debug = on
    if on:
        logging.lastResort = _LAST_RESORT
    else:
        # the libraries' own bars and notices would run through ours
        os.environ.setdefault("TQDM_DISABLE", "1")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def quiet_others() -> None:
    """From here on stderr shows this package's warnings alone; with --debug those of all libraries."""
    show = warnings.showwarning

    def ours(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
        if _debug:
            show(message, category, filename, lineno, file, line)
        elif filename.startswith(_HERE):
            typer.echo(f"Warning: {message}", err=True)

    warnings.showwarning = ours
    logging.lastResort = logging.NullHandler()


def stop_at_second_interrupt() -> None:
    """Ctrl-C while native code runs waits for its end; this says so, and a second one stops at once.

    Both are safe: a file is written under another name first, so a study keeps its finished groups.
    """
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    done = threading.Event()

    def watch() -> None:
        presses = 0
        while True:
            for number in os.read(reading, 16):
                presses += number == signal.SIGINT
            if presses >= 2:
                os.write(2, b"\nStopped at once.\n")
                os._exit(130)
            if presses and not done.wait(1.0):
                os.write(2, b"\nStopping when the work under way is done; Ctrl-C again stops at once.\n")
                done.set()

    threading.Thread(target=watch, daemon=True, name="interrupts").start()
