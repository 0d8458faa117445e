"""Pages as one file of HTML: the templates in ``templates/``, with the styles and scripts in ``assets/`` inside.

Templates escape every value. A page loads nothing from elsewhere, and only its own scripts run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lyricsep.tables import clock, percent
from lyricsep.version import __version__

_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; style-src 'unsafe-inline'"
_SCRIPT_POLICY = "; connect-src 'self'; media-src 'self' data: blob: file:; script-src "


def render_page(
    template: str,
    content: Mapping[str, Any] | None = None,
    *,
    title: str,
    styles: Sequence[str],
    scripts: Sequence[str] = (),
    libraries: Sequence[str] = (),
    **values: Any,
) -> str:
    """Return a page as one file of HTML.

    Parameters
    ----------
    template : str
        File of ``templates/`` that extends ``page.html.j2``.
    content : mapping, optional
        Data for the scripts, fit for JSON; they find it in the element ``content``.
    title : str
        Title of the page.
    styles, scripts, libraries : sequence of str
        Files of ``assets/``, in order. All scripts are parts of one module: each uses what the ones before it
        define, and no two of them define the same name. Libraries run before them, each on its own.
    **values
        Further variables of the template.

    Raises
    ------
    ValueError
        If a number in the content is not finite, which JSON cannot hold.
    """
    codes = [f"\n{_asset(name)}\n" for name in libraries]
    module = "\n" + "\n".join(map(_asset, scripts)) if scripts else ""
    digests = [_digest(code) for code in [*codes, module] if code]
    page = render_fragment(
        template,
        content=content,
        title=title,
        policy=_POLICY + (_SCRIPT_POLICY + " ".join(digests) if digests else ""),
        styles=Markup("\n".join(map(_asset, styles))),  # noqa: S704 - our own files
        libraries=[Markup(code) for code in codes],  # noqa: S704
        module=Markup(module),  # noqa: S704
        **values,
    )
    # Half characters, which a name on disk may hold, cannot be written as UTF-8.
    return page.encode("utf-8", "replace").decode()


def render_fragment(template: str, **values: Any) -> Markup:
    """Return a template of ``templates/`` with its values, as HTML that other templates do not escape again."""
    return Markup(_environment().get_template(template).render(values))  # noqa: S704 - escaped by the template


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lyricsep.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"asset": _asset, "version": __version__}
    environment.filters |= {
        "clock": clock,
        "counted": lambda n, noun: f"{n} {noun}{'' if n == 1 else 's'}",
        "percent": percent,
        "points": _points,
        "signed": _signed,
    }
    environment.tests["known"] = lambda value: not math.isnan(value)
    environment.policies |= {"json.dumps_function": _json, "json.dumps_kwargs": {}}
    return environment


@cache
def _asset(name: str) -> str:
    return resources.files("lyricsep.pages").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def _json(value: object) -> str:
    """Write JSON without U+2028 and U+2029; the filter ``tojson`` escapes ``<``, ``>`` and ``&``."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _signed(step: int) -> str:
    return f"{step:+d}".replace("-", "−") if step else "0"


def _points(step: float) -> str:
    return "–" if math.isnan(step) else f"{round(100 * step, 1) or 0.0:+.1f}".replace("-", "−").replace("+0.0", "0.0")
