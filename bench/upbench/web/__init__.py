"""A grid measured in a visitor's browser: the folder with the page, the server that hands it out, what comes back.

The page measures with ONNX Runtime Web and makes a record of the project's format; here models, inputs and expected
outputs are written for it, and what it sends is checked before it is kept. How a report looks is not known here, and
nothing of Python is timed.
"""
