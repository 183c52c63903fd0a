"""One sweep over many machines: questions travel, each with all its rivals, and what was measured comes back.

Ray finds the machines, holds them and says when one is gone; here is decided which question goes where, and what of it
counts. Nothing is timed here: on each machine the sweep of one machine does that.
"""
