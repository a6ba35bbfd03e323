"""A step on several ranks, or of several micro-batches, is the step of one process on all images.

The points of matching and losses are fixed; nothing is augmented.
"""

from collections.abc import Sequence
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

from mmpldc.engine.runner.accumulating_train_loop import mean_outputs

SIZE = 64
STRIDE = 4
NUM_CLASSES = 3
BRANCHES = ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')

# Targets of four labelled, and pseudo-labels of four unlabelled images.
EVERY_KIND = dict(
    uneven=((1, 3, 2, 4), (2, 0, 1, 5)),
    one_rank_without_pseudo_labels=((2, 1, 2, 3), (3, 1, 0, 0)),
    all_ranks_without_pseudo_labels=((2, 1, 2, 3), (0, 0, 0, 0)),
    an_empty_labelled_image=((3, 2, 0, 1), (1, 2, 1, 1)),
    one_rank_with_empty_labelled_images_only=((0, 0, 3, 1), (1, 2, 1, 1)),
    a_single_target=((0, 0, 0, 1), (1, 0, 0, 0)),
    nothing_at_all=((0, 0, 0, 0), (0, 0, 0, 0)),
    equal_halves=((1, 3, 4, 0), (2, 1, 0, 3)),
)


@pytest.fixture
def build(tiny_model_cfg):
    """Build the model after burn-in, with norms that do not train, as in the published configs."""

    def build():
        tiny_model_cfg.backbone.update(
            norm_eval=True, norm_cfg=dict(type='BN', requires_grad=False)
        )
        torch.manual_seed(0)
        model = MODELS.build(tiny_model_cfg)
        model.teacher.load_state_dict(model.student.state_dict())
        model.train()
        model.set_progress(5, 10)
        return model

    return build


@contextmanager
def fixed_points():
    """The same random points for every image and mask, on all ranks."""
    grid = torch.rand(4096, 2, generator=torch.Generator().manual_seed(2))

    def rand(rows, points, *_, **__):
        return grid[:points].expand(rows, points, 2)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, 'rand', rand)
        yield


def boxes(image: int, num: int) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of some boxes."""
    rng = np.random.default_rng([image, num])
    return [
        (*rng.integers(0, SIZE // 2, 2), *rng.integers(SIZE // 8, SIZE // 2, 2)) for _ in range(num)
    ]


def labelled(image: int, num: int) -> DetDataSample:
    masks = np.zeros((num, SIZE, SIZE), np.uint8)
    for mask, (top, left, height, width) in zip(masks, boxes(image, num), strict=True):
        mask[top : top + height, left : left + width] = 1
    sample = DetDataSample(
        metainfo=dict(
            img_id=image,
            img_path=f'{image}.jpg',
            img_shape=(SIZE, SIZE),
            ori_shape=(SIZE, SIZE),
            batch_input_shape=(SIZE, SIZE),
            scale_factor=(1.0, 1.0),
            flip=False,
            flip_direction=None,
            homography_matrix=np.eye(3, dtype=np.float32),
        )
    )
    sample.gt_instances = InstanceData(
        labels=torch.arange(num) % NUM_CLASSES, masks=BitmapMasks(masks, SIZE, SIZE)
    )
    return sample


def pseudo_labels(image: int, num: int) -> InstanceData:
    logits = torch.full((num, SIZE // STRIDE, SIZE // STRIDE), -2.0)
    for logit, box in zip(logits, boxes(image, num), strict=True):
        top, left, height, width = (side // STRIDE for side in box)
        logit[top : top + height, left : left + width] = 3.0
    quality = torch.full((num,), 0.9)
    return InstanceData(
        labels=(torch.arange(num) + 1) % NUM_CLASSES,
        class_quality=quality,
        mask_quality=quality,
        scores=quality,
        mask_logits=logits,
    )


def images_of(kind: str, chosen: Sequence[int]) -> tuple[dict, dict, list]:
    """Inputs and samples of some of the images, and their pseudo-labels."""
    num_targets, num_pseudo = EVERY_KIND[kind]
    inputs, samples = {}, {}
    for position, branch in enumerate(BRANCHES):
        generator = torch.Generator().manual_seed(position)
        inputs[branch] = torch.randn(4, 3, SIZE, SIZE, generator=generator)[chosen]
        samples[branch] = [labelled(i, num_targets[i]) for i in chosen]
    return inputs, samples, [pseudo_labels(10 + i, num_pseudo[i]) for i in chosen]


def step(model, kind: str, *micro_batches: Sequence[int]) -> tuple[dict[str, float], np.ndarray]:
    """An optimiser step on some of the images.

    Returns:
        The log's values by name, and the student's gradient.
    """
    module = getattr(model, 'module', model)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optim_wrapper = OptimWrapper(
        torch.optim.SGD(trained, lr=1.0), accumulative_counts=len(micro_batches)
    )
    optim_wrapper.zero_grad = lambda: None  # it would be at the end of the step
    logs = []
    for chosen in micro_batches:
        inputs, samples, pseudo = images_of(kind, chosen)
        module.get_pseudo_instances = lambda *_, pseudo=pseudo: pseudo
        with fixed_points(), optim_wrapper.optim_context(model):
            loss, log = module.parse_losses(model(inputs, samples, mode='loss'))
        optim_wrapper.update_params(loss)
        logs.append(log)
    gradient = torch.cat([parameter.grad.flatten() for parameter in trained]).numpy()
    return {name: value.item() for name, value in mean_outputs(logs).items()}, gradient


def assert_equal_gradients(ours: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-5, of the largest component if that is below 1."""
    assert np.isfinite(expected).all() and np.abs(expected).max() > 0
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * min(1, np.abs(expected).max()))


def assert_ranks_equal_one_process(
    build, run_on_ranks, kind: str, *ranks: Sequence[Sequence[int]]
) -> None:
    """Compare ranks, each with its micro-batches, with one process on all images at once."""
    expected, expected_gradient = step(build(), kind, range(4))

    def on_rank(rank):
        model = MMDistributedDataParallel(build(), device_ids=None, broadcast_buffers=False)
        return step(model, kind, *ranks[rank])

    outcomes = run_on_ranks(on_rank, world_size=len(ranks))
    for _, gradient in outcomes:
        np.testing.assert_array_equal(gradient, outcomes[0][1])
    assert_equal_gradients(outcomes[0][1], expected_gradient)
    for name, value in expected.items():
        if 'loss' in name:
            mean = np.mean([log[name] for log, _ in outcomes])
            assert mean == pytest.approx(value, rel=1e-5, abs=1e-6), name
        if name.startswith('unsup_') and not any(EVERY_KIND[kind][1]):
            assert value == 0, name


@pytest.mark.parametrize('kind', EVERY_KIND)
def test_gradient_on_two_ranks(build, run_on_ranks, kind):
    assert_ranks_equal_one_process(build, run_on_ranks, kind, [[0, 1]], [[2, 3]])


@pytest.mark.parametrize('kind', EVERY_KIND)
def test_gradient_on_four_ranks(build, run_on_ranks, kind):
    assert_ranks_equal_one_process(build, run_on_ranks, kind, *([[image]] for image in range(4)))


def test_gradient_of_two_micro_batches_with_equally_many_targets(build):
    expected, expected_gradient = step(build(), 'equal_halves', range(4))
    log, gradient = step(build(), 'equal_halves', [0, 1], [2, 3])
    assert_equal_gradients(gradient, expected_gradient)
    for name in expected:
        if 'loss' in name:
            assert log[name] == pytest.approx(expected[name], rel=1e-5), name


def test_gradient_of_two_micro_batches_on_two_ranks(build, run_on_ranks):
    """A micro-batch is normalised over the ranks; gradients are exchanged once a step."""
    assert_ranks_equal_one_process(build, run_on_ranks, 'equal_halves', [[0], [2]], [[1], [3]])
