"""Turns of threads, batches read once, features computed once."""

import threading

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmpldc.engine.lockstep import SharedBatches, SharedFeatures, Stopped, Turns
from mmpldc.engine.lockstep.runs import check_configs, saved_together
from mmpldc.models import TimmBackbone

NAMES = ['a', 'b', 'c']


def run_threads(function) -> dict[str, BaseException]:
    """Call ``function(name)`` in a thread for each name; return the errors."""
    errors = {}

    def call(name):
        try:
            function(name)
        except BaseException as error:
            errors[name] = error

    threads = [threading.Thread(target=call, args=(name,)) for name in reversed(NAMES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
        assert not thread.is_alive()
    return errors


def test_threads_take_turns_in_their_order():
    turns, calls = Turns(NAMES), []

    def work(name):
        with turns.take_part(name):
            for step in range(1 if name == 'b' else 3):  # b leaves early
                calls.append((name, step))
                turns.give_way(name)

    assert run_threads(work) == {}
    steps = [('a', 0), ('b', 0), ('c', 0), ('a', 1), ('c', 1), ('a', 2), ('c', 2)]
    assert calls == steps


def test_an_error_stops_the_others():
    turns = Turns(NAMES)

    def work(name):
        with turns.take_part(name):
            turns.give_way(name)
            if name == 'b':
                raise KeyError(name)
            turns.give_way(name)

    errors = run_threads(work)
    kinds = {name: type(error) for name, error in errors.items()}
    assert kinds == dict(a=Stopped, b=KeyError, c=Stopped)


def test_batches_are_loaded_once_and_copied():
    loaded = []

    class Loader(list):
        def __iter__(self):
            for batch in super().__iter__():
                loaded.append(batch[0])
                yield list(batch)

    batches = SharedBatches(Loader([[1], [2], [3]]), len(NAMES))
    turns, seen = Turns(NAMES), {name: [] for name in NAMES}

    def work(name):
        with turns.take_part(name):
            for _ in range(2):  # passes
                for batch in batches.read(name, lambda: turns.give_way(name)):
                    seen[name].append(list(batch))
                    batch.append('changed')
                    assert len(batches.kept) <= 1

    assert run_threads(work) == {}
    assert loaded == [1, 2, 3, 1, 2, 3] and batches.kept == {}
    assert seen == {name: [[number] for number in loaded] for name in NAMES}


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 2, 1).requires_grad_(False)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return [self.conv(images)]


def test_features_are_computed_once_and_weights_stored_once():
    backbones = [Backbone(), Backbone()]
    images = [torch.randn(2, 3, 4, 4) for _ in range(3)]
    expected = [backbones[0](batch)[0] for batch in images]
    features = SharedFeatures(size=2)
    for backbone in backbones:
        features.attach(backbone)
    assert backbones[0].conv.weight.data_ptr() == backbones[1].conv.weight.data_ptr()
    backbones[0].calls = 0
    for batch, own in zip(images, expected, strict=True):
        for backbone in backbones:
            assert backbone(batch.clone())[0].equal(own)
    assert backbones[0].calls == 3 and backbones[1].calls == 0
    backbones[1](images[0])  # the oldest has been forgotten
    assert (features.computed, features.reused) == (4, 3)


def test_an_input_of_one_run_leaves_those_that_all_ask_for():
    """As the unlabelled images of a run that pastes objects into them."""
    features, backbone = SharedFeatures(), Backbone()
    features.attach(backbone)
    weak, labeled, strong, pasted = torch.randn(4, 2, 3, 8, 8)
    for images in (weak, labeled, strong, weak, labeled, pasted, weak, labeled):
        backbone(images)
    assert (features.computed, features.reused) == (4, 4)


def test_a_frozen_transformer_is_shared():
    pytest.importorskip('timm')
    small = dict(embed_dim=16, depth=2, num_heads=2)
    config = dict(name='vit_small_patch16_dinov3', out_indices=(1,), stride=16, frozen=True)
    first, second = (TimmBackbone(**config, **small) for _ in range(2))
    second.load_state_dict(first.state_dict())
    features, images = SharedFeatures(), torch.randn(1, 3, 32, 64)
    expected = first(images)[0]
    for backbone in first, second:
        features.attach(backbone)
        assert backbone(images)[0].equal(expected)
    assert (features.computed, features.reused) == (1, 1)
    with pytest.raises(ValueError, match=r'frozen=True for mmpldc\.TimmBackbone'):
        SharedFeatures().attach(TimmBackbone(**config | dict(frozen=False), **small))


def test_backbones_that_train_or_differ_are_refused():
    features = SharedFeatures()
    with pytest.raises(ValueError, match='must not train'):
        features.attach(Backbone().requires_grad_(True))
    features.attach(Backbone())
    other = Backbone()
    other.conv.bias.data += 1
    with pytest.raises(ValueError, match=r'the backbones differ in conv\.bias'):
        features.attach(other)


def make_config(**settings) -> Config:
    config = Config(
        dict(
            train_dataloader=dict(
                batch_size=4,
                sampler=dict(type='S', batch_size=4, source_ratio=[1, 1]),
                dataset=dict(type='D', labeled=dict(ann_file='l'), unlabeled=dict(ann_file='u')),
            ),
            train_cfg=dict(max_iters=4),
            randomness=dict(seed=0),
            default_hooks=dict(step_seed=dict(type='mmpldc.StepSeedHook'), none=None),
        )
    )
    config.merge_from_dict(settings)
    return config


def test_a_supervised_run_shares_the_labelled_half():
    supervised = {
        'train_dataloader': dict(batch_size=2, sampler=dict(batch_size=2, source_ratio=[1])),
        'train_dataloader.dataset.unlabeled': None,
    }
    check_configs(dict(semi=make_config(), supervised=make_config(**supervised)))
    with pytest.raises(ValueError, match='semi cannot train on the batches of supervised'):
        check_configs(dict(supervised=make_config(**supervised), semi=make_config()))


@pytest.mark.parametrize(
    ('settings', 'named'),
    [
        ({'randomness.seed': 1}, 'seed'),
        ({'train_cfg.max_iters': 5}, 'train_cfg'),
        ({'train_dataloader.batch_size': 8, 'train_dataloader.sampler.batch_size': 8}, 'labelled'),
        ({'train_dataloader.dataset.labeled.ann_file': 'x'}, 'labelled'),
        ({'train_dataloader.dataset.unlabeled.ann_file': 'x'}, 'unlabelled'),
        ({'default_hooks.step_seed': None}, 'StepSeedHook'),
        ({'default_hooks.end': dict(type='mmpldc.EarlyStoppingHook')}, 'EarlyStoppingHook'),
    ],
)
def test_runs_on_other_batches_are_refused(settings, named):
    with pytest.raises(ValueError, match=named):
        check_configs(dict(first=make_config(), other=make_config(**settings)))


def test_runs_continue_where_all_were_saved(tmp_path):
    """One was killed before it saved, one file is damaged, one run has ended."""
    folders = {name: tmp_path / name for name in 'abc'}
    assert saved_together(folders) == dict.fromkeys('abc')
    for name, steps in dict(a=(2, 4, 6), b=(2, 4, 6), c=(2, 4)).items():
        folders[name].mkdir()
        for step in steps:
            torch.save(dict(step=step), folders[name] / f'iter_{step}.pth')
    assert saved_together(folders) == {name: str(tmp_path / name / 'iter_4.pth') for name in 'abc'}
    (tmp_path / 'b/iter_4.pth').write_bytes(b'PK')
    assert saved_together(folders) == {name: str(tmp_path / name / 'iter_2.pth') for name in 'abc'}
    (tmp_path / 'a/iter_2.pth').unlink()
    with pytest.raises(ValueError, match=r'(?s)in common:.*a: iter_6.*c: iter_4\.pth, iter_2'):
        saved_together(folders)
