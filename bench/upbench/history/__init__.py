"""Many runs over time: one series for each machine, case and quantity, and the commits at which it changed.

It reads files and computes; how they were measured is not its business, and it never puts two machines in one series.
Free of torch.
"""
