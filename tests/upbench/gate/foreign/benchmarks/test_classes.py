"""The same in classes, pytest's and the standard library's."""

import unittest

import pytest
from wordcount import lengths


class TestLengths:
    def setup_method(self):
        self.longest = 5

    def test_method(self, benchmark, words):
        assert max(benchmark(lengths, words)) == self.longest


class TestUnit(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _benchmark(self, benchmark):
        self.benchmark = benchmark

    def test_unit(self):
        assert self.benchmark(lengths, ["a", "bc"]) == [1, 2]
