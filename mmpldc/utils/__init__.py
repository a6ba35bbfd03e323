"""Utilities that know nothing of the methods."""
