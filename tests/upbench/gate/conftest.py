"""``foreign`` is another project, which tests copy and run in a gate; it is no test of ours."""

collect_ignore = ["foreign"]
