"""The generated shapes data set: scenes, files on disk, and the stamp that guards them."""

import json
import runpy
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_utils

from mmpldc.datasets.shapes import (
    CLASSES,
    PALETTE,
    ShapesSpec,
    dataset,
    generate_scene,
    make_dataset,
    scene,
)

SPEC = ShapesSpec(image_size=64)
SETTINGS = dict(seed=3, num_labeled=40, num_train=60, num_tuning=4, num_test=5, spec=SPEC)


def load(root, name):
    return json.loads((root / 'annotations' / f'{name}.json').read_text())


def image_bytes(root):
    paths = [*root.rglob('*.jpg'), *root.rglob('*.png')]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def annotation_texts(root):
    paths = [*(root / 'annotations').iterdir(), *(root / 'lists').iterdir()]
    return {path.name: path.read_text() for path in paths}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('shapes') / 'nested' / 'data'
    make_dataset(root, **SETTINGS)
    return root


@pytest.mark.parametrize(
    'spec',
    [
        SPEC,
        ShapesSpec(),
        ShapesSpec(image_size=96, objects_per_image=(6, 9), object_size=(0.3, 0.5)),
    ],
)
def test_scene_shows_exactly_the_annotated_objects(spec):
    _, high = spec.objects_per_image
    for index in range(25):
        image, labels, masks = generate_scene(np.random.default_rng([1, index]), spec)
        assert image.shape == (spec.image_size, spec.image_size, 3) and image.dtype == np.uint8
        assert masks.shape == (len(labels), *image.shape[:2]) and masks.dtype == bool
        assert 1 <= len(labels) <= high
        assert labels.dtype == np.int64 and set(labels) <= set(range(len(CLASSES)))
        assert masks.sum(axis=0).max() == 1  # disjoint
        assert masks.sum(axis=(1, 2)).min() >= scene.MIN_VISIBLE_AREA


def test_scene_keeps_a_minimum_share_of_every_object_in_sight(monkeypatch):
    """Against the full coverage of each object, recorded while the scene is drawn."""
    drawn = []
    paint = scene.paint
    monkeypatch.setattr(scene, 'paint', lambda *args: drawn.append(args[4]) or paint(*args))
    occluded = 0
    for index in range(40):
        drawn.clear()
        _, _, masks = generate_scene(np.random.default_rng([2, index]), SPEC)
        assert len(drawn) == len(masks)
        for placed, mask in zip(drawn, masks, strict=True):
            full = placed.alpha >= 0.5
            assert not (mask & ~full).any()
            assert mask.sum() >= scene.MIN_VISIBLE_SHARE * placed.area
            occluded += mask.sum() < full.sum()
    assert occluded > 20


def test_class_frequencies():
    # Small objects always find a place, so that the draws are not thinned out.
    spec = ShapesSpec(image_size=64, object_size=(0.2, 0.25), objects_per_image=(4, 4))
    labels = np.concatenate(
        [generate_scene(np.random.default_rng([4, index]), spec)[1] for index in range(300)]
    )
    shares = np.bincount(labels, minlength=len(CLASSES)) / len(labels)
    np.testing.assert_allclose(shares, spec.class_frequencies, atol=0.04)


@pytest.mark.parametrize('category', range(len(CLASSES)))
def test_only_the_asked_class(category):
    spec = ShapesSpec(image_size=64, class_frequencies=tuple(np.eye(len(CLASSES))[category]))
    _, labels, _ = generate_scene(np.random.default_rng(category), spec)
    assert len(labels) and (labels == category).all()


@pytest.mark.parametrize('frequencies', [(1.0,), (0.2,) * 8])
def test_spec_rejects_bad_frequencies(frequencies):
    with pytest.raises(ValueError, match='class_frequencies'):
        ShapesSpec(class_frequencies=frequencies)


def test_categories_and_palette(root):
    for name in filter(lambda name: name.endswith('.json'), annotation_texts(root)):
        categories = load(root, name.removesuffix('.json'))['categories']
        assert [c['id'] for c in categories] == list(range(1, 9))
        assert tuple(c['name'] for c in categories) == CLASSES
    assert len(set(PALETTE)) == len(CLASSES)


def test_annotations_agree_with_the_scene(root):
    tuning = load(root, 'tuning')
    assert [a['id'] for a in tuning['annotations']] == list(
        range(1, len(tuning['annotations']) + 1)
    )
    for index, image in enumerate(tuning['images']):
        assert (root / 'images/tuning' / image['file_name']).is_file()
        _, labels, masks = generate_scene(np.random.default_rng([3, 1, index]), SPEC)
        found = [a for a in tuning['annotations'] if a['image_id'] == image['id']]
        assert [a['category_id'] - 1 for a in found] == labels.tolist()
        for annotation, mask in zip(found, masks, strict=True):
            assert isinstance(annotation['segmentation']['counts'], str)
            np.testing.assert_array_equal(mask_utils.decode(annotation['segmentation']), mask)
            assert annotation['area'] == mask.sum() and annotation['iscrowd'] == 0
            rows, columns = np.nonzero(mask)
            assert annotation['bbox'] == [
                columns.min(),
                rows.min(),
                np.ptp(columns) + 1,
                np.ptp(rows) + 1,
            ]


def test_labeled_and_unlabeled_split_the_train_images(root):
    files = {
        name: {image['file_name'] for image in load(root, name)['images']}
        for name in ('labeled', 'unlabeled', 'unlabeled_hidden', 'train_all')
    }
    assert len(files['labeled']) == 40
    assert not files['labeled'] & files['unlabeled']
    assert files['labeled'] | files['unlabeled'] == files['train_all']
    assert files['unlabeled'] == files['unlabeled_hidden']
    assert files['train_all'] == {path.name for path in (root / 'images/train').iterdir()}

    annotations = {name: load(root, name)['annotations'] for name in files}
    assert annotations['unlabeled'] == []
    by_id = sorted(annotations['labeled'] + annotations['unlabeled_hidden'], key=lambda a: a['id'])
    assert by_id == annotations['train_all']
    instances = np.bincount([a['category_id'] for a in annotations['labeled']], minlength=9)[1:]
    assert instances.min() >= dataset.MIN_LABELED_PER_CLASS


def test_label_maps_agree_with_the_scene(root):
    for split, number in ('train', 0), ('tuning', 1):
        for index, path in enumerate(sorted((root / 'labels' / split).iterdir())[:8]):
            _, labels, masks = generate_scene(np.random.default_rng([3, number, index]), SPEC)
            expected = ((labels + 1)[:, None, None] * masks).sum(axis=0)
            with Image.open(path) as image:
                assert image.mode == 'P'
                values = np.array(image)
                np.testing.assert_array_equal(values, expected)
                colors = np.array(image.convert('RGB'))
            palette = np.array(dataset.SEMANTIC_PALETTE)
            np.testing.assert_array_equal(colors, palette[values])
    assert len(dataset.SEMANTIC_CLASSES) == len(dataset.SEMANTIC_PALETTE) == len(CLASSES) + 1


def test_lists_name_the_images_of_the_annotation_files(root):
    for name in 'labeled', 'unlabeled', 'tuning', 'test':
        names = (root / f'lists/{name}.txt').read_text().split()
        assert [f'{stem}.jpg' for stem in names] == [
            i['file_name'] for i in load(root, name)['images']
        ]
        split = name if name in dataset.SPLITS else 'train'
        for stem in names:
            assert (root / f'images/{split}/{stem}.jpg').is_file()
            assert (root / f'labels/{split}/{stem}.png').is_file()


def test_same_seed_same_files_for_any_number_of_workers(root, tmp_path):
    make_dataset(tmp_path / 'same', **SETTINGS, workers=1)
    assert image_bytes(tmp_path / 'same') == image_bytes(root)
    assert annotation_texts(tmp_path / 'same') == annotation_texts(root)


def test_an_image_does_not_depend_on_the_others(root, tmp_path):
    dataset.write_coco_split(tmp_path, 'test', 2, seed=3, spec=SPEC)
    few, many = image_bytes(tmp_path), image_bytes(root)
    assert len(few) == 4 and few.items() <= many.items()


def test_other_seed_and_other_split_differ(root, tmp_path):
    dataset.write_coco_split(tmp_path, 'test', 1, seed=4, spec=SPEC)
    name = 'images/test/000001.jpg'
    assert image_bytes(tmp_path)[name] != image_bytes(root)[name]
    assert image_bytes(root)['images/train/000001.jpg'] != image_bytes(root)[name]


def test_labeled_choice_fails_when_a_class_is_missing():
    coco = dict(images=[dict(id=1), dict(id=2)], annotations=[dict(image_id=1, category_id=1)])
    with pytest.raises(ValueError, match='label more'):
        dataset.choose_labeled(coco, 1, seed=0)


class TestStamp:
    """A stub takes the place of the drawing; it counts the splits and may be interrupted."""

    @pytest.fixture
    def written(self, monkeypatch):
        written = []

        def write(root, split, num_images, **kwargs):
            written.append(split)
            path = root / 'images' / split / f'{num_images}.jpg'
            path.parent.mkdir(parents=True)
            path.touch()
            images = [dict(id=i, file_name=f'{i}.jpg') for i in range(num_images)]
            annotations = [
                dict(image_id=i, category_id=c + 1)
                for i in range(num_images)
                for c in range(len(CLASSES))
            ]
            return dataset._write_annotations(
                root / 'annotations' / f'{dataset.SPLITS[split]}.json', images, annotations
            )

        monkeypatch.setattr(dataset, 'write_coco_split', write)
        return written

    def test_finished_is_left_alone(self, tmp_path, written):
        make_dataset(tmp_path, **SETTINGS)
        make_dataset(tmp_path, **SETTINGS)
        assert written == list(dataset.SPLITS)
        assert not (tmp_path / 'spec.json.partial').exists()

    @pytest.mark.parametrize(
        'change', [dict(seed=4), dict(num_train=61), dict(num_labeled=41), dict(spec=ShapesSpec())]
    )
    def test_other_settings_are_refused_or_overwrite(self, tmp_path, written, change):
        make_dataset(tmp_path, **SETTINGS)
        with pytest.raises(FileExistsError, match='other settings'):
            make_dataset(tmp_path, **{**SETTINGS, **change})
        assert len(written) == 3
        make_dataset(tmp_path, **{**SETTINGS, **change}, overwrite=True)
        assert len(written) == 6
        make_dataset(tmp_path, **{**SETTINGS, **change})
        assert len(written) == 6

    def test_interrupted_is_written_anew(self, tmp_path, written, monkeypatch):
        def interrupt(*args):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(dataset, 'choose_labeled', interrupt)
            make_dataset(tmp_path, **{**SETTINGS, 'num_train': 99})
        assert not (tmp_path / 'spec.json').exists()
        make_dataset(tmp_path, **SETTINGS)
        assert (tmp_path / 'spec.json').is_file()
        assert [path.name for path in (tmp_path / 'images/train').iterdir()] == ['60.jpg']

    @pytest.mark.parametrize('overwrite', [False, True])
    def test_foreign_folder_is_never_touched(self, tmp_path, written, overwrite):
        (tmp_path / 'images').mkdir()
        with pytest.raises(FileExistsError, match='not a data set of shapes'):
            make_dataset(tmp_path, **SETTINGS, overwrite=overwrite)
        assert not written and (tmp_path / 'images').is_dir()

    def test_no_unlabelled_images(self, tmp_path):
        with pytest.raises(ValueError, match='none unlabelled'):
            make_dataset(tmp_path, num_labeled=10, num_train=10)


def test_processes_start_after_opencv_has_used_threads(python, tmp_path):
    """In a process of its own, with a limit: a fork of OpenCV's threads would hang."""
    script = f"""
import cv2, numpy as np
from mmpldc.datasets.shapes import make_dataset
cv2.setNumThreads(4)
cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 9)
make_dataset({str(tmp_path / 'data')!r}, num_labeled=30, num_train=60, num_tuning=1, num_test=1)
assert cv2.getNumThreads() == 4
"""
    subprocess.run([python, '-c', script], check=True, timeout=120)
    assert len(list((tmp_path / 'data/images/train').iterdir())) == 60


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (('x', '--seed=-1'), '--seed: at least 0, got -1'),
        (('x', '--image-size', 0), '--image-size: at least 16, got 0'),
        (('x', '--labeled', 20, '--train', 10), 'generate_shapes.py: 20 labelled of 10 images'),
        (('file',), 'generate_shapes.py: '),
    ],
)
def test_the_tool_refuses_in_a_line(tmp_path, monkeypatch, capsys, args, words):
    monkeypatch.chdir(tmp_path)
    Path('file').touch()
    tool = Path(__file__).parents[2] / 'tools/dataset/generate_shapes.py'
    monkeypatch.setattr('sys.argv', [tool.name, *map(str, args)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(tool), run_name='__main__')
    assert words in f'{end.value.code}{capsys.readouterr().err}'
