"""What machine this is: its fingerprint, what it can do at most, and what makes timings on it untrustworthy.

It knows of no upsampler and of no measurement of one.
"""
