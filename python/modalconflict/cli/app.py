"""The commands and what they share: errors as one sentence, exit statuses, progress bars."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from modalconflict import __version__
from modalconflict.errors import ModalConflictError


class _Commands(TyperGroup):
    """Turns this package's errors into one sentence and exit status 1; --debug lets them through."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ModalConflictError as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            typer.echo("Stopped.", err=True)
            raise typer.Exit(130) from None
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            ArithmeticError,
            RuntimeError,
            OSError,
            MemoryError,
        ) as error:
            # Not foreseen, or it would be one of ours: still one sentence, and the way to the rest.
            if ctx.params.get("debug"):
                raise
            first = (str(error).splitlines() or [""])[0][:300]
            typer.echo(
                f"Error: {type(error).__name__}: {first}; check the input, --debug shows where it came from", err=True
            )
            raise typer.Exit(1) from error

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands in the order in which a study needs them."""
        order = [
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
        ]
        return [name for name in order if name in self.commands]


app = typer.Typer(
    cls=_Commands,
    name="modalconflict",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"modalconflict {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Does a multimodal model follow the text or the image, why, and in which layers does it waver?

    A whole study on the embedded model:  [bold]modalconflict demo[/bold]

    A study step by step:

      modalconflict generate color --groups 20 --out data

      modalconflict export pocket --out pocket.bundle

      modalconflict run --model pocket.bundle --data data --out study

      modalconflict analyze study --out analysis

      modalconflict report analysis --out report.html

    Exit status: 0 done, 1 bad input (one sentence on stderr), 2 wrong usage.
    """
    # the libraries' own bars and notices would run through ours
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def main() -> None:
    """Entry point of the `modalconflict` command."""
    # a message may hold characters that a narrow terminal encoding lacks
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()


from modalconflict.cli import importing, look, make, study  # noqa: E402, F401  the commands register themselves
