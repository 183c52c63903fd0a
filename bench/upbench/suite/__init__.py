"""The upsamplers as a pytest-benchmark suite: ``pytest --benchmark --pyargs upbench.suite``."""
