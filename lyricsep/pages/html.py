"""One file of HTML from the parts in ``assets/``: nothing is fetched, and only our own scripts run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from lyricsep.version import __version__

__all__ = ["render_page"]

# Sound and saving need no more than this; text of lyrics that got out of its place could still run nothing.
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; connect-src 'self'; "
    "media-src 'self' data: blob: file:; style-src 'unsafe-inline'; script-src {scripts}"
)


def render_page(
    template: str,
    content: Mapping[str, Any],
    *,
    title: str,
    styles: Sequence[str],
    scripts: Sequence[str],
    libraries: Sequence[str] = (),
) -> str:
    """Put a page together.

    Parameters
    ----------
    template : str
        A file of ``assets/`` with the places ``%POLICY%``, ``%TITLE%``, ``%STYLES%``, ``%CONTENT%``,
        ``%LICENCES%``, ``%VERSION%`` and ``%SCRIPTS%``.
    content : mapping
        What the page shows, fit for JSON; the scripts find it in the element ``content``.
    title : str
        Of the page.
    styles, scripts, libraries : sequence of str
        Files of ``assets/``, in order. Scripts are modules that import each other: those that are imported come
        first, and no two of them have a name in common. Libraries are run before them, as they are.

    Raises
    ------
    ValueError
        If a number in the content is not finite: JSON has no word for it.
    """
    codes = [("", f"\n{_asset(name)}\n") for name in libraries]
    codes.append(('type="module"', "\n" + "\n".join(_without_imports(_asset(name)) for name in scripts)))
    parts = {
        "POLICY": html.escape(
            _POLICY.format(scripts=" ".join(map(_digest, (code for _, code in codes))) or "'none'")
        ),
        "TITLE": html.escape(_text(title)),
        "STYLES": "<style>\n" + "\n".join(map(_asset, styles)) + "</style>",
        "CONTENT": f'<script type="application/json" id="content">{_json(content)}</script>',
        "LICENCES": html.escape(_asset("LICENSES.txt")),
        "VERSION": html.escape(__version__),
        "SCRIPTS": "\n".join(f"<script {kind}>{code}</script>" for kind, code in codes),
    }
    # In one go: what is put in is never searched for places.
    return re.sub(r"%([A-Z]+)%", lambda place: parts[place[1]], _asset(template))


@cache
def _asset(name: str) -> str:
    return resources.files("lyricsep.pages").joinpath("assets", name).read_text(encoding="utf-8")


def _without_imports(module: str) -> str:
    """Take out what joins modules of several files, so that they can stand in one element."""
    return re.sub(r"^export (?=\w)", "", re.sub(r"^import .*;\n", "", module, flags=re.MULTILINE), flags=re.MULTILINE)


def _digest(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _json(content: Mapping[str, Any]) -> str:
    """Write JSON that can stand in a script element: no ``<``, and no line ends that only JavaScript knows."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _text(text)


def _text(text: str) -> str:
    """Replace halves of characters, which a name on disk may hold and no file of text can."""
    return text.encode("utf-8", "replace").decode()
