from .ms_deform_attn_pixel_decoder import MSDeformAttnPixelDecoder

__all__ = ['MSDeformAttnPixelDecoder']
