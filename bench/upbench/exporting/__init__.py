"""Cases of the grid as files that other programs run: the model, an input, the expected output, and how to check it.

A runtime converts, and what is written is what that runtime was seen to compute right. Nothing is timed here, and
nothing here knows of sweeps' rivals, of records or of the page.
"""
