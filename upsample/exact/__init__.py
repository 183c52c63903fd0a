"""Exact forms: a linear upsampler with its convolutions, rewritten into an equal and faster one.

:func:`exact_forms` makes every form of layers in a row; :func:`rewrite` finds such layers in a network, measures their
forms and puts the fastest in their place.
"""

from upsample.exact.axis import NotPeriodicError
from upsample.exact.form import ExactForm
from upsample.exact.forms import exact_forms
from upsample.exact.layers import ZeroStuff
from upsample.exact.normal_form import NormalForm
from upsample.exact.report import Report, Site
from upsample.exact.rewriting import rewrite

__all__ = ["ExactForm", "NormalForm", "NotPeriodicError", "Report", "Site", "ZeroStuff", "exact_forms", "rewrite"]
