"""Who is measured when, and how it survives: schedule, stop rules, journal, and the worker that measures one case.

It decides nothing about what a figure means, and draws nothing.
"""
