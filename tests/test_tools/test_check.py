"""tools/dataset/check.py, and tools/train.py on broken data."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def shapes(make_scenes) -> Path:
    return make_scenes(num_labeled=14, num_train=22, num_tuning=4, num_test=3)


@pytest.fixture
def broken(shapes, tmp_path) -> Path:
    """The labelled annotation file, the first annotation of which has no box."""
    coco = json.loads((shapes / 'annotations/labeled.json').read_text())
    coco['annotations'][0].pop('bbox')
    path = tmp_path / 'broken.json'
    path.write_text(json.dumps(coco))
    return path


@pytest.fixture
def check(monkeypatch, capsys):
    """Call the tool's main; its exit status, output and error output."""

    def check(*args) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', ['check.py', *map(str, args)])
        spec = importlib.util.spec_from_file_location('check_tool', ROOT / 'tools/dataset/check.py')
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        with pytest.raises(SystemExit) as caught:
            tool.main()
        return caught.value.code, *capsys.readouterr()

    return check


def test_sound_config(check, shapes, monkeypatch):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{shapes}/')
    code, output, _ = check(ROOT / 'configs/quickstart/pldc.py', '--decode', 'all', '--hash')
    assert output.rstrip().endswith('0 errors, 0 warnings')
    assert code == 0
    rows = [line.split('|')[1:3] for line in output.splitlines() if line.startswith('| ')]
    images = {name.strip(): count.strip() for name, count in rows}
    assert [images[name] for name in ('labeled', 'unlabeled', 'val', 'test')] == [
        *('14', '8', '4', '3'),
    ]


def test_broken_config(check, shapes, broken, monkeypatch):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{shapes}/')
    option = f'train_dataloader.dataset.labeled.ann_file={broken}'
    code, output, _ = check(ROOT / 'configs/quickstart/pldc.py', '--cfg-options', option)
    assert code == 1
    *_, error, empty, total = output.splitlines()
    assert error.startswith(f'- error: {broken}: annotation ') and 'bbox: missing' in error
    assert (empty, total) == ('', '1 error, 0 warnings')


def test_annotation_files_with_a_folder_for_each(check, shapes):
    files = [f'--{role}={shapes}/annotations/{role}.json' for role in ('labeled', 'unlabeled')]
    files.append(f'--val={shapes}/annotations/tuning.json')
    images = [shapes / 'images' / folder for folder in ('train', 'train', 'tuning')]
    code, output, _ = check(*files, '--images', *images)
    assert code == 0 and output.rstrip().endswith('0 errors, 0 warnings')
    code, output, _ = check(*files)
    assert code == 0 and 'give their folders' in output  # equal names, and no images
    code, output, _ = check(*files, '--images', shapes / 'images/train')
    assert code == 1 and 'in both the labeled and the val set' in output


def test_report_and_pictures(check, shapes, tmp_path):
    file, images = shapes / 'annotations/labeled.json', shapes / 'images/train'
    out = tmp_path / 'new/report'
    code, _, _ = check(f'--labeled={file}', '--images', images, '--out-dir', out)
    assert code == 0
    report = (out / 'report.md').read_text()
    assert '0 errors, 0 warnings' in report and '| labeled |' in report
    pictures = sorted(out.glob('samples/labeled/*.jpg'))
    assert len(pictures) == 4
    assert all(f'({path.relative_to(out)})' in report for path in pictures)


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        ((), 'give either a config or annotation files'),
        (('a.py', '--val', 'b.json'), 'give either a config or annotation files'),
        (('--val', 'b.json', '--labeled', 'a.json', '--images', *'123'), 'give one folder, or 2'),
        (('--val', 'b.json', '--decode', 'x'), "a whole number or 'all' is needed, not 'x'"),
        (('--val', 'b.json', '--decode=-3'), "a whole number or 'all' is needed, not '-3'"),
    ],
)
def test_wrong_arguments(check, args, words):
    code, _, error = check(*args)
    assert code == 2 and words in error


@pytest.mark.slow
@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('', 'no config with data sets: an annotation file is given by --labeled'),
        ('x = (', 'is faulty: SyntaxError'),
        ("_base_ = './missing.py'", 'is faulty: '),
        ('x = unknown', 'is faulty: NameError'),
    ],
)
def test_what_is_no_config(check, tmp_path, content, words):
    path = tmp_path / 'config.py'
    path.write_text(content)
    code, _, _ = check(path)
    assert f'{path}: ' in code and words in code and '\n' not in code


def test_annotations_in_place_of_a_config(check, broken):
    code, _, _ = check(broken)
    assert 'an annotation file is given by --labeled' in code


def test_the_report_is_no_file(check, broken):
    code, _, error = check('--labeled', broken, '--out-dir', broken)
    assert code == 2 and f'--out-dir: {broken} is no folder' in error


@pytest.mark.skipif(not Path('/proc/self').exists(), reason='needs a folder that nobody can fill')
def test_a_folder_that_cannot_be_written(check, broken):
    code, output, _ = check('--labeled', broken, '--out-dir', '/proc/report')
    assert code.startswith('check.py: --out-dir: ') and '\n' not in code and '1 error' in output


def test_training_on_broken_data_ends_with_one_message(shapes, broken, python, tmp_path):
    environment = os.environ | dict(
        PYTHONPATH=str(ROOT),
        OMP_NUM_THREADS='1',
        CUDA_VISIBLE_DEVICES='',
        MMPLDC_SHAPES=f'{shapes}/',
    )
    command = [
        *(python, ROOT / 'tools/train.py', ROOT / 'configs/quickstart/supervised.py'),
        *('--work-dir', 'work_dir'),
        *('--cfg-options', f'train_dataloader.dataset.labeled.ann_file={broken}'),
    ]
    process = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 1
    assert 'Traceback' not in process.stderr + process.stdout
    assert 'Nothing was trained: the data has 1 error\n' in process.stderr
    assert f'error: {broken}: annotation ' in process.stderr
    assert 'loading annotations into memory' not in process.stdout  # no data set was built
    assert list(tmp_path.glob('work_dir/*.pth')) == []
