"""Remake constraints.txt: one version for everything that any of tox's environments installs.

Versions that stand there already are kept where they still fit; ``--upgrade`` takes the newest, ``--upgrade-package
NAME`` that of one. Resolved for the Python that runs this, and for torch without CUDA.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "constraints.txt"
HEADER = """\
# The version of everything that tox's environments install; remade by: tox run -e lock
# torch stands for its CPU build as well, of which the version is the same but for +cpu.
"""
CUDA = re.compile(r"^(nvidia-(?!ml-py)|cuda-|triton\b)", re.MULTILINE)


def main() -> None:
    """Resolve, and write the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [each for own in project["dependency-groups"].values() for each in own]
    with tempfile.TemporaryDirectory() as folder:
        asked, made = Path(folder, "groups.in"), Path(folder, "constraints.txt")
        asked.write_text("\n".join([*groups, *project["build-system"]["requires"], ""]))
        made.write_text(LOCK.read_text())
        command = [
            *(sys.executable, "-m", "piptools", "compile", "--quiet", "--all-extras", "--strip-extras"),
            *("--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-options"),
            *("--allow-unsafe", "--output-file", str(made), *sys.argv[1:], str(ROOT / "pyproject.toml"), str(asked)),
        ]
        subprocess.run(command, check=True, cwd=ROOT)
        # What is installed from the tree is no version of anything, and a local version is one of a build.
        pins = re.sub(r"\+[\w.]+$", "", made.read_text(), flags=re.MULTILINE)
    if found := CUDA.findall(pins):
        raise SystemExit(f"CUDA would be installed ({found[0]}…): let pip find torch's CPU build.")
    kept = [line for line in pins.splitlines() if line and not line.startswith(("#", "upsample-bench"))]
    LOCK.write_text(HEADER + "\n".join(sorted(kept, key=str.lower)) + "\n")
    print(f"{LOCK.name}: {len(kept)} versions")


main()
