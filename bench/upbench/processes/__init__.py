"""How anything at all is run and timed: fresh processes, their allocator, the stopwatch, the control operator.

What runs in a process, and what is made of its times, is none of this room's business.
"""
