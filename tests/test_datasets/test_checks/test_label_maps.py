"""Faults of data sets with label maps, each with one clear finding, and sound data without any."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmpldc.datasets.checks import check_run
from mmpldc.datasets.checks.before_training import check_before_training
from mmpldc.datasets.label_maps import write_label_map
from mmpldc.datasets.shapes import SEMANTIC_CLASSES, SEMANTIC_PALETTE

pytest.importorskip('mmseg')

SIDE = 64


def make_config(root: Path) -> Config:
    shared = dict(
        type='mmseg.BaseSegDataset',
        data_root=str(root),
        metainfo=dict(classes=SEMANTIC_CLASSES, palette=SEMANTIC_PALETTE),
    )
    load = [dict(type='mmpldc.LoadSegAnnotations', num_classes=len(SEMANTIC_CLASSES))]

    def part(name: str, folder: str, **settings) -> dict:
        return dict(
            ann_file=f'lists/{name}.txt',
            data_prefix=dict(img_path=f'images/{folder}', seg_map_path=f'labels/{folder}'),
            **shared,
            **settings,
        )

    return Config(
        dict(
            model=dict(num_classes=len(SEMANTIC_CLASSES)),
            train_dataloader=dict(
                dataset=dict(
                    type='mmpldc.SemiDataset',
                    labeled=part('labeled', 'train', pipeline=load),
                    unlabeled=part('unlabeled', 'train'),
                )
            ),
            val_dataloader=dict(dataset=part('tuning', 'tuning', test_mode=True, pipeline=load)),
            test_dataloader=dict(dataset=part('test', 'test', test_mode=True)),
        )
    )


class World:
    """A data set on disk that a test breaks, and its config."""

    def __init__(self, root: Path) -> None:
        self.root, self.cfg = root, make_config(root)

    @property
    def labeled(self) -> Config:
        return self.cfg.train_dataloader.dataset.labeled

    def names(self, name: str = 'labeled') -> list[str]:
        return (self.root / f'lists/{name}.txt').read_text().split()

    def set_names(self, names: list[str], name: str = 'labeled') -> None:
        (self.root / f'lists/{name}.txt').write_text('\n'.join(names))

    def maps(self, name: str = 'labeled') -> list[Path]:
        return [self.root / f'labels/train/{stem}.png' for stem in self.names(name)]

    def image(self, index: int) -> Path:
        return self.root / f'images/train/{self.names()[index]}.jpg'

    def edit(self, path: Path, change, palette=SEMANTIC_PALETTE) -> None:
        with Image.open(path) as image:
            values = np.array(image)
        write_label_map(path, change(values), palette)

    def findings(self, **options) -> list[str]:
        report = check_run(self.cfg, **options)
        return [str(finding).replace(f'{self.root}/', '') for finding in report.findings]

    def finding(self, **options) -> str:
        (finding,) = self.findings(**options)
        return finding


@pytest.fixture
def world(sound_data, tmp_path) -> World:
    root = tmp_path / 'shapes'
    shutil.copytree(sound_data, root)
    for name in 'grey.png', 'palette.png':  # of the instances' checks
        (root / 'images/train' / name).unlink()
    return World(root)


def test_sound(world):
    report = check_run(world.cfg, decode=None, all_contents=True)
    assert report.findings == () and report.notes == ()
    assert [(of.name, of.num_images, of.num_read) for of in report.label_maps] == [
        ('labeled', 14, 14),
        ('unlabeled', 8, 0),
        ('val', 4, 4),
        ('test', 3, 3),
    ]
    expected = np.zeros(256, np.int64)
    for path in world.maps():
        with Image.open(path) as image:
            expected += np.bincount(np.array(image).ravel(), minlength=256)
    np.testing.assert_array_equal(report.label_maps[0].pixels, expected)
    text = report.markdown()
    assert '| labeled   |     14 |              14 |                 0.0% |' in text
    row = next(line for line in text.splitlines() if line.startswith('| disc'))
    assert f' {expected[1] / expected.sum():.2%} |' in row and 'instances' not in text


def test_unusual_but_allowed(world):
    first, second, third = world.maps()[:3]
    with Image.open(first) as image:
        values = np.array(image)
    cv2.imwrite(str(first), values)  # grey
    world.edit(second, lambda values: np.where(values == 0, 255, values).astype(np.uint8))
    cv2.imwrite(str(third), cv2.imread(str(third), cv2.IMREAD_UNCHANGED)[..., 0] * 0)
    assert world.findings(decode=None) == []


def fill(value):
    return lambda values: np.full_like(values, value)


class TestLabelMaps:
    def test_missing(self, world):
        path = world.maps()[0]
        path.unlink()
        assert world.finding() == (
            'error: lists/labeled.txt: 1 of 14 label maps are not on disk, for example '
            f'labels/train/{path.name}: correct the list or data_prefix.seg_map_path, or complete '
            'the files'
        )

    def test_of_another_suffix(self, world):
        for path in (world.root / 'labels/train').iterdir():
            path.rename(path.with_name(f'{path.stem}_labels.png'))
        finding = world.finding()
        assert '14 of 14 label maps are not on disk' in finding
        assert f"there is '{world.names()[0]}_labels.png': correct seg_map_suffix" in finding

    def test_in_no_folder(self, world):
        world.labeled.data_prefix.seg_map_path = 'masks'
        assert 'there is no folder masks: correct data_prefix.seg_map_path' in world.finding()

    @pytest.mark.parametrize(
        ('damage', 'message'),
        [
            (lambda path: path.write_bytes(b''), 'cannot be decoded'),
            (
                lambda path: cv2.imwrite(str(path), np.zeros((SIDE, SIDE, 3), np.uint8)),
                'has 3 channels: a label map has one',
            ),
            (
                lambda path: cv2.imwrite(str(path), np.zeros((SIDE, 48), np.uint8)),
                f'has another size than its image (48 x {SIDE} annotated, {SIDE} x {SIDE} read): '
                'they do not belong together',
            ),
            (
                lambda path: cv2.imwrite(str(path), np.full((SIDE, SIDE), 1000, np.uint16)),
                'has values from 1000 to 1000',
            ),
        ],
        ids=['damaged', 'colours', 'size', '16 bits'],
    )
    def test_unusable(self, world, damage, message):
        path = world.maps()[3]
        damage(path)
        finding = world.finding()
        assert finding.startswith(f'error: lists/labeled.txt: label map labels/train/{path.name}: ')
        assert message in finding

    def test_one_fault_in_many_files_is_one_finding(self, world):
        for number, path in enumerate(world.maps()):
            cv2.imwrite(str(path), np.zeros((SIDE, 30 + number), np.uint8))
        assert '14 label maps (' in world.finding() and '30 x 64' in world.finding()

    def test_classes_from_1_on(self, world):
        for path in world.maps():
            world.edit(path, lambda values: values + 1, [(9, 9, 9), *SEMANTIC_PALETTE])
        finding = world.finding()
        assert 'has the values 9, but the 9 classes are 0 to 8' in finding
        assert 'numbered from 1' in finding
        world.labeled.reduce_zero_label = True
        assert world.findings() == []

    def test_foreground_painted_255(self, world):
        for path in world.maps():
            world.edit(path, lambda values: np.where(values > 0, 255, 0).astype(np.uint8))
        assert 'hold nothing but 0 and 255' in world.finding()
        assert '1 for disc' in world.finding()

    def test_classes_in_another_order(self, world):
        classes = list(SEMANTIC_CLASSES)
        classes[1], classes[2] = classes[2], classes[1]
        palette = [SEMANTIC_PALETTE[SEMANTIC_CLASSES.index(name)] for name in classes]
        for part in (
            *world.cfg.train_dataloader.dataset.values(),
            world.cfg.val_dataloader.dataset,
            world.cfg.test_dataloader.dataset,
        ):
            if isinstance(part, dict):
                part.metainfo = dict(classes=tuple(classes), palette=palette)
        findings = world.findings(decode=None)
        assert findings and all(finding.startswith('warning: ') for finding in findings)
        assert (
            "paint class 1 ('gear') in the colour of 'disc'" in findings[0]
            or "paint class 2 ('disc') in the colour of 'gear'" in findings[0]
        )

    def test_no_label_at_all(self, world):
        world.edit(world.maps()[0], fill(255))
        finding = world.finding()
        assert finding.startswith('warning: ') and 'no pixel has a label' in finding

    def test_hardly_any_label(self, world):
        def scribble(values):
            return np.where(np.arange(values.size).reshape(values.shape) % 3, 255, values).astype(
                np.uint8
            )

        for path in world.maps():
            world.edit(path, scribble)
        assert '67% of all pixels have no label' in world.finding()

    def test_class_without_a_pixel(self, world):
        for path in world.maps():
            world.edit(path, lambda values: np.where(values == 4, 0, values).astype(np.uint8))
        assert 'class cross: no pixel in the labelled set' in world.finding()

    def test_one_class_alone(self, world):
        for path in world.maps():
            world.edit(path, fill(0))
        assert "14 label maps: show nothing but 'background'" in world.finding()

    def test_turned_by_exif(self, world):
        path = world.image(2)
        with Image.open(path) as image:
            exif = image.getexif()
            exif[0x0112] = 3  # by 180 degrees: the size stays
            image.save(path, exif=exif)
        assert 'EXIF orientation turns or mirrors' in world.finding()

    def test_of_the_test_set_are_warnings(self, world):
        (world.root / 'labels/test/000001.png').write_bytes(b'')
        assert world.finding().startswith('warning: lists/test.txt: label map ')


class TestSets:
    def test_leaks(self, world):
        first = world.names()[0]
        world.set_names([*world.names('unlabeled'), first], 'unlabeled')
        finding = world.finding()
        assert f'image {first}.jpg: in both the labeled and the unlabeled set' in finding
        assert finding.startswith('error: ')

    def test_copies_under_other_names(self, world):
        shutil.copy(world.image(0), world.root / 'images/tuning/copy.jpg')
        shutil.copy(world.maps()[0], world.root / 'labels/tuning/copy.png')
        world.set_names([*world.names('tuning'), 'copy'], 'tuning')
        assert 'it would be tested on what it was trained on' in world.finding()

    def test_missing_image_and_repetition(self, world):
        world.image(1).unlink()
        world.set_names([*world.names(), world.names()[0]])
        missing, twice = world.findings()
        assert '1 of 15 images are not on disk' in missing
        assert f'{world.names()[0]}.jpg: listed more than once' in twice

    def test_broken_image(self, world):
        world.image(1).write_bytes(b'')
        assert 'is empty (0 bytes)' in world.finding()

    def test_no_list(self, world):
        world.labeled.ann_file = 'lists/missing.txt'
        assert world.finding() == (
            'error: lists/missing.txt: is not on disk: make the list with tools/dataset/split.py, '
            'or correct it'
        )

    def test_no_folder(self, world):
        world.labeled.data_prefix.img_path = 'nothing'
        assert 'data_prefix.img_path: there is no folder nothing' in world.finding()

    def test_voc_without_a_list(self, world):
        """Its class has a bare assertion for that."""
        world.labeled.pop('metainfo')
        world.labeled.update(type='mmseg.PascalVOCDataset', ann_file='lists/none.txt')
        assert 'lists/none.txt: is not on disk' in ' '.join(world.findings())

    def test_no_classes(self, world):
        world.labeled.metainfo = dict()
        assert 'metainfo.classes: not set' in world.findings()[0]

    @pytest.mark.parametrize('where', ['model.num_classes', 'labeled: LoadSegAnnotations'])
    def test_number_of_classes(self, world, where):
        if where.startswith('model'):
            world.cfg.model.num_classes = 8
        else:
            world.labeled.pipeline[0].num_classes = 8
        assert 'is 8, but the data has 9 classes: make them equal' in world.finding()
        assert where in world.finding()

    def test_crops_larger_than_the_batch(self, world):
        world.labeled.pipeline.append(dict(type='RandomCrop', crop_size=(64, 80)))
        for size, number in ((64, 80), 0), ((64, 64), 1):
            world.cfg.model.data_preprocessor = dict(
                type='mmpldc.MultiBranchDataPreprocessor',
                data_preprocessor=dict(type='mmseg.SegDataPreProcessor', size=size),
            )
            found = world.findings()
            assert len(found) == number
        assert 'size: is (64, 64), but training crops are (64, 80)' in found[0]

    def test_classes_differ_between_sets(self, world):
        world.cfg.val_dataloader.dataset.metainfo = dict(classes=SEMANTIC_CLASSES[::-1])
        assert 'metainfo.classes: differs between the labeled and the val set' in ' '.join(
            world.findings()
        )

    def test_stops_training(self, world):
        check_before_training(world.cfg)
        world.maps()[0].unlink()
        with pytest.raises(SystemExit, match='Nothing was trained: the data has 1 error'):
            check_before_training(world.cfg)
