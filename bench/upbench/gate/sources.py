"""Whether the two sides have run the code that they should: their own, all of it, and none that lies elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from upbench.gate.observed import COLLECTION, Observed
from upbench.gate.trees import Side, Suite, files_of, run_git

NO_CODE_UNDER_TEST = ("setup.py", "noxfile.py")
"""Python files that a project has besides its code."""

CODE = (".py", ".pyx", ".pxd", ".c", ".cc", ".cpp", ".cxx", ".cu", ".f90", ".rs")

QUOTED = re.compile(r"'([^']+)'")


@dataclass(frozen=True)
class Loaded:
    """What a live process has imported.

    Attributes:
        own: files of its side's tree, relative to that.
        foreign: files of the other side's tree.
        installed: files that were installed from a folder, as a project is, rather than from an index.
        instead: files of its tree that were asked about, each with what was imported from elsewhere under its name.
    """

    own: Sequence[str]
    foreign: Sequence[str]
    installed: Sequence[str]
    instead: Sequence[tuple[str, str]]

    @classmethod
    def of_all(cls, several: Sequence[Loaded]) -> Loaded:
        """What several processes of one side have imported."""
        own, foreign, installed, instead = (
            [each for one in several for each in getattr(one, kind)]
            for kind in ("own", "foreign", "installed", "instead")
        )
        return cls(own, foreign, installed, instead)


def changed_code(suite: Suite, commit: str) -> list[str]:
    """The files of code besides the suite that differ between a commit, by its hash, and the working tree."""
    differ = run_git("diff", "--name-only", "--diff-filter=d", "-z", commit, "--", folder=suite.root)
    new = run_git("ls-files", "-z", "--others", "--exclude-standard", folder=suite.root)
    names = (name for told in (differ, new) for name in told.stdout.split("\0"))
    return [name for name in names if Path(name).suffix in CODE and not suite.has(Path(name))]


def nothing_ran(suite: Suite, side: Side, loaded: Loaded, changed: Sequence[str]) -> str:
    """A sentence on the code under test if what a side has run says nothing of it; empty if all is well."""
    if loaded.instead and not side.installed:
        file, instead = loaded.instead[0]
        return (
            f"{file} has changed, and both sides have imported {instead} instead, so that they have measured the same "
            "code: use --venv, or install the project to be edited (pip install --editable)."
        )
    if not side.installed and (compiled := [name for name in changed if Path(name).suffix != ".py"]):
        return (
            f"{compiled[0]} has changed, and was built for neither side, so that both may have measured the same "
            "compiled code: use --venv, which builds each side."
        )
    own = [name for name in loaded.own if not suite.has(Path(name))]
    if own or (side.installed and loaded.installed) or not _has_code(suite):
        return ""
    return (
        "No code of the repository was imported but the suite itself, so that both sides have measured the same "
        "installed packages: should the code under test be installed, use --venv."
    )


def _has_code(suite: Suite) -> bool:
    names = (Path(name) for name in files_of(suite.root))
    return any(name.suffix in CODE and name.name not in NO_CODE_UNDER_TEST for name in names if not suite.has(name))


def excuse_what_git_ignores(evidence: Iterable[Observed], sides: tuple[Side, Side], own: Sequence[str]) -> None:
    """Find what fails on the reference's side as that has no files that git ignores, and say so.

    Args:
        evidence: of all benchmarks.
        sides: reference and candidate.
        own: files that the candidate's side has imported of its tree.
    """
    reference, candidate = sides
    failed = [each for each in evidence if each.endings[0].outcome in ("failed", "missing")]
    failed = [each for each in failed if each.endings[1].outcome in ("passed", "failed")]
    failed.sort(key=lambda each: each.nodeid != COLLECTION)
    named = [_in_tree(name, reference) for each in failed for name in QUOTED.findall(each.endings[0].reason)]
    wanted = dict.fromkeys([*own, *filter(None, named)])
    lacking = [name for name in wanted if (candidate.tree / name).exists() and not (reference.tree / name).exists()]
    ignored = [name for name in lacking if run_git("check-ignore", "-q", name, folder=candidate.tree).returncode == 0]
    sentence = (
        "the reference's tree lacks {}, which git ignores: use --venv, which builds each side, or have the suite make "
        "it on both sides"
    )
    of_collection: list[list[str]] = []
    for each in failed:
        words = each.endings[0].reason
        missed = [name for name in ignored if _names(words, name)]
        if each.nodeid == COLLECTION:
            of_collection.append(missed)
        elif not words and all(of_collection):
            # What is missing was to be collected from a file that could not be; which one, pytest does not say.
            missed = [name for names in of_collection for name in names]
        if missed:
            each.excuse(0, sentence.format(", ".join(dict.fromkeys(missed[:3]))))


def _names(words: str, file: str) -> bool:
    """Whether an error speaks of a file, by its name or as a module."""
    path = Path(file)
    name = (path.parent if path.name == "__init__.py" else path).name.split(".")[0]
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words) is not None


def _in_tree(name: str, side: Side) -> str | None:
    """A path in an error's words, relative to the side's tree; None if it lies elsewhere."""
    try:
        path = (side.folder / name).resolve()
        found = path.is_relative_to(side.tree) and not path.exists()
    except (OSError, ValueError):
        # Too long for a path, or no text of one.
        return None
    return str(path.relative_to(side.tree)) if found else None
