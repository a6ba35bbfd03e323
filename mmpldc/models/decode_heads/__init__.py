"""Decode heads for mmsegmentation's ``EncoderDecoder``; importing them needs mmsegmentation."""

from .representation_aspp_head import RepresentationASPPHead

__all__ = ['RepresentationASPPHead']
