"""Running hypothesis in a process of its own, for some time."""

import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import cv2
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis.strategies import SearchStrategy

MEMORY = 4 << 30  # bytes more: an image that claims to be huge fails, and not the machine
BATCH = 100


def fuzz(
    test: Callable[..., object],
    strategy: SearchStrategy,
    *,
    seconds: float,
    is_random: bool,
    at_least: int = 0,
) -> int:
    """Call a test with drawn inputs until the time is up; its first failure is shrunk and raised.

    Args:
        test: called with one input; whatever it raises is a failure.
        strategy: of its inputs.
        seconds: how long; 0: the inputs depend on ``at_least`` alone, and on no clock.
        is_random: draw other inputs at each call of this function.
        at_least: go on for so many inputs, however slow the machine is.

    Returns:
        How often the test was called.

    Raises:
        AssertionError: if the test failed, crashed the process, or hangs.
    """
    fork = multiprocessing.get_context('fork')
    count = fork.Value('q', 0)
    with tempfile.NamedTemporaryFile('r', suffix='.txt') as last:
        arguments = (test, strategy, seconds, is_random, at_least, count, last.name)
        process = fork.Process(target=_fuzz, args=arguments, daemon=True)
        process.start()
        process.join(timeout=3 * seconds + 600)  # on a busy machine
        code = process.exitcode
        process.kill()
        process.join()
        outcome = 'hangs' if code is None else f'exit code {code}'
        assert code == 0, f'{outcome} at input {count.value}: {last.read()}'
    return count.value


def _fuzz(test, strategy, seconds, is_random, at_least, count, last) -> None:
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    cv2.setNumThreads(0)
    pages = int(Path('/proc/self/statm').read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    end = time.monotonic() + seconds

    def run(value):
        count.value += 1
        Path(last).write_text(ascii(value))
        test(value)

    own = settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],  # the others keep files, or trace every line
    )
    try:
        seeds = 0
        while time.monotonic() < end or count.value < at_least:
            drawn = own(given(strategy)(run))
            if not is_random:
                seeds, drawn = seeds + 1, hypothesis_seed(seeds)(drawn)
            drawn()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        sys.exit(1)
    sys.exit(0)
