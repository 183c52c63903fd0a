"""Which upsampler for a case that was not measured: interpolation between records, with its error, and advice.

It reads records alone. It knows nothing of how they were made, and does not say more than they hold.
"""
