"""A class by its path: what is none, or belongs to a module that raises, is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import upsample
from upbench.cases.grid import Axes
from upbench.errors import UserError
from upbench.sweep.plan import planned
from upsample import UpsampleError

WORDS = (
    "os",
    "sys",
    "torch.nn",
    "upsample",
    "",
    ".",
    "..",
    "path",
    "__main__",
    "é",
    "\x00",
    "\ud800",
    "\x1b[2J",
    "a" * 9999,
)


def asked(path: str) -> None:
    with pytest.raises(UpsampleError) as caught:
        upsample.card(path)
    assert "\n" not in str(caught.value)
    assert not {"\x1b", "\x00", "\ud800"} & set(str(caught.value))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=3), st.lists(st.sampled_from(WORDS), max_size=3))
def test_a_path_to_nothing_is_one_sentence(module: list[str], name: list[str]) -> None:
    asked(f"{'.'.join(module)}:{'.'.join(name)}")


@pytest.mark.parametrize(
    "source",
    [
        "raise SystemExit",
        "import sys; sys.exit('two\\nlines')",
        "raise ValueError('two\\nlines')",
        "raise RuntimeError('\\x1b[2J')",
        "this is no Python",
        "class Module: __init_subclass__ = 5",
        "Module = ['long'] * 1_000_000",
        "def Module(): ...",
        "def __getattr__(name): raise KeyError(name)",
    ],
)
def test_a_module_that_does_anything_is_one_sentence(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"module_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    asked(f"{name}:Module")


def test_every_class_of_torchs_own_can_be_asked_for() -> None:
    """Most cannot be built from channels and a scale, which a sweep says of each case."""
    names = [
        name for name in dir(nn) if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    ]
    assert len(names) > 100
    for name in names:
        try:
            planned(Axes(upsamplers=(f"torch.nn:{name}",)))
        except UserError as error:
            assert "\n" not in str(error)
