"""ONNX files with faster upsamplers: a graph is read into ATen's operators, rewritten site by site, and written back.

Which sites there are and how forms compute is known in ``upsample``; here is what ONNX calls it, what runs it, and when
a file may be written. Nothing here knows of the grid, the sweep or the page.
"""
