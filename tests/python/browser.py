"""A real Chromium without a window, for tests of the page; absent parts skip, except where CI must have installed them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def need_browser() -> Any:
    """Playwright's entry point, or a skip that says what is missing."""
    missing = None
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "playwright is not installed"
    if CHROMIUM is None:
        missing = "no Chromium on the path (Debian: apt-get install chromium)"
    if missing is None:
        return sync_playwright
    if os.environ.get("CI"):
        pytest.fail(f"{missing}, and continuous integration must have it")
    return pytest.skip(missing)


@dataclass
class Opened:
    """A page that is open, and everything it did that it should not."""

    page: Any
    wrong: list[str] = field(default_factory=list)

    def ids(self, selector: str) -> list[str]:
        """Text of all that match, in the page's order."""
        return [str(t) for t in self.page.locator(selector).all_inner_texts()]


@contextmanager
def opened(
    browser: Any, path: Path, *, width: int = 1280, height: int = 900, drawn: bool = True, **context: Any
) -> Iterator[Opened]:
    """Open a page from disk; console messages, errors and requests beyond the page itself are collected and must be none."""
    made = browser.new_context(viewport={"width": width, "height": height}, offline=True, **context)
    page = made.new_page()
    found = Opened(page)
    page.on("console", lambda m: found.wrong.append(f"console {m.type}: {m.text}"))
    page.on("pageerror", lambda e: found.wrong.append(f"error: {e}"))
    address = path.resolve().as_uri()
    page.on("request", lambda r: None if r.url == address or r.url.startswith("data:") else found.wrong.append(r.url))
    page.on("dialog", lambda d: (found.wrong.append(f"dialog: {d.message}"), d.dismiss()))
    page.goto(address)
    if drawn:
        page.wait_for_selector("html[data-explorer=drawn]", state="attached", timeout=60_000)
    yield found
    made.close()
    assert found.wrong == []
