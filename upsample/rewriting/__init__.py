"""Where in a network exact forms fit: sites, what is measured there, the proof that outputs stay, and the report.

How a form computes is none of this room's business, nor what the harness makes of times.
"""

from upsample.rewriting.backend import backend
from upsample.rewriting.proof import channels_last
from upsample.rewriting.report import Report, SiteReport
from upsample.rewriting.rewriter import rewrite

__all__ = ["Report", "SiteReport", "backend", "channels_last", "rewrite"]
