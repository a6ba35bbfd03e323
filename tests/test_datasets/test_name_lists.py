"""Lists of U2PL, UniMatch and CPS name the same images; the tool that draws and reads them."""

import doctest
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmpldc.datasets import name_lists
from mmpldc.datasets.label_maps import write_label_map
from mmpldc.datasets.name_lists import (
    count_pixels,
    find_image_names,
    find_names,
    image_stem,
    plain_name,
    read_names,
    read_plain_names,
    write_names,
)

TOOL = Path(__file__).parents[2] / 'tools/dataset/split.py'
VOC = ['2007_000032', '2007_000039', '2008_000008']
TOWNS = ['aachen/aachen_000000_000019', 'bremen/bremen_000001_000019']
LISTS = {  # by whom: lines of VOC's, of Cityscapes' images
    'mmseg': (VOC, TOWNS),
    'u2pl': (VOC, [f'leftImg8bit/train/{name}_leftImg8bit.png' for name in TOWNS]),
    'unimatch': (
        [f'JPEGImages/{name}.jpg SegmentationClass/{name}.png' for name in VOC],
        [
            f'leftImg8bit/train/{name}_leftImg8bit.png gtFine/train/{name}_gtFine_labelTrainIds.png'
            for name in TOWNS
        ],
    ),
    'cps': (
        [f'train_aug/image/{name}.jpg\ttrain_aug/label/{name}.png' for name in VOC],
        [
            f'/leftImg8bit/train/{name}_leftImg8bit.png\t/gtFine/train/{name}_gtFine_labelTrainIds.png'
            for name in TOWNS
        ],
    ),
}


@pytest.mark.parametrize('source', LISTS)
def test_published_lists_name_the_same_images(source, tmp_path):
    for known, lines in zip((VOC, TOWNS), LISTS[source], strict=True):
        path = tmp_path / 'list.txt'
        path.write_text('\r\n'.join(['# a remark', *lines, '', '']))
        names = read_names(path)
        assert [plain_name(name) for name in names] == known
        assert [image_stem(name) for name in names] == [name.split('/')[-1] for name in known]
        assert find_names(known, names[::-1]).tolist() == list(range(len(known)))


def test_examples():
    assert not doctest.testmod(name_lists).failed


def test_names_with_blanks_and_a_mark_of_byte_order(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('\ufeffmy image 1\nmy image 2.jpg my image 2.png\n', encoding='utf-8')
    assert read_names(path) == ['my image 1', 'my image 2.jpg']


def test_dots_are_no_extension():
    assert image_stem('a/v1.2_b') == plain_name('v1.2_b') == 'v1.2_b'


@pytest.mark.parametrize(
    ('known', 'names', 'message'),
    [
        (VOC, ['2007_000032', '1999_1'], '1 of 2 listed images are not in the data set: 1999_1'),
        (VOC, ['2007_000032', 'a/2007_000032.jpg'], 'listed more than once: 2007_000032'),
        (['a/1', 'b/1'], ['1'], "'1' may be any of 2 images"),
    ],
)
def test_names_that_do_not_fit(known, names, message):
    with pytest.raises(ValueError, match=message):
        find_names(known, names)


def test_a_whole_name_goes_before_its_last_part():
    assert find_names(['1', 'b/1'], ['b/1']).tolist() == [1]
    assert find_names(['a/1', 'b/1'], ['b/1']).tolist() == [1]
    assert find_names(['a/1', 'b/1'], ['photos/b/1.jpg']).tolist() == [1]


def test_two_images_of_one_name(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('photos/a/1.jpg\nphotos/b/1.jpg\n')
    with pytest.raises(ValueError, match=r"a/1\.jpg and photos/b/1\.jpg are both called '1'"):
        read_plain_names(path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'\x89PNG\xff\xfe', 'is not in UTF-8'),
        (b'\n# no\n', 'names no image'),
        (b'["a"]', 'is JSON'),
    ],
)
def test_files_that_are_no_lists(tmp_path, content, message):
    path = tmp_path / 'list.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_names(path)


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((4, 6, 3), np.uint8))


def test_images_of_a_folder(tmp_path):
    for name in TOWNS:
        write_image(tmp_path / f'{name}_leftImg8bit.png')
    (tmp_path / 'readme.txt').touch()
    for name in '.ipynb_checkpoints/a.jpg', '@eaDir/b.jpg', '._c.jpg':
        write_image(tmp_path / name)
    assert find_image_names(tmp_path) == TOWNS
    write_image(tmp_path / 'other.JPG')
    assert 'other' in find_image_names(tmp_path)
    write_image(tmp_path / 'other.png')
    with pytest.raises(ValueError, match='several images called other'):
        find_image_names(tmp_path)
    with pytest.raises(ValueError, match='has no image'):
        find_image_names(tmp_path / 'missing')


def test_pixels_of_each_class(tmp_path):
    maps = [np.array([[0, 0, 2]], np.uint8), np.array([[255, 2, 2]], np.uint8)]
    paths = [tmp_path / f'{index}.png' for index in range(2)]
    for path, values in zip(paths, maps, strict=True):
        write_label_map(path, values, [(0, 0, 0)])
    assert count_pixels(paths).tolist() == [[2, 0, 1], [0, 0, 2]]
    paths[1].write_bytes(b'')
    with pytest.raises(ValueError, match=r'1\.png cannot be decoded'):
        count_pixels(paths)


class TestTool:
    @pytest.fixture
    def split(self, monkeypatch):
        def split(*args) -> None:
            monkeypatch.setattr(sys, 'argv', ['split.py', *map(str, args)])
            runpy.run_path(str(TOOL), run_name='__main__')

        return split

    @pytest.fixture
    def every(self, tmp_path):
        path = tmp_path / 'train_aug.txt'
        path.write_text('\n'.join(f'image_{index:03d}' for index in range(40)))
        return path

    def test_draws_nested_shares(self, split, every, tmp_path, capsys):
        split(every, '--percent', 10, 50, '--fold', 1, 2)
        split(every, '--count', 1, '--fold', 2)
        small = read_names(tmp_path / 'train_aug.1@10.txt')
        large = read_names(tmp_path / 'train_aug.1@50.txt')
        others = read_names(tmp_path / 'train_aug.1@50-unlabeled.txt')
        assert len(small) == 4 and set(small) <= set(large)
        assert sorted(large + others) == read_names(every)
        assert small != read_names(tmp_path / 'train_aug.2@10.txt')
        assert len(read_names(tmp_path / 'train_aug.2@1images.txt')) == 1
        assert 'train_aug.1@10-unlabeled.txt: 36 images' in capsys.readouterr().out

    @pytest.mark.parametrize('source', LISTS)
    def test_reads_lists_of_others(self, split, source, tmp_path):
        """Their labelled list, for VOC's list of all images and for Cityscapes' folder of them."""
        voc = tmp_path / 'train_aug.txt'
        voc.write_text('\n'.join(VOC))
        folder = tmp_path / 'leftImg8bit/train'
        for name in TOWNS:
            write_image(folder / f'{name}_leftImg8bit.png')
        for images, known, lines in zip((voc, folder), (VOC, TOWNS), LISTS[source], strict=True):
            listed = tmp_path / 'labeled.txt'
            listed.write_text('\n'.join(lines[1:]))
            split(images, '--labeled-list', listed, '--out-dir', tmp_path / 'out')
            prefix = f'out/{images.stem}.1@{len(known) - 1}images'
            assert read_names(tmp_path / f'{prefix}.txt') == known[1:]
            assert read_names(tmp_path / f'{prefix}-unlabeled.txt') == known[:1]

    def test_reads_a_published_list(self, split, every, tmp_path):
        listed = tmp_path / 'labeled.txt'
        listed.write_text('JPEGImages/image_007.jpg SegmentationClass/image_007.png\n')
        split(every, '--labeled-list', listed, '--out-dir', tmp_path / 'out')
        assert read_names(tmp_path / 'out/train_aug.1@1images.txt') == ['image_007']
        assert len(read_names(tmp_path / 'out/train_aug.1@1images-unlabeled.txt')) == 39

    def test_a_folder_with_every_class_labelled(self, split, tmp_path, capsys):
        folder, maps = tmp_path / 'leftImg8bit/train', tmp_path / 'gtFine/train'
        for index in range(12):
            name = f'aachen/aachen_{index:06d}_000019'
            write_image(folder / f'{name}_leftImg8bit.png')
            path = maps / f'{name}_gtFine_labelTrainIds.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            write_label_map(path, np.full((4, 6), index == 11, np.uint8), [(0, 0, 0)] * 2)
        rule = ['--min-instances', 1, '--label-maps', maps]
        for fold in range(1, 4):
            split(folder, '--count', 2, '--fold', fold, *rule)
            labeled = read_names(tmp_path / f'leftImg8bit/train.{fold}@2images.txt')
            assert 'aachen/aachen_000011_000019' in labeled
        split(folder, '--count', 2, '--min-instances', 2, '--label-maps', maps)
        assert 'class 1 is in 1 of 1 labelled images' in capsys.readouterr().out

    @pytest.mark.parametrize(
        ('args', 'message'),
        [
            (['--count', 41], 'cannot label 41 of 40 images'),
            (['--labeled-list', 'train_aug.txt.missing'], 'No such file'),
        ],
    )
    def test_says_what_is_wrong(self, split, every, args, message):
        with pytest.raises(SystemExit, match=message):
            split(every, *args)


def test_a_name_that_a_list_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match=r'b\\udce4r.: a list of names cannot hold this'):
        write_names(tmp_path / 'list.txt', ['a', 'b\udce4r'])
    assert not list(tmp_path.iterdir())
