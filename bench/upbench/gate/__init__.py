"""Is this change slower? A gate that compares two versions of a code base on the benchmarks of either's own suite."""
