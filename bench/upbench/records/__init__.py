"""What was measured, as data: the file format, the statistics on launches, two runs side by side.

Free of torch, so that reading a file takes no seconds; how a figure was measured is not known here.
"""
