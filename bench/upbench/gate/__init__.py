"""Is this change slower? A gate that compares two versions of a code base on the benchmarks of either's own suite.

It knows trees, live pytest processes and the decision; nothing of upsamplers, and nothing of what a suite measures.
"""
