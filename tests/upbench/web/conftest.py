"""A browser, ONNX Runtime Web as it is, and sites that are served to the one with the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from upbench.records.record import Run
from upbench.web import ort_web
from upbench.web.local_server import SiteServer
from upbench.web.site_plan import BrowserSite

SIZES = {"phone": (360, 740), "desk": (1280, 900)}

OF_THE_BROWSER = ("warning: No available adapters.",)
"""What Chromium itself says to whoever asks for a GPU where there is none."""


@pytest.fixture(scope="session")
def tarball() -> Path:
    """The real package, from the user's cache or from npm."""
    file = ort_web.cache_file()
    try:
        ort_web.runtime_files()
    except ort_web.NoRuntimeError as error:
        pytest.skip(f"needs ONNX Runtime Web: {error}")
    return file


@dataclass
class Serving:
    """A site that is served, and what came back."""

    site: BrowserSite
    address: str
    results: Path
    received: list[tuple[Path, Run]] = field(default_factory=list)


@dataclass
class Visit:
    """A page that is open, and what it should not have done."""

    page: Page
    noise: list[str] = field(default_factory=list)

    def status(self) -> str:
        return self.page.locator("#status").inner_text()


Serve = Callable[[BrowserSite], Serving]
Open = Callable[..., Visit]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve a site until the test is over."""
    running: list[tuple[SiteServer, threading.Thread]] = []

    def start(site: BrowserSite) -> Serving:
        results = tmp_path / "results"
        received: list[tuple[Path, Run]] = []
        server = SiteServer(site, results, "127.0.0.1", 0, lambda *each: received.append(each))
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        running.append((server, thread))
        return Serving(site, server.address, results, received)

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open a served page as a new visitor, or in a further tab of one; nothing may leave its origin."""
    contexts, visits = [], []

    def go(serving: Serving, query: str = "", size: str = "desk", beside: Visit | None = None, **more: Any) -> Visit:
        width, height = SIZES[size]
        if beside is None:
            context = browser.new_context(viewport={"width": width, "height": height}, **more)
            contexts.append(context)
        else:
            context = beside.page.context
        found = Visit(context.new_page())
        visits.append(found)
        page, noise = found.page, found.noise
        page.set_default_timeout(20_000)
        page.on("console", lambda message: noise.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: noise.append(f"error: {error}"))
        page.on(
            "request", lambda r: None if r.url.startswith((serving.address, "blob:", "data:")) else noise.append(r.url)
        )
        page.goto(serving.address + query)
        page.wait_for_selector("html[data-ready]", state="attached")
        return found

    yield go
    noise = [line for each in visits for line in each.noise if line not in OF_THE_BROWSER]
    for context in contexts:
        context.close()
    assert noise == []
