"""Functions, in the ways in which pytest-benchmark lets them be written."""

import pytest
from wordcount import METHODS, count, most_common, positions, tokenize


def test_plain(benchmark, text):
    assert benchmark(count, text)["fox"] == 20


@pytest.mark.parametrize("method", METHODS)
def test_parametrised(benchmark, words, method):
    assert len(benchmark(most_common, words, number=3, method=method)) == 3


def test_decorator(benchmark, text):
    @benchmark
    def found():
        return tokenize(text)

    assert found[:2] == ["the", "quick"]


def test_pedantic(benchmark, words, traced):
    done = []

    def setup():
        done.append("set up")
        return (list(words),), {}

    def teardown(own):
        assert own == words
        done.append("torn down")

    found = benchmark.pedantic(positions, setup=setup, teardown=teardown, rounds=5, warmup_rounds=1)
    assert found["the"][:2] == [0, 6]
    assert done == ["set up", "torn down"] * (len(done) // 2)
    traced(f"pedantic {len(done)}")


def test_statistics(benchmark, words):
    benchmark(sorted, words)
    assert 0 < benchmark.stats["min"] <= benchmark.stats["mean"] <= benchmark.stats.stats.max


@pytest.mark.skip(reason="not on this machine")
def test_skipped(benchmark):
    benchmark(int)


def test_not_a_benchmark(traced):
    traced("not a benchmark")
