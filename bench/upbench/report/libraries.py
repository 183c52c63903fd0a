"""What the page's scripts and styles are made of: two libraries as their packages ship them, and our own files.

All are ES modules. An import map gives each a ``data:`` address, so that files import each other by name, nothing is
bundled or changed, and a page that was opened from a disk asks for no other file.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Any

import itables
import vl_convert
from markupsafe import Markup

ASSETS = files("upbench.report") / "assets"
ENTRY = "main"


@cache
def import_map() -> Markup:
    """The names under which scripts import each other, and what stands behind each."""
    sources = {
        "datatables": (files(itables) / "html" / "dt_bundle.js").read_text(),
        "vega-embed": vl_convert.javascript_bundle("export { vegaEmbed };"),
        **{f"page/{name}": (ASSETS / f"{name}.js").read_text() for name in own_modules()},
    }
    imports = {name: f"data:text/javascript;base64,{b64encode(s.encode()).decode()}" for name, s in sources.items()}
    return as_json({"imports": imports})


@cache
def styles() -> Markup:
    """The table library's style sheet, and ours after it."""
    sheets = ((files(itables) / "html" / "dt_bundle.css").read_text(), (ASSETS / "page.css").read_text())
    # Nothing in a style element is escaped; the only thing that could end it is its own end tag.
    return Markup(re.sub(r"</(?=style)", r"<\\/", "\n".join(sheets), flags=re.IGNORECASE))


def own_modules() -> list[str]:
    """The names of our scripts."""
    return sorted(each.name.removesuffix(".js") for each in ASSETS.iterdir() if each.name.endswith(".js"))


def as_json(value: Any) -> Markup:
    """JSON for a script element: no text in it can end the element, begin a comment, or be markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
