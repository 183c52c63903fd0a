"""Fixtures that leave a trace of their set-up and tear-down, where the environment says in which file."""

import os
from pathlib import Path

import pytest

TEXT = "the quick brown fox jumps over the lazy dog " * 20


def trace(what):
    ledger = os.environ.get("WORDCOUNT_LEDGER")
    if ledger:
        with Path(ledger).open("a") as lines:
            lines.write(f"{os.getpid()} {what}\n")


@pytest.fixture(scope="module")
def text(request):
    trace(f"+text {request.path.name}")
    yield TEXT
    trace(f"-text {request.path.name}")


@pytest.fixture
def words(text, request):
    trace(f"+words {request.node.name}")
    yield text.split()
    trace(f"-words {request.node.name}")


@pytest.fixture
def traced():
    return trace
