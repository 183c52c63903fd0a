"""How good upsampled images are: photographs, how they are degraded, and what is measured of what comes back.

One meter a file. It knows images, upsamplers and records, and nothing of how anything is timed.
"""
