"""The upsamplers as a pytest-benchmark suite: ``pytest --benchmark --pyargs bench.suite``."""
