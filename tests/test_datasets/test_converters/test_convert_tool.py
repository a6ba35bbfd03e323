"""The command line: options reach the converters, files are written, errors are one line."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from mmpldc.datasets.converters import convert_yolo

TOOL = Path(__file__).parents[3] / 'tools/dataset/convert.py'


@pytest.fixture
def convert(monkeypatch, capsys):
    """Call the tool in this process; what it prints."""
    spec = importlib.util.spec_from_file_location('convert', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def convert(*args):
        monkeypatch.setattr(sys, 'argv', ['convert.py', *map(str, args)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr('warnings.showwarning', None)  # the tool sets it; restored after
            module.main()
        return capsys.readouterr()

    return convert


@pytest.fixture
def images(tmp_path, write_image):
    for name in 'abc':
        write_image(tmp_path / f'images/{name}.jpg', 8, 6)
    return tmp_path / 'images'


def test_cityscapes(convert, tmp_path, write_image, write_labels):
    for split, value in (('train', 26000), ('val', 24)):
        write_image(tmp_path / f'leftImg8bit/{split}/ulm/ulm_0_0_leftImg8bit.png', 8, 6)
        labels = np.full((6, 8), value, np.uint16)
        write_labels(tmp_path / f'gtFine/{split}/ulm/ulm_0_0_gtFine_instanceIds.png', labels)
    printed = convert('cityscapes', tmp_path, '--workers', 1)
    folder = tmp_path / 'annotations'
    zeros = 'truck: 0, bus: 0, train: 0, motorcycle: 0, bicycle: 0'
    assert printed.out.splitlines() == [
        f'{folder}/instancesonly_filtered_gtFine_train.json: 1 images, '
        f'1 instances (person: 0, rider: 0, car: 1, {zeros})',
        f'{folder}/instancesonly_filtered_gtFine_val.json: 1 images, 0 instances, 1 crowds',
    ]
    convert('cityscapes', tmp_path, '--splits', 'val', '--out-dir', tmp_path / 'b', '--workers', 1)
    assert [path.name for path in (tmp_path / 'b').iterdir()] == [
        'instancesonly_filtered_gtFine_val.json'
    ]


def test_masks(convert, tmp_path, images, write_labels, capsys):
    for name in 'abc':
        labels = np.full((6, 8), 9, np.uint8)
        labels[0, 0], labels[1, 1] = 21, 255
        write_labels(tmp_path / f'maps/{name}.png', labels)
    out = tmp_path / 'new/labeled.json'
    options = ('--classes', 'cat', 'big dog', '--out', out, '--workers', 1)
    maps = ('--label-maps', tmp_path / 'maps', '--divisor', 10, '--ignore', 255, 9)
    assert convert('masks', images, *maps, *options).out == (
        f'{out}: 3 images, 3 instances (cat: 0, big dog: 3)\n'
    )
    coco = COCO(str(out))
    capsys.readouterr()  # what COCO prints
    assert coco.annToMask(coco.loadAnns(coco.getAnnIds(imgIds=[2]))[0]).nonzero() == ([0], [0])
    write_labels(tmp_path / 'folders/b/big dog_1.png', np.eye(6, 8, dtype=bool))
    assert convert('masks', images, '--instance-folders', tmp_path / 'folders', *options).out == (
        f'{out}: 1 images, 1 instances (cat: 0, big dog: 1)\n'
    )


@pytest.mark.parametrize('option', ['--object-ids', '--divisor 0', '--ignore 0'])
def test_options_of_label_maps_alone(convert, tmp_path, images, write_labels, option):
    write_labels(tmp_path / 'folders/b/cat_1.png', np.eye(6, 8, dtype=bool))
    given = ('--instance-folders', tmp_path / 'folders', *option.split(), '--classes', 'cat')
    with pytest.raises(SystemExit, match=f'error: {option.split()[0]} is of --label-maps'):
        convert('masks', images, *given, '--out', tmp_path / 'out.json')


@pytest.mark.parametrize(
    ('maps', 'classes', 'words'),
    [
        ('maps.zip', 'cat', r'maps\.zip is not a folder, but a file: unpack it'),
        ('maps', 'names.txt', r"the class '.*names\.txt' is a file: give the names"),
    ],
)
def test_files_in_place_of_others(convert, tmp_path, images, write_labels, maps, classes, words):
    write_labels(tmp_path / 'maps/b.png', np.ones((6, 8), np.uint8))
    (tmp_path / 'maps.zip').write_bytes(b'PK')
    (tmp_path / 'names.txt').write_text('cat')
    classes = tmp_path / classes if '.' in classes else classes
    given = ('--label-maps', tmp_path / maps, '--divisor', 1, '--classes', classes, '--workers', 1)
    with pytest.raises(SystemExit, match=words):
        convert('masks', images, *given, '--out', tmp_path / 'out.json')


def test_a_folder_in_place_of_a_file(convert, tmp_path, images):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/b.txt').write_text('0 0 0 1 0 1 1')
    (tmp_path / 'mine').mkdir()
    given = ('yolo', images, tmp_path / 'labels')
    with pytest.raises(SystemExit, match='mine is a folder: name a file to write'):
        convert(*given, '--classes', 'cat', '--out', tmp_path / 'mine')
    with pytest.raises(SystemExit, match='labels is a folder: give a file'):
        convert(*given, '--data', tmp_path / 'labels', '--out', tmp_path / 'out.json')
    with pytest.warns(UserWarning, match="'cat,dog' is taken for one class"):
        convert_yolo(images, tmp_path / 'labels', ['cat,dog'])


def test_yolo(convert, tmp_path, images):
    (tmp_path / 'labels').mkdir()
    (tmp_path / 'labels/b.txt').write_text('1 0 0 1 0 1 1\n1 0 0 0 0 0 0')
    (tmp_path / 'data.yaml').write_text('names: [cat, dog]')
    out = tmp_path / 'out.json'
    for names in (('--data', tmp_path / 'data.yaml'), ('--classes', 'cat', 'dog')):
        given = ('yolo', images, tmp_path / 'labels', *names, '--out', out)
        printed = convert(*given)
        assert printed.out == f'{out}: 1 images, 1 instances (cat: 0, dog: 1)\n'
        assert 'warning: images without a label file: 2, such as a.jpg; they are' in printed.err
        assert 'warning: instances without a pixel are left out: 1, in b.jpg\n' in printed.err
        assert convert(*given, '--negatives').out.startswith(f'{out}: 3 images, 1 instances')


def test_labelme(convert, tmp_path, images):
    square = dict(label='x', points=[[0, 0], [4, 0], [4, 4], [0, 4]], shape_type='polygon')
    line = dict(label='x', points=[[0, 0], [1, 1]], shape_type='line')
    content = dict(imagePath='../images/a.jpg', shapes=[square, line])
    (tmp_path / 'json').mkdir()
    (tmp_path / 'json/a.json').write_text(json.dumps(content))
    out = tmp_path / 'out.json'
    options = ('--images', images, '--classes', 'z', 'x', '--skip-unsupported', '--out', out)
    printed = convert('labelme', tmp_path / 'json', *options)
    assert printed.out == f'{out}: 1 images, 1 instances (z: 0, x: 1)\n'
    assert 'warning: unsupported shapes are left out: 1 line\n' in printed.err


def test_images(convert, tmp_path, images):
    labeled = tmp_path / 'labeled.json'
    content = dict(images=[dict(file_name='images/a.jpg')], categories=[dict(id=1, name='x')])
    labeled.write_text(json.dumps(content))
    (images / 'b.jpg').write_bytes(b'')
    out = tmp_path / 'out.json'
    options = ('--categories-of', labeled, '--exclude', labeled, '--exclude-root', tmp_path)
    printed = convert('images', images, *options, '--skip-unreadable', '--out', out)
    assert printed.out == f'{out}: 1 images, 0 instances\n'
    assert printed.err == 'warning: unreadable files are left out: 1, b.jpg\n'
    with pytest.raises(SystemExit, match=r'labeled\.json is an input: choose another --out'):
        convert('images', images, *options, '--skip-unreadable', '--out', labeled)
    assert json.loads(labeled.read_text()) == content
    with pytest.raises(SystemExit, match=r'--exclude-root is the folder of .*: give both'):
        convert('images', images, *options[:2], *options[4:], '--out', out)
    with pytest.raises(SystemExit, match=r'error: .*b\.jpg cannot be read as an image'):
        convert('images', images, *options, '--out', out)


@pytest.mark.slow
def test_error_of_a_process(tmp_path, python, images, write_labels):
    """In one line, without a traceback, and no file is written."""
    for name in 'abc':
        write_labels(tmp_path / f'maps/{name}.png', np.full((6, 8), 5000, np.uint16))
    out = tmp_path / 'out.json'
    options = ['--label-maps', tmp_path / 'maps', '--classes', 'x', '--out', out, '--workers', '2']
    command = [python, TOOL, 'masks', images, *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'error: {tmp_path}/maps/a.png has the value 5000')
    assert not out.exists()


def test_via_and_voc(convert, tmp_path, images, write_labels):
    shape = dict(name='rect', x=1, y=1, width=4, height=3)
    region = dict(shape_attributes=shape, region_attributes=dict(kind='cat', note='x'))
    content = dict(k=dict(filename='b.jpg', size=1, regions=[region], file_attributes={}))
    (tmp_path / 'via.json').write_text(json.dumps(content))
    out = tmp_path / 'out.json'
    given = (tmp_path / 'via.json', '--images', images, '--attribute', 'kind', '--out', out)
    assert convert('via', *given).out == f'{out}: 1 images, 1 instances (cat: 1)\n'
    (tmp_path / 'voc').mkdir()
    images.rename(tmp_path / 'voc/JPEGImages')
    for folder in ('SegmentationObject', 'SegmentationClass'):
        write_labels(tmp_path / f'voc/{folder}/a.png', np.ones((6, 8), np.uint8))
    options = ('--classes', 'cat', '--workers', 1, '--out', out)
    assert convert('voc', tmp_path / 'voc', *options).out.endswith(
        '1 images, 1 instances (cat: 1)\n'
    )


def test_plain(convert, tmp_path, images):
    printed = convert('plain', images, '--out-dir', tmp_path / 'out', '--white', 4095)
    assert '3 images copied, 0 written anew' in printed.out
