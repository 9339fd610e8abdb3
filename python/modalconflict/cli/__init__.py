"""The command line: `modalconflict`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

from modalconflict.cli.app import app, main

__all__ = ["app", "main"]
