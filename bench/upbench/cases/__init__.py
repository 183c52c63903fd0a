"""What is measured: a point of the grid, the axes that span it, how they are spelt, and what upsamplers are fed.

Nothing here is run in another process or timed, and no case knows who will measure it.
"""
