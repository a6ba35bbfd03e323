"""The report at the end, over ranks."""

import logging
from pathlib import Path

import pytest
import torch
from mmengine.dataset import BaseDataset

from mmpldc.datasets.input_faults import faulty_images, guard_pipelines
from mmpldc.engine.hooks import InputFaultHook

NUM_IMAGES = 60


class Images(BaseDataset):
    """Images that have no file."""

    def __init__(self, names) -> None:
        self.names = names
        super().__init__(lazy_init=True)

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=name, img_id=index) for index, name in enumerate(self.names)]


class OneRunner:
    """What the hook needs of a Runner."""

    def __init__(self, dataset: BaseDataset) -> None:
        self.train_dataloader = torch.utils.data.DataLoader(dataset)
        self.logger = logging.getLogger(f'test_{id(self)}')
        self.lines = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())
        self.logger.addHandler(handler)


@pytest.fixture
def runner() -> OneRunner:
    dataset = Images([f'{index:02d}.png' for index in range(NUM_IMAGES)])
    dataset.full_init()
    guard_pipelines(dataset, on_fault='skip')
    return OneRunner(dataset)


def mark(runner: OneRunner, indices) -> None:
    runner.train_dataloader.dataset.pipeline.is_faulty[list(indices)] = True


def test_images_that_any_rank_met_are_counted_once(runner, run_on_ranks):
    def run(rank):
        hook = InputFaultHook()
        hook.before_train(runner)
        pipeline = runner.train_dataloader.dataset.pipeline
        pipeline.is_faulty = pipeline.is_faulty.clone()  # not of both ranks, as after a fork
        mark(runner, range(rank, rank + 2))  # 0 and 1, 1 and 2
        hook.after_train(runner)
        return runner.lines[-1]

    for line in run_on_ranks(run):
        assert line.splitlines() == [
            'Input faults: 3 images could not be used',
            *(f'  {index:02d}.png' for index in range(3)),
        ]


def test_only_the_first_are_named(runner):
    mark(runner, range(25))
    hook = InputFaultHook()
    hook.before_train(runner)
    hook.after_train(runner)
    head, *names, rest = runner.lines[-1].splitlines()
    assert head == 'Input faults: 25 images could not be used'
    assert names == [f'  {index:02d}.png' for index in range(20)]
    assert rest == '  and 5 more'


def test_nothing_is_reported_twice(runner):
    hook = InputFaultHook()
    hook.before_train(runner)
    hook.after_train(runner)
    assert not hook._at_exit.alive  # as it would be at exit without after_train


def test_a_guarded_set_is_not_guarded_again(runner):
    dataset = runner.train_dataloader.dataset
    pipeline = dataset.pipeline
    mark(runner, [5])
    guard_pipelines(dataset, on_fault='raise')
    assert dataset.pipeline is pipeline
    assert faulty_images(dataset) == [str(Path('05.png'))]
