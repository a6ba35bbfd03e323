"""Let the C library keep large blocks of memory for reuse."""

import ctypes
import sys

# Parameters of glibc's mallopt (malloc.h)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1  # an int
KEPT = 2**25  # bytes; glibc takes no more


def keep_large_blocks() -> bool:
    """Tell glibc's allocator to reuse large blocks instead of returning them to the kernel.

    Each step of a run on the CPU allocates and frees the same large tensors. By default glibc maps
    such blocks anew each time, and the kernel fills each page with zeros. Values do not change.
    Blocks of up to 32 MiB are kept; larger ones are returned, because a heap of them falls into
    pieces: the masks of a photo of 24 megapixels, 96 MB each, filled 10 GB, one after the other.
    Processes that are forked later inherit it.

    Returns:
        Whether it worked: it does nothing where the C library is another.
    """
    if not sys.platform.startswith('linux'):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    settings = ((M_MMAP_THRESHOLD, KEPT), (M_TRIM_THRESHOLD, LARGEST))
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)
