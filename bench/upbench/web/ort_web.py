"""ONNX Runtime Web as npm has it: one version, known by its digest, fetched once and kept, or taken from a file.

No wheel carries it, as it is forty megabytes, and no page asks a third party for it: its files are copied into each
folder that is written, with the licence of the project.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import urllib.request
from base64 import b64encode
from importlib.resources import files
from pathlib import Path

from upbench.errors import UserError

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""As the registry states it, and as ``npm`` would check it."""

REGISTRY_VARIABLE = "npm_config_registry"
"""Which npm itself goes by before its settings."""

TIMEOUT_S = 60.0
MOST_BYTES = 64 << 20

WASM = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = ("ort.webgpu.min.mjs", "ort-wasm-simd-threaded.asyncify.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
"""Scripts and the binary that each loads."""

NOTICES = ("LICENSE", "ThirdPartyNotices.txt")
"""Of ONNX Runtime, whose package for npm has none of its own."""


class NoRuntimeError(UserError):
    """ONNX Runtime Web is not to be had; one sentence says why and what to do."""


def runtime_files(tarball: Path | None = None) -> dict[str, bytes]:
    """Its files by name, licence included.

    Args:
        tarball: what ``npm pack onnxruntime-web@1.30.0`` writes; None to take what an earlier call has kept, or to
            download it once.

    Raises:
        NoRuntimeError: it is not this version, or there is no network.
    """
    data = _read(tarball) if tarball is not None else _kept()
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for name in (*WASM, *WEBGPU):
            member = archive.extractfile(f"package/dist/{name}")
            assert member is not None
            found[name] = member.read()
    return found | {name: (files("onnxruntime") / name).read_bytes() for name in NOTICES}


def cache_file() -> Path:
    """Where it is kept between calls."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return folder / "upsample-bench" / f"{PACKAGE}-{VERSION}.tgz"


def is_intact(data: bytes) -> bool:
    """Whether this is the very package that was chosen."""
    return f"sha512-{b64encode(hashlib.sha512(data).digest()).decode()}" == INTEGRITY


def _read(tarball: Path) -> bytes:
    data = tarball.read_bytes()
    if not is_intact(data):
        raise NoRuntimeError(
            f"{tarball} is not {PACKAGE} {VERSION} as npm has it: its SHA-512 differs. "
            f"Get it with: npm pack {PACKAGE}@{VERSION}"
        )
    return data


def _kept() -> bytes:
    file = cache_file()
    if file.exists() and is_intact(data := file.read_bytes()):
        return data
    data = _downloaded()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be at the same.
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return data


def _registry() -> str:
    """Where this machine gets npm's packages from, as npm is set up on it.

    Raises:
        NoRuntimeError: there is no npm to ask.
    """
    if chosen := os.environ.get(REGISTRY_VARIABLE):
        return chosen
    npm = shutil.which("npm")
    if npm is None:
        raise NoRuntimeError(
            f"there is no npm here to say where {PACKAGE} is to be had: get it elsewhere with npm pack "
            f"{PACKAGE}@{VERSION}, and name the file with --ort-web."
        )
    # From where no project has settings of its own.
    command = [npm, "config", "get", "registry"]
    asked = subprocess.run(command, cwd=Path.home(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return asked.stdout.strip()


def _downloaded() -> bytes:
    address = f"{_registry().rstrip('/')}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            data: bytes = answer.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        raise NoRuntimeError(
            f"{address} cannot be fetched ({error}): get it elsewhere with npm pack {PACKAGE}@{VERSION}, and name the "
            "file with --ort-web."
        ) from error
    if not is_intact(data):
        raise NoRuntimeError(f"{address} is not {PACKAGE} {VERSION}: its SHA-512 differs from the one that is known.")
    return data
