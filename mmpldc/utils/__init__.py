"""Utilities that are independent of the methods."""
