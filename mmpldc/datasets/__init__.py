"""Data sets, transforms and samplers; reading, checking, converting and dividing labels.

The package itself imports nothing: most tools for labels need neither PyTorch nor mmdet.
"""
