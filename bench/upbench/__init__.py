"""Measure upsamplers on this machine: latency, memory, FLOPs; records, statistics, gate and report.

The package is deliberately empty at its face, so that reading records and writing a report never imports torch.
"""
