"""Exact forms: a linear upsampler with its convolutions, rewritten into an equal and faster one.

:func:`exact_forms` makes every form of layers in a row. Where in a network they fit is not known here.
"""

from upsample.exact.axis import NotPeriodicError
from upsample.exact.exact_form import ExactForm
from upsample.exact.forms import exact_forms
from upsample.exact.layers import ZeroStuff
from upsample.exact.normal_form import NormalForm

__all__ = ["ExactForm", "NormalForm", "NotPeriodicError", "ZeroStuff", "exact_forms"]
