"""What makes a folder a site: its plan, read back. Free of torch, as a server needs no upsampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upbench.errors import UsageError
from upbench.records.documents import DocumentError, read_document
from upbench.web.ort_web import VERSION

FORMAT = 1
PLAN = "plan.json"
ORT_FOLDER = f"ort-{VERSION}"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "connect-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
"""What the page may load: its own files, and nothing of anybody else's."""


class NotASiteError(UsageError):
    """A folder is none that ``upbench export --web`` wrote; one sentence says so."""


@dataclass(frozen=True)
class BrowserSite:
    """A folder that has been written, with its plan."""

    folder: Path
    plan: Mapping[str, Any]

    @property
    def ready(self) -> int:
        """Cases that a browser can measure."""
        return sum(case["outcome"] == "ok" for case in self.plan["cases"])


def read_site(folder: Path) -> BrowserSite:
    """Read the plan of a folder.

    Raises:
        NotASiteError: there is none of this version.
    """
    try:
        plan = read_document(folder / PLAN)
    except DocumentError:
        plan = None
    if not isinstance(plan, dict) or plan.get("format") != FORMAT or not isinstance(plan.get("files"), dict):
        raise NotASiteError(f"{folder} was not written by this version's 'upbench export --web {folder}'.")
    return BrowserSite(folder, plan)
