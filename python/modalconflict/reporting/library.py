"""The plotting library inside the page: Vega, Vega-Lite and Vega-Embed as one script, and the policy that lets only ours run."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

SCRIPTS = ("statistics.js", "charts.js", "cases.js", "explore.js")
"""Our own scripts, in the order in which they are joined: a later one uses names of an earlier one."""


@cache
def vega() -> str:
    """Vega's scripts, bundled and minified by vl-convert, which carries them: nothing is downloaded.

    Takes a few seconds once a process.
    """
    import vl_convert

    return _inline(str(vl_convert.javascript_bundle()))  # type: ignore[call-arg]  # its stub lacks the default


@cache
def vega_versions() -> dict[str, str]:
    """Versions of what :func:`vega` holds."""
    import vl_convert

    return {
        "Vega": str(vl_convert.get_vega_version()),
        "Vega-Lite": str(vl_convert.get_vegalite_versions()[-1]),
        "Vega-Embed": str(vl_convert.get_vega_embed_version()),
    }


@cache
def explorer() -> str:
    """Our scripts as one, in a scope of their own."""
    folder = resources.files("modalconflict.reporting") / "assets"
    parts = [(folder / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return _inline('(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n")


@cache
def licence() -> str:
    """Notice of the bundled libraries, which their licence wants beside the code."""
    return (resources.files("modalconflict.reporting") / "assets" / "vega-licence.txt").read_text(encoding="utf-8")


def _inline(script: str) -> str:
    """A script that cannot end its own element: `</script` and `<!--` occur in strings only, where a backslash is harmless."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def policy(*scripts: str) -> str:
    """Content security policy of the page: no request of any kind, and no script but these.

    Parameters
    ----------
    *scripts
        Content of the page's script elements, to the byte.

    References
    ----------
    W3C, Content Security Policy Level 3.
    """
    hashes = ["'sha256-" + base64.b64encode(hashlib.sha256(s.encode("utf-8")).digest()).decode() + "'" for s in scripts]
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {' '.join(hashes)}"
    )
