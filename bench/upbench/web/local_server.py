"""Hands a site out to browsers, with the headers that threads need, and takes records back from its own page alone.

Bound to this machine unless told otherwise. Only files that the export wrote are handed out. A record must come with
the token that the page was given, from the address that the page has, and pass its reader.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

from upbench.errors import UserError
from upbench.records.record import Run
from upbench.web.received import accepted, keep
from upbench.web.site_plan import ORT_FOLDER, PLAN, POLICY, BrowserSite

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
"""Of files by their ending; anything else is bytes."""

HEADERS = {
    # Together these two give a page shared memory, and with it threads and a finer clock.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

UNCHANGING = ("/models/", f"/{ORT_FOLDER}/")
"""Where a name says what is in the file, so that a browser may keep it."""

MOST_RECORD_BYTES = 16 << 20
MOST_RECEIVED = 200
"""Records that one server takes, so that nobody fills the disk."""

WAIT_S = 60
INDEX = "/index.html"
STATIC, RECEIVES = b'<meta name="upbench" content="static">', b'<meta name="upbench" content="receives">'

NOWHERE = ("192.0.2.1", 9)
"""An address that belongs to nobody (RFC 5737); nothing is sent to it."""


class NotSentError(UserError):
    """A request is refused; one sentence says why, and ``status`` how HTTP says it."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class SiteServer(ThreadingTCPServer):
    """Serves until it is shut down.

    Args:
        site: what to hand out.
        results: where records go.
        host, port: to listen at; port 0 for any that is free.
        received: told of each record and its file.

    Raises:
        OSError: nobody can listen there.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, site: BrowserSite, results: Path, host: str, port: int, received: Callable[[Path, Run], None]
    ) -> None:
        self.site, self.results, self.received = site, results, received
        self.token = secrets.token_urlsafe(24)
        self.files = _files_of(site)
        self._taking = threading.Lock()
        self._taken = 0
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the page."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(self.server_address[0]), str(self.server_address[0]))
        return self._address_at(host)

    @property
    def address_for_others(self) -> str | None:
        """Where a browser on another device finds it, as far as this machine knows its own address."""
        if self.server_address[0] != "0.0.0.0":
            return self.address
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(NOWHERE)
            return self._address_at(str(probe.getsockname()[0]))
        return None

    def _address_at(self, host: str) -> str:
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}/"

    def take(self, data: bytes) -> str:
        """Check and keep a record; a sentence for the page.

        Raises:
            UserError: it is not taken.
        """
        with self._taking:
            if self._taken >= MOST_RECEIVED:
                raise NotSentError(HTTPStatus.TOO_MANY_REQUESTS, f"This server has taken {MOST_RECEIVED} records.")
            run = accepted(data, self.site)
            file = keep(run, self.results)
            self._taken += 1
        self.received(file, run)
        return f"Kept as {file.name}."

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Browsers go away in the middle of an answer, which is nobody's fault."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "upbench", ""
    timeout = WAIT_S

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_POST(self) -> None:
        # What is left of a body that was not read would be taken for the next request.
        self.close_connection = True
        try:
            self._check_host()
            # Whoever is refused while still sending gets no answer to see.
            body = self._body()
            self._check_sender()
            status, said = HTTPStatus.CREATED, self.server.take(body)
        except NotSentError as error:
            status, said = error.status, str(error)
        except UserError as error:
            status, said = HTTPStatus.UNPROCESSABLE_ENTITY, str(error)
        self._send(status, json.dumps({"said": said}).encode(), ".json")

    def log_message(self, format: str, *values: object) -> None:
        """Nothing: a browser asks for hundreds of files."""

    def _answer(self, with_body: bool) -> None:
        try:
            self._check_host()
            name = urlsplit(self.path).path
            if name == "/session.json":
                data = json.dumps({"token": self.server.token}).encode()
                self._send(HTTPStatus.OK, data, ".json", with_body, cache="no-store")
                return
            name = INDEX if name == "/" else name
            if name not in self.server.files:
                raise NotSentError(HTTPStatus.NOT_FOUND, "There is no such file.")
        except NotSentError as error:
            self._send(error.status, json.dumps({"said": str(error)}).encode(), ".json", with_body)
            return
        file = self.server.files[name]
        data = file.read_bytes()
        if name == INDEX:
            data = data.replace(STATIC, RECEIVES)
        if name.startswith(UNCHANGING):
            self._send(HTTPStatus.OK, data, file.suffix, with_body, cache="max-age=31536000, immutable")
            return
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            self._send(HTTPStatus.NOT_MODIFIED, b"", file.suffix, with_body=False, tag=tag)
        else:
            self._send(HTTPStatus.OK, data, file.suffix, with_body, tag=tag)

    def _check_host(self) -> None:
        """Answer to addresses only: another site's name may be made to lead here, and its pages to have this origin."""
        try:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        except ValueError:
            host = ""
        if host != "localhost" and not _is_address(host):
            raise NotSentError(HTTPStatus.MISDIRECTED_REQUEST, "Open this page by the address that upbench serve says.")

    def _check_sender(self) -> None:
        if urlsplit(self.path).path != "/records":
            raise NotSentError(HTTPStatus.NOT_FOUND, "Records go to /records.")
        if self.headers.get("Origin") != f"http://{self.headers.get('Host')}":
            raise NotSentError(HTTPStatus.FORBIDDEN, "Records are taken from this server's own page only.")
        if not secrets.compare_digest(self.headers.get("X-Upbench-Token", "").encode(), self.server.token.encode()):
            raise NotSentError(HTTPStatus.FORBIDDEN, "The page is of an earlier start of the server: load it anew.")
        if self.headers.get_content_type() != "application/json":
            raise NotSentError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A record is JSON.")

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise NotSentError(HTTPStatus.LENGTH_REQUIRED, "A record says how long it is.")
        # As many digits as no length that is meant has are not even read as a number.
        if len(length) > 18 or int(length) > MOST_RECORD_BYTES:
            most = f"A record is no larger than {MOST_RECORD_BYTES >> 20} MiB."
            raise NotSentError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        return self.rfile.read(int(length))

    def _send(
        self,
        status: HTTPStatus,
        data: bytes,
        suffix: str,
        with_body: bool = True,
        cache: str = "no-cache",
        tag: str | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Cache-Control", cache)
        if tag is not None:
            self.send_header("ETag", tag)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", TYPES.get(suffix, "application/octet-stream"))
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            self.wfile.write(data)


def _files_of(site: BrowserSite) -> dict[str, Path]:
    """The files of a site by their paths in an address; what leads out of the folder is none of them."""
    root = site.folder.resolve()
    files = ((name, (root / name).resolve()) for name in (PLAN, *site.plan["files"]))
    return {f"/{name}": file for name, file in files if file.is_relative_to(root) and file.is_file()}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
