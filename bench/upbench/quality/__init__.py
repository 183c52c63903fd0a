"""How good upsampled images are: photographs, how they are degraded, and what is measured of what comes back.

Networks that differ in their upsampler alone are trained on the same data and looked at by every meter of ``readings``.
It knows images, upsamplers and records, and nothing of how anything is timed.
"""
