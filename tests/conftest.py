"""Settings for all tests: nothing here is timed, so that no example has a deadline on a busy machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
