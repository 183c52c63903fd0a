"""An extension of Griffe: the roles in docstrings, such as ``:func:`name```, become links on the pages.

The docstrings are written for Sphinx's notation, which editors understand; the pages are Markdown. A name is looked up
where it stands, then outwards; one that is on no page stays plain code.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import AliasResolutionError, CyclicAliasError, Extension, GriffeLoader, Object

ROLE = re.compile(r":[a-z]+:`(?P<short>~?)(?P<name>[\w.]+)`")


class Roles(Extension):
    """Rewrites every docstring once the whole package is loaded."""

    def on_object(self, *, obj: Object, loader: GriffeLoader, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = ROLE.sub(lambda role: _link(role, obj, loader), obj.docstring.value)


def _link(role: re.Match[str], scope: Object, loader: GriffeLoader) -> str:
    name = role["name"]
    shown = name.rpartition(".")[2] if role["short"] else name
    return f'<autoref identifier="{_path(name, scope, loader)}" optional><code>{shown}</code></autoref>'


def _path(name: str, scope: Object, loader: GriffeLoader) -> str:
    """Return where ``name`` is defined, as far as that can be told."""
    outer: Object | None = scope
    while outer is not None and name not in outer.members:
        outer = outer.parent
    path = f"{outer.path}.{name}" if outer is not None else name
    try:
        return str(loader.modules_collection[path].canonical_path)
    except (KeyError, AliasResolutionError, CyclicAliasError):
        return path
