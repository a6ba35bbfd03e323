"""Log values are those of all ranks."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from mmpldc.engine.rank_mean_log_processor import RankMeanLogProcessor, mean_over_ranks


def collect(rank: int, mode: str) -> dict:
    """What a rank would log after two steps of which only rank 1 has a quality."""
    hub = MessageHub(f'rank_{rank}')
    for step in (0, 1):
        hub.update_scalar(f'{mode}/loss', 10.0 * rank + step)
        hub.update_scalar(f'{mode}/lr', 0.5)
    if rank == 1:
        hub.update_scalar(f'{mode}/quality', 0.25)
    processor = RankMeanLogProcessor(window_size=2, by_epoch=False, mean_pattern='.*loss.*')
    return dict(processor._collect_scalars([], SimpleNamespace(message_hub=hub), mode))


def test_training_values_are_means_over_the_ranks_that_have_them(run_on_ranks):
    outcomes = run_on_ranks(lambda rank: collect(rank, 'train'), world_size=3)
    assert outcomes == [dict(loss=pytest.approx(10.5), lr=0.5, quality=0.25)] * 3
    assert [list(outcome) for outcome in outcomes] == [['loss', 'lr', 'quality']] * 3


def test_ranks_need_not_validate_equally_often(run_on_ranks):
    """No exchange: it would hang."""
    outcomes = run_on_ranks(lambda rank: collect(rank, 'val') if rank == 0 else None)
    assert outcomes == [dict(loss=0.5, lr=0.5), None]


def test_one_process_logs_its_own():
    assert collect(1, 'train') == dict(loss=10.5, lr=0.5, quality=0.25)


def test_nan_on_one_rank_shows(run_on_ranks):
    outcomes = run_on_ranks(lambda rank: mean_over_ranks(dict(loss=float('nan') if rank else 1.0)))
    assert all(outcome['loss'] != outcome['loss'] for outcome in outcomes)
