"""The application: its help, its options and its entry point; the rules of all commands stand in rules.py."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from modalconflict import __version__
from modalconflict.cli.rules import App, Commands, quiet_others, set_debug, stop_at_second_interrupt
from modalconflict.cli.signals import stop_on_signals

app = App(
    cls=Commands,
    name="modalconflict",
    no_args_is_help=True,
    add_completion=True,
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
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, and other libraries' warnings.")
    ] = False,
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

    Every command takes --json. Exit status: 0 done, 1 bad input (one sentence on stderr), 2 wrong usage, 130 Ctrl-C.
    """
    set_debug(debug)


def main() -> None:
    """Entry point of the `modalconflict` command."""
    # a message may hold characters that a narrow terminal encoding lacks
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    quiet_others()
    stop_at_second_interrupt()
    stop_on_signals()
    app(prog_name="modalconflict")


from modalconflict.cli import importing, look, make, study  # noqa: E402, F401  the commands register themselves
