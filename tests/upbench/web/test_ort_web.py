"""ONNX Runtime Web is the one that was chosen, or a sentence says what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from upbench.web import ort_web
from upbench.web.ort_web import NoRuntimeError, cache_file, is_intact, runtime_files

GARBAGE = b"not the package"


class Registry(BaseHTTPRequestHandler):
    """Answers whatever it is asked with something else."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(GARBAGE)))
        self.end_headers()
        self.wfile.write(GARBAGE)

    def log_message(self, format: str, *values: object) -> None:
        pass


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Registry]]:
    handler = type("OwnRegistry", (Registry,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
        yield handler
        server.shutdown()
        thread.join()


def test_what_a_registry_sends_must_be_the_very_package(registry: type[Registry]) -> None:
    with pytest.raises(NoRuntimeError, match=r"SHA-512 differs") as refused:
        runtime_files()
    assert "\n" not in str(refused.value)
    assert registry.asked == [f"/onnxruntime-web/-/onnxruntime-web-{ort_web.VERSION}.tgz"]
    assert not cache_file().exists()


def test_a_cache_that_was_tampered_with_is_not_believed(registry: type[Registry]) -> None:
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(GARBAGE)
    with pytest.raises(NoRuntimeError):
        runtime_files()
    assert len(registry.asked) == 1


def test_without_a_network_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(NoRuntimeError, match=r"npm pack onnxruntime-web@[\d.]+, and name the file with --ort-web"):
        runtime_files()


def test_without_npm_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("npm_config_registry", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoRuntimeError, match=r"no npm here.*npm pack onnxruntime-web@[\d.]+"):
        runtime_files()


def test_a_file_that_is_named_must_be_the_package(tmp_path: Path) -> None:
    (tmp_path / "other.tgz").write_bytes(GARBAGE)
    with pytest.raises(NoRuntimeError, match=r"other\.tgz is not onnxruntime-web"):
        runtime_files(tmp_path / "other.tgz")


def test_the_real_one_is_kept_for_the_next_time_with_its_licence(tarball: Path) -> None:
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(tarball.read_bytes())
    found = runtime_files()
    assert set(found) == {*ort_web.WASM, *ort_web.WEBGPU, *ort_web.NOTICES}
    assert b"MIT License" in found["LICENSE"]
    assert found["ort-wasm-simd-threaded.wasm"].startswith(b"\0asm")
    assert is_intact(cache_file().read_bytes())
