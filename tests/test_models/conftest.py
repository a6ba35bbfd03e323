"""Fixtures: a function run by several processes that are ranks of one another."""

import multiprocessing
import os
import traceback
from collections.abc import Callable

import pytest
import torch
import torch.distributed as dist

TIMEOUT = 60  # seconds; a rank that waits for ever ends the test


def _run_rank(rank, world_size, store, function, arguments, connection) -> None:
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    os.environ['LOCAL_RANK'] = str(rank)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=world_size)
    try:
        outcome = function(rank, *arguments)
    except Exception as error:
        traceback.print_exc()
        outcome = error
    connection.send(outcome)
    dist.destroy_process_group()


@pytest.fixture
def run_on_ranks(tmp_path) -> Callable[..., list]:
    """Call ``function(rank, *arguments)`` on each of ``world_size`` gloo ranks on the CPU.

    Returns what it returned, or the exception that it raised, in the order of ranks. Processes are
    forked, which costs no import; functions may be closures, outcomes must be picklable.
    """

    def run_on_ranks(function, *arguments, world_size: int = 2) -> list:
        fork = multiprocessing.get_context('fork')
        ranks = []
        for rank in range(world_size):
            mine, theirs = fork.Pipe(duplex=False)
            process = fork.Process(
                target=_run_rank,
                args=(rank, world_size, tmp_path / 'store', function, arguments, theirs),
            )
            process.start()
            theirs.close()
            ranks.append((process, mine))
        try:
            for rank, (_, connection) in enumerate(ranks):
                assert connection.poll(TIMEOUT), f'rank {rank} hangs'
            return [connection.recv() for _, connection in ranks]
        finally:
            for process, _ in ranks:
                process.join(timeout=5)
                process.kill()

    return run_on_ranks
