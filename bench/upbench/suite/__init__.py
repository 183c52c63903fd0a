"""The upsamplers as a pytest suite: ``pytest --benchmark --pyargs upbench.suite``.

It hands cases to the plugin's fixture or, under a gate, builds them in the process that asks; it measures nothing.
"""
