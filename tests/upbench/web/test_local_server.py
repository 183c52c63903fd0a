"""The server: its headers, what it hands out, and from whom it takes a record."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.upbench.web.sent import FILES, document_of, sent_from, site_in
from upbench.records.record import Run, read_run
from upbench.web import local_server
from upbench.web.local_server import SiteServer
from upbench.web.site_plan import BrowserSite


@pytest.fixture
def site(tmp_path: Path) -> BrowserSite:
    return site_in(tmp_path / "site")


class Asked:
    """A server that runs, and what a browser would ask of it."""

    def __init__(self, server: SiteServer) -> None:
        self.server = server
        self.host = f"127.0.0.1:{server.server_address[1]}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=10)
        try:
            connection.putrequest(method, path, skip_host="host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def send(self, body: bytes, **headers: str) -> tuple[int, str]:
        usual = {
            "origin": f"http://{self.host}",
            "content_type": "application/json",
            "content_length": str(len(body)),
            "x_upbench_token": self.server.token,
        }
        given = {name: value for name, value in {**usual, **headers}.items() if value}
        status, _, data = self.ask("POST", "/records", body, **given)
        return status, str(json.loads(data)["said"])


@pytest.fixture
def received() -> list[tuple[Path, Run]]:
    return []


@pytest.fixture
def asked(site: BrowserSite, tmp_path: Path, received: list[tuple[Path, Run]]) -> Iterator[Asked]:
    with SiteServer(site, tmp_path / "results", "127.0.0.1", 0, lambda *each: received.append(each)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Asked(server)
        server.shutdown()
        thread.join()


@pytest.fixture
def body(site: BrowserSite, tmp_path: Path) -> bytes:
    return json.dumps(document_of(sent_from(site), tmp_path)).encode()


def test_every_answer_gives_a_page_shared_memory_and_nobody_elses_files(asked: Asked) -> None:
    for path in ("/", "/main.js", "/models/0.onnx", "/plan.json", "/nowhere"):
        _, headers, _ = asked.ask("GET", path)
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers


def test_a_page_learns_that_records_are_taken_and_files_are_typed(asked: Asked) -> None:
    status, headers, data = asked.ask("GET", "/?lang=zh&%00")
    assert status == 200
    assert b'content="receives"' in data
    assert headers["content-type"].startswith("text/html")
    assert asked.ask("GET", "/main.js")[1]["content-type"].startswith("text/javascript")
    assert asked.ask("HEAD", "/main.js")[2] == b""


def test_what_does_not_change_is_kept_by_browsers_and_the_rest_is_asked_for_again(asked: Asked) -> None:
    assert "immutable" in asked.ask("GET", "/models/0.onnx")[1]["cache-control"]
    _, headers, _ = asked.ask("GET", "/main.js")
    assert headers["cache-control"] == "no-cache"
    status, _, data = asked.ask("GET", "/main.js", if_none_match=headers["etag"])
    assert (status, data) == (304, b"")


@pytest.mark.parametrize(
    "path",
    ["/secret.txt", "/link.txt", "/../secret.txt", "/%2e%2e/secret.txt", "//etc/passwd", "/models/", "/.", "/\\..\\x"],
)
def test_only_files_of_the_export_are_handed_out(asked: Asked, site: BrowserSite, path: str) -> None:
    (site.folder / "secret.txt").write_text("secret")
    (site.folder.parent / "secret.txt").write_text("secret")
    status, _, data = asked.ask("GET", path)
    assert status == 404
    assert b"secret" not in data


def test_a_file_that_leads_out_of_the_folder_is_not_handed_out(site: BrowserSite, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    (site.folder / "main.js").unlink()
    (site.folder / "main.js").symlink_to(tmp_path / "outside.txt")
    site.plan["files"]["../outside.txt"] = ""
    with SiteServer(site, tmp_path / "results", "127.0.0.1", 0, lambda *_: None) as server:
        assert set(server.files) == {f"/{name}" for name in FILES} - {"/main.js"} | {"/plan.json"}


def test_a_record_is_taken_from_its_own_page(
    asked: Asked, body: bytes, received: list[tuple[Path, Run]], tmp_path: Path
) -> None:
    token = json.loads(asked.ask("GET", "/session.json")[2])["token"]
    status, said = asked.send(body, x_upbench_token=token)
    ((file, run),) = received
    assert status == 201
    assert said == f"Kept as {file.name}."
    assert file.parent == tmp_path / "results"
    assert read_run(file).records == run.records


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"origin": "http://elsewhere.example"}, 403, "own page only"),
        ({"origin": "null"}, 403, "own page only"),
        ({"origin": ""}, 403, "own page only"),
        ({"x_upbench_token": ""}, 403, "load it anew"),
        ({"x_upbench_token": "guessed\u00e9"}, 403, "load it anew"),
        ({"content_type": "text/plain"}, 415, "A record is JSON"),
        ({"content_length": ""}, 411, "how long"),
        ({"content_length": "-1"}, 411, "how long"),
        ({"content_length": str(local_server.MOST_RECORD_BYTES + 1)}, 413, "no larger than 16 MiB"),
        ({"content_length": "9" * 5000}, 413, "no larger than 16 MiB"),
        ({"host": "rebound.example"}, 421, "by the address"),
        ({"host": "[bad"}, 421, "by the address"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_record_from_elsewhere_is_not_taken(
    asked: Asked, body: bytes, headers: dict[str, str], status: int, words: str, tmp_path: Path
) -> None:
    found, said = asked.send(body, **headers)
    assert (found, words in said) == (status, True), said
    assert not (tmp_path / "results").exists()


def test_another_sites_name_that_leads_here_gets_no_page(asked: Asked) -> None:
    assert asked.ask("GET", "/session.json", host="rebound.example")[0] == 421
    assert asked.ask("GET", "/session.json", host="localhost:1")[0] == 200


def test_records_go_to_one_place_alone(asked: Asked, body: bytes) -> None:
    status, _, _ = asked.ask("POST", "/elsewhere", body, content_length=str(len(body)))
    assert status == 404


def test_a_record_that_lies_is_told_why_and_leaves_nothing(asked: Asked, body: bytes, tmp_path: Path) -> None:
    status, said = asked.send(body.replace(b'"flops": 200', b'"flops": 100'))
    assert status == 422
    assert "other flops" in said
    assert not (tmp_path / "results").exists()


def test_no_more_records_are_taken_than_a_disk_stands(
    asked: Asked, body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_server, "MOST_RECEIVED", 2)
    assert [asked.send(body)[0] for _ in range(3)] == [201, 201, 429]
    assert len(list((tmp_path / "results").iterdir())) == 2


def test_who_goes_away_in_the_middle_is_not_complained_of(asked: Asked, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(asked.server.server_address, timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.sendall(b"POST /records HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    assert asked.ask("GET", "/")[0] == 200
    assert "Traceback" not in "".join(capfd.readouterr())


def address_of(site: BrowserSite, host: str) -> Any:
    with SiteServer(site, site.folder, host, 0, lambda *_: None) as server:
        return server.address, server.address_for_others, server.server_address[1]


def test_the_address_is_one_that_a_browser_can_open(site: BrowserSite) -> None:
    here, others, port = address_of(site, "127.0.0.1")
    assert here == others == f"http://127.0.0.1:{port}/"
    here, others, port = address_of(site, "0.0.0.0")
    assert here == f"http://127.0.0.1:{port}/"
    assert others is None or "0.0.0.0" not in others
