"""Large blocks are reused: counted by the system's own page faults, in fresh processes."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from mmpldc.utils.allocator import keep_large_blocks
if sys.argv[1] == 'keep':
    assert keep_large_blocks()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
total = np.zeros(1)
for step in range(12):
    if step == 2:
        before = faults()
    blocks = [np.ones(2**21 + 512 * k) for k in range(3)]  # 16 MiB each
    other = sum(block[0] for block in blocks)
    total += other
    del blocks, other
assert total == 36
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != 'linux', reason='a setting of glibc')
def test_kept_blocks_cost_no_page_faults():
    keep, plain = (
        int(subprocess.check_output([sys.executable, '-c', SCRIPT, kind]))
        for kind in ('keep', 'plain')
    )
    assert plain > 100  # 12,288 pages a step, or 24 huge ones
    assert keep < plain / 10
