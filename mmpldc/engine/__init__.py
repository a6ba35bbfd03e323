"""Hooks, loops, optimiser wrappers, checkpoint I/O, resuming and the dry run.

The package itself imports nothing: tools that train nothing use parts of it, too.
"""
