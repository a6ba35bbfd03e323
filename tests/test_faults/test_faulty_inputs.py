"""Each kind of image and annotation through the pipelines of a config."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from faulty_data import (
    FAULTY_IMAGES,
    FAULTY_MASKS,
    FAULTY_SIZES,
    UNUSUAL_ANNOTATIONS,
    UNUSUAL_IMAGES,
    pixels,
    write_coco,
)
from mmdet.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch.utils.data import DataLoader

from mmpldc.datasets import input_faults
from mmpldc.datasets.input_faults import MOST_IN_A_ROW, InputFault, faulty_images
from mmpldc.datasets.samplers import SeededIndex

LABELED_FAULTS = [
    *FAULTY_IMAGES,
    *FAULTY_SIZES,
    *(f'{name}.png' for name in FAULTY_MASKS),
    'infinite_box.png',
]
UNUSUAL = [*UNUSUAL_IMAGES, *(f'{name}.png' for name in UNUSUAL_ANNOTATIONS)]
TOO_LONG = 'long.png'  # a side of its views may be shrunk to nothing


@pytest.fixture
def build(data):
    """Build the training set of the custom template."""

    def build(**settings):
        return DATASETS.build(data.config().train_dataloader.dataset | settings)

    return build


@pytest.fixture(scope='module')
def refusing(data):
    """The training set that stops at the first fault."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        return DATASETS.build(data.config().train_dataloader.dataset | dict(on_fault='raise'))


def name_of(sample: dict, view: str) -> str:
    return Path(sample['data_samples'][view].img_path).name


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize('name', LABELED_FAULTS)
def test_a_labelled_fault_is_named(name, refusing, data):
    with pytest.raises(InputFault) as caught:
        refusing[data.index(name)]
    text = str(caught.value)
    where = f'{data.root}/images/{name} (image id {data.index(name) + 1} of {data.root}'
    assert text.startswith(f'{where}/labeled.json): ')
    assert data.faults[name] in text and '\n' not in text


@pytest.mark.parametrize('name', FAULTY_IMAGES)
def test_an_unlabelled_fault_is_named(name, refusing, data):
    with pytest.raises(InputFault) as caught:
        refusing[refusing.cumulative_sizes[0] + data.index(name, 'unlabeled')]
    assert f'{name} (image id' in str(caught.value)
    assert data.unlabeled_faults[name] in str(caught.value)


@pytest.mark.parametrize('name', FAULTY_SIZES)
def test_the_annotated_size_of_an_unlabelled_image_does_not_matter(name, refusing, data):
    sample = refusing[refusing.cumulative_sizes[0] + data.index(name, 'unlabeled')]
    assert name_of(sample, 'unsup_weak') == name


@pytest.mark.parametrize('num_workers', [0, pytest.param(2, marks=pytest.mark.slow)])
def test_faults_are_logged_once_and_others_drawn(num_workers, build, data, monkeypatch):
    lines = []
    monkeypatch.setattr(input_faults, 'print_log', lambda line, **_: lines.append(line))
    dataset = build()
    size = len(dataset)
    assert faulty_images(dataset) == []
    loader = DataLoader(
        dataset,
        batch_size=1,
        sampler=[*range(size), *range(size)],
        num_workers=num_workers,
        collate_fn=lambda samples: samples[0],
    )
    samples = list(loader)
    for index, sample in zip([*range(size), *range(size)], samples, strict=True):
        labeled = index < dataset.cumulative_sizes[0]
        name = name_of(sample, 'sup_weak' if labeled else 'unsup_weak')
        assert name not in (data.faults if labeled else data.unlabeled_faults)
    assert {Path(path).name for path in faulty_images(dataset)} == {*data.faults, TOO_LONG}
    if num_workers == 0:
        counts = Counter(Path(line.split(' (image id')[0]).name for line in lines)
        assert set(counts) == {*data.faults, TOO_LONG}
        for name, count in counts.items():
            assert count == 1 + (name in {*data.unlabeled_faults, TOO_LONG})  # once in each part


def test_what_is_drawn_instead_follows_from_the_position(build, data):
    """As all randomness of a sample: a resumed run draws the same."""
    dataset, again = build(), build()
    index = data.index('missing.jpg')
    seen = []
    for position in range(8):
        place = SeededIndex(index, (0, 0, position))
        first, second, third = dataset[place], dataset[place], again[place]
        seen.append(name_of(first, 'sup_weak'))
        for other in second, third:
            assert name_of(other, 'sup_weak') == seen[-1]
            assert torch.equal(first['inputs']['sup_strong'], other['inputs']['sup_strong'])
    assert len(set(seen)) > 1


def test_the_message_reaches_the_user_from_a_worker(build, data):
    loader = DataLoader(
        build(on_fault='raise'),
        sampler=[data.index('empty.jpg')],
        num_workers=1,
        collate_fn=pseudo_collate,
    )
    with pytest.raises(InputFault) as caught:
        next(iter(loader))
    last = str(caught.value).strip().splitlines()[-1]
    assert 'InputFault: ' in last and 'empty.jpg (image id' in last and 'is empty' in last


def test_nothing_but_faults_ends_the_run(data, build, tmp_path):
    """Rather than draw for ever."""
    path = tmp_path / 'labeled.json'
    write_coco(path, [image for image in data.labeled if image['file_name'] == 'missing.jpg'], [])
    dataset = build(labeled=data.config().train_dataloader.dataset.labeled | {'ann_file': path})
    with pytest.raises(InputFault, match=f'{MOST_IN_A_ROW} images in a row .*missing.jpg'):
        dataset[0]


@pytest.mark.parametrize(
    'error', [TypeError('no'), KeyError('gt_masks'), MemoryError(), OSError(24)]
)
def test_an_error_of_a_transform_or_the_machine_is_not_skipped(error, build):
    if isinstance(error, OSError):
        error.errno = 24  # too many open files
    dataset = build()
    part = dataset.datasets[0]

    def fail(results):
        raise error

    index = part.pipeline.is_faulty.numel() - 1
    part.pipeline.pipeline.transforms.insert(1, fail)
    with pytest.raises(
        RuntimeError, match=r'sound_1.png \(image id .*the pipeline failed'
    ) as caught:
        dataset[index]
    assert caught.value.__cause__ is error
    assert faulty_images(dataset) == []


# ---------------------------------------------------------------- what looks faulty and is not


@pytest.mark.parametrize('name', [name for name in UNUSUAL if name != TOO_LONG])
def test_an_unusual_input_is_used(name, refusing, data):
    sample = refusing[data.index(name)]
    for view in 'sup_weak', 'sup_strong':
        image, instances = sample['inputs'][view], sample['data_samples'][view].gt_instances
        assert image.dtype == torch.uint8 and image.shape[0] == 3 and min(image.shape) > 0
        assert len(instances.labels) == len(instances.masks)
        assert torch.isfinite(torch.as_tensor(instances.bboxes.tensor)).all()


@pytest.mark.parametrize('name', UNUSUAL_IMAGES)
def test_colours_are_those_of_the_file(name, data):
    """As OpenCV reads them for training: blue, green, red."""
    part = data.config().train_dataloader.dataset.labeled
    part.pipeline = part.pipeline[:1]
    metainfo = dict(classes=('thing', 'other'))
    dataset = DATASETS.build(part | dict(metainfo=metainfo, serialize_data=False))
    image = dataset[data.index(name)]['img']
    expected = pixels(*image.shape[:2])[..., ::-1].astype(float)
    if 'grey' in name:
        expected = (expected @ [0.114, 0.587, 0.299])[..., None]
        assert (image[..., :1] == image).all()
    tolerance = 30 if name in ('palette.png', 'cmyk.jpg') else 4  # few colours, four inks
    assert np.abs(image - expected).mean() < tolerance


def test_long_image_is_used_where_it_does_not_vanish(data):
    """At the paper's sizes: views are up to 2,048 pixels long, and 10 / 20,000 of that high."""
    part = data.config().train_dataloader.dataset.labeled
    for step in part.pipeline:
        if step.type == 'RandomResize':
            step.scale, step.ratio_range = (1024, 1024), (1.8, 2.0)
    dataset = DATASETS.build(part | dict(metainfo=dict(classes=('thing', 'other'))))
    sample = dataset[data.index(TOO_LONG)]
    assert sample['inputs']['sup_weak'].shape == (3, 1, 64)


def test_many_instances_are_capped_by_a_random_choice(build, data):
    dataset = build(on_fault='raise')
    index = data.index('many.png')
    assert len(dataset.get_data_info(index)['instances']) == 2000
    load = dataset.datasets[0].pipeline.pipeline.transforms[1]
    assert load.max_instances == 200
    chosen = []
    for position in range(2):
        np.random.seed(position)
        info = dataset.get_data_info(index) | dict(ori_shape=(48, 64), img_shape=(48, 64))
        results = load.transform(info)
        assert len(results['gt_masks']) == len(results['gt_bboxes_labels']) == 200
        # masks and boxes are still of the same instances
        boxes = results['gt_masks'].get_bboxes('hbox').tensor
        torch.testing.assert_close(boxes, results['gt_bboxes'].tensor, atol=1.01, rtol=0)
        chosen.append({tuple(box) for box in results['gt_bboxes'].tensor.tolist()})
    assert chosen[0] != chosen[1]
    load.max_instances = None
    info = dataset.get_data_info(index) | dict(ori_shape=(48, 64), img_shape=(48, 64))
    assert len(load.transform(info)['gt_masks']) == 2000


# ---------------------------------------------------------------- annotation files


def test_a_file_that_cannot_be_read_is_named(data, build, tmp_path):
    for content in (
        '{',
        '[]',
        '{"images": [{}]}',
        '{"images": 3, "annotations": [], "categories": []}',
    ):
        path = tmp_path / 'broken.json'
        path.write_text(content)
        with pytest.raises(ValueError, match=r'broken.json cannot be read \(\w+: .*check.py says'):
            build(labeled=data.config().train_dataloader.dataset.labeled | {'ann_file': str(path)})


def test_another_policy_is_refused(build):
    with pytest.raises(ValueError, match="on_fault is 'ignore': it must be 'skip' or 'raise'"):
        build(on_fault='ignore')


def test_as_many_kinds_as_the_documentation_says():
    assert (len(LABELED_FAULTS), len(UNUSUAL)) == (23, 20)
