"""Metrics, error analysis, pseudo-label quality and comparisons of runs.

The package itself imports nothing: tools that evaluate no model use parts of it, too.
"""
