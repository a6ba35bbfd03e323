"""Weak labels and refiners in the training step: who is asked when, and what their labels weigh."""

from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from mmpldc.registry import MODELS
from mmpldc.structures import PackedMasks

SIZE, BURN_IN, MAX_STEPS = 64, 4, 10
VIEWS = ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')
ASKED = []


@MODELS.register_module(force=True)
class NotesItsTurn:
    """Notes that it was asked, and with which labels."""

    def __init__(self, name):
        self.name = name

    def prepare(self, classes, device):
        ASKED.append((self.name, 'prepared'))

    def __call__(self, instances, images, samples, progress, normalization):
        weak = [one.weak.any().item() if 'weak' in one else False for one in instances]
        ASKED.append((self.name, any(weak), torch.is_grad_enabled()))
        return instances


def masks():
    squares = torch.zeros(2, SIZE, SIZE, dtype=torch.uint8)
    squares[0, 8:32, 8:32] = 1
    squares[1, 32:60, 20:50] = 1
    return squares


def sample(number, *, weak):
    given = InstanceData(
        labels=torch.tensor([0, 2]),
        masks=PackedMasks.pack(BitmapMasks(masks().numpy(), SIZE, SIZE)),
    )
    if weak:
        given.scores = torch.tensor([0.9, 0.8])
    shape = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), batch_input_shape=(SIZE, SIZE))
    meta = dict(img_id=number, img_path=f'{number}.jpg', flip=False, **shape)
    return DetDataSample(metainfo=meta, gt_instances=given)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    inputs = {view: torch.randn(2, 3, SIZE, SIZE, generator=generator) for view in VIEWS}
    samples = {
        view: [sample(number, weak=view.startswith('unsup')) for number in range(2)]
        for view in VIEWS
    }
    return inputs, samples


@pytest.fixture
def build(tiny_model_cfg):
    def build(step, **options):
        torch.manual_seed(0)
        cfg = deepcopy(tiny_model_cfg)
        cfg.update(burn_in_iters=BURN_IN, **options)
        model = MMDET_MODELS.build(cfg)
        model.teacher.load_state_dict(model.student.state_dict())
        model.train()
        model.set_progress(step, MAX_STEPS)
        return model

    return build


def losses(model, batch):
    torch.manual_seed(1)  # of the points
    return model.loss(*deepcopy(batch))


def weak_labels(**options):
    return dict(weak_labels=dict(type='mmpldc.WeakLabels', class_thr=0.5, **options))


@pytest.mark.parametrize('step', [0, BURN_IN])
def test_masks_are_refined_before_classes_and_weak_labels_like_the_teachers(build, batch, step):
    ASKED.clear()
    refiners = dict(
        mask_refiner=dict(type='mmpldc.NotesItsTurn', name='mask'),
        refiner=dict(type='mmpldc.NotesItsTurn', name='class'),
    )
    model = build(step, **refiners, **weak_labels(duplicate_iou=1.0))
    model.prepare_training(('a', 'b', 'c'), lambda: torch.ones(3), 1)
    assert ASKED == [('mask', 'prepared'), ('class', 'prepared')]
    ASKED.clear()
    found = losses(model, batch)
    assert ASKED == [('mask', True, False), ('class', True, False)]
    assert found['pseudo_weak'] == 1 if step < BURN_IN else 0 < found['pseudo_weak'] < 1


def test_without_weak_labels_burn_in_is_supervised(build, batch):
    names = losses(build(0), batch).keys()
    assert not any(name.startswith(('unsup_', 'pseudo_')) for name in names)
    off = losses(build(0, **weak_labels(weight=0.0)), batch)
    assert off.keys() == names


def test_in_burn_in_the_weight_is_that_of_the_loss(build, batch):
    whole, half = (losses(build(0, **weak_labels(weight=w)), batch) for w in (1.0, 0.5))
    for name, value in whole.items():
        factor = 0.5 if name.startswith('unsup_') else 1.0
        torch.testing.assert_close(half[name], factor * value)
    assert whole['unsup_loss_mask'] > 0
    with_lambda = losses(build(0, unsup_weight=2.0, **weak_labels(weight=0.5)), batch)
    torch.testing.assert_close(with_lambda['unsup_loss_cls'], whole['unsup_loss_cls'])


def test_after_burn_in_it_is_that_of_each_weak_label(build, batch):
    """A teacher that finds nothing teaches "no object" with its whole weight."""
    found = {}
    for weight in (1.0, 0.5, 0.25):
        model = build(BURN_IN + 1, **weak_labels(weight=weight))
        model.pseudo_label_filter.class_thr = 1.1
        found[weight] = losses(model, batch)
    for name in ('unsup_loss_mask', 'unsup_loss_dice', 'unsup_aux_loss_mask'):
        torch.testing.assert_close(found[0.5][name], 0.5 * found[1.0][name])
    steps = [found[1.0], found[0.5], found[0.25]]
    first, second = (
        one['unsup_loss_cls'] - other['unsup_loss_cls'] for one, other in pairwise(steps)
    )
    torch.testing.assert_close(second, 0.5 * first)
    assert found[0.25]['unsup_loss_cls'] > 0.25 * found[1.0]['unsup_loss_cls']


def test_no_object_is_taught_in_burn_in_unless_turned_off(build, batch):
    taught, silent = (
        losses(build(0, **weak_labels(no_object=own)), batch) for own in (True, False)
    )
    assert taught['unsup_loss_cls'] != silent['unsup_loss_cls']
    torch.testing.assert_close(taught['unsup_loss_mask'], silent['unsup_loss_mask'])


def test_a_teacher_that_finds_nothing_is_noticed_although_there_are_weak_labels(build, batch):
    model = build(BURN_IN, **weak_labels())
    model.pseudo_label_filter.class_thr = 1.1
    found = losses(model, batch)
    assert found['pseudo_weak'] == 1 and found['pseudo_per_image'] == 2
    counts = model.pseudo_label_counter.pop_counts()
    assert sum(counts.kept) == 0 and counts.num_images == 2


def test_outside_of_training_there_are_none(build, batch):
    model = build(BURN_IN, **weak_labels())
    model.eval()
    inputs, samples = batch
    for one in model.get_pseudo_instances(inputs['unsup_weak'], samples['unsup_weak']):
        assert 'weak' not in one


def test_a_supervised_run_needs_no_labels_of_images_that_it_does_not_see(build, batch):
    model = build(BURN_IN, unsup_weight=0.0, **weak_labels())
    inputs, samples = ({view: part[view] for view in VIEWS[:2]} for part in batch)
    assert not any(name.startswith('unsup_') for name in model.loss(inputs, samples))
