"""Plays a journal, or the placing of a rewritten file, in children that die at one step of it after the other.

``python -m tests.upbench.faults.deaths {journal,model} FOLDER`` prints a line of JSON for each death: what was found
after it, and after the next start. Nothing of it imports torch, so that a death takes a few milliseconds.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.upbench.faults.dying import MOMENTS, arm
from upbench.sweep.journal import Journal, asked, is_whole
from upbench.whole_file import write_text_whole

CASES = ["a", "b", "c", "d", "e", "f"]
HEADER = {"cases": CASES}


def sweep(output: Path) -> None:
    """What a sweep does with its journal and its output, without measuring; says on the side what it has kept."""
    with Journal.open(output, HEADER, resume=True) as journal:
        if journal.is_new and is_whole(output, HEADER):
            journal.delete()
            return
        entries = [*journal.entries]
        for case in CASES[len(entries) :]:
            entry = {"case": case, "by": os.getpid(), "of": "x" * 100}
            journal.append(entry)
            entries.append(entry)
            _note(output, f"{case} {os.getpid()}")
        write_text_whole(output, json.dumps({"asked": asked(HEADER), "entries": entries}))
        _note(output, "ended")
        journal.delete()


def _note(output: Path, line: str) -> None:
    descriptor = os.open(output.parent.parent / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def in_a_child(work: Callable[[], Any]) -> bool:
    """Whether it came to its end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a child has failed, where it should have been killed")
    return os.WIFEXITED(status)


def journal_deaths(folder: Path) -> None:
    for moment in MOMENTS:
        for number in itertools.count(1):
            place = folder / f"{moment}-{number}"
            output = place / "results" / "out.json"
            output.parent.mkdir(parents=True)

            def dying(output: Path = output, number: int = number, moment: str = moment) -> None:
                arm(number, moment)
                sweep(output)

            whole = in_a_child(dying)
            there_meanwhile = output.exists() and json.loads(output.read_text())["entries"]
            in_a_child(lambda output=output: sweep(output))  # type: ignore[misc]
            entries = json.loads(output.read_text())["entries"]
            found = {
                "death": f"{moment} step {number}",
                "notes": (place / "notes").read_text().splitlines(),
                "entries": [f"{entry['case']} {entry['by']}" for entry in entries],
                "meanwhile": there_meanwhile and len(there_meanwhile),
                "left": sorted(path.name for path in output.parent.iterdir()),
            }
            print(json.dumps(found))
            shutil.rmtree(place)
            if whole:
                break


def model_deaths(folder: Path) -> None:
    import numpy as np
    import onnx
    import onnx_ir
    from onnx import TensorProto, helper, numpy_helper

    from upbench.onnx_files import rewritten_file

    def model(value: float) -> onnx_ir.Model:
        x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1000]) for name in "xy")
        weights = numpy_helper.from_array(np.full(1000, value, np.float32), "w")
        graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "net", [x], [y], [weights])
        return onnx_ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))

    def write(output: Path, value: float) -> None:
        rewritten_file.clear_left(output)
        with rewritten_file.beside(output) as scratch:
            rewritten_file.put(rewritten_file.save(model(value), output, scratch, beside_it=True), output)

    def weight(output: Path) -> float:
        values = numpy_helper.to_array(onnx.load(output).graph.initializer[0])
        assert (values == values[0]).all()
        return float(values[0])

    for old, moment in itertools.product((None, 1.0), MOMENTS):
        for number in itertools.count(1):
            output = folder / f"{old}-{moment}-{number}" / "model.onnx"
            output.parent.mkdir()
            if old is not None:
                write(output, old)
            before = sorted(path.name for path in output.parent.iterdir())

            def dying(output: Path = output, number: int = number, moment: str = moment) -> None:
                arm(number, moment)
                write(output, 2.0)

            whole = in_a_child(dying)
            found = {"death": f"{moment} step {number}", "old": old, "weight": output.exists() and weight(output)}
            rewritten_file.clear_left(output)
            left = sorted(path.name for path in output.parent.iterdir())
            found |= {"same": left == before, "partial": [name for name in left if "partial" in name]}
            found |= {"after": output.exists() and weight(output), "files": len(left)}
            print(json.dumps(found))
            shutil.rmtree(output.parent)
            if whole:
                break


if __name__ == "__main__":
    {"journal": journal_deaths, "model": model_deaths}[sys.argv[1]](Path(sys.argv[2]))
