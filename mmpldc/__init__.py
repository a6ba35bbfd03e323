"""PL-DC: semi-supervised instance segmentation for MMDetection.

Importing the package is cheap: it checks that the OpenMMLab packages are there and recent enough,
and imports none of them.  The registered classes are imported when a config names them.
"""

from mmpldc._compat import check_environment, leave_out_multimodal
from mmpldc.version import __version__

check_environment()
leave_out_multimodal()

__all__ = ['__version__']
