"""Write what an environment with upsample-bench consists of, without what only makes this file, as CycloneDX."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def needed(name: str, extras: set[str], found: set[str]) -> set[str]:
    """The canonical names of a distribution and of everything that it needs here."""
    own = canonicalize_name(name)
    if own in found and not extras:
        return found
    found.add(own)
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        marked = requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in extras | {""})
        if marked:
            needed(requirement.name, set(requirement.extras), found)
    return found


def main() -> None:
    """Have the environment described, and keep what belongs to the project."""
    output = Path(sys.argv[1])
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--validate"]
    done = subprocess.run([*command, "--pyproject", str(ROOT / "pyproject.toml")], check=True, stdout=subprocess.PIPE)
    document = json.loads(done.stdout)
    kept = needed("upsample-bench", {"litert", "ncnn", "onnx", "openvino"}, set())
    document["components"] = [each for each in document["components"] if canonicalize_name(each["name"]) in kept]
    named = {each["bom-ref"] for each in document["components"]} | {document["metadata"]["component"]["bom-ref"]}
    document["dependencies"] = [
        each | ({"dependsOn": [ref for ref in each["dependsOn"] if ref in named]} if "dependsOn" in each else {})
        for each in document["dependencies"]
        if each["ref"] in named
    ]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{output}: {len(document['components'])} components")


main()
