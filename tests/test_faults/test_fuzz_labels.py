"""Annotation files with anything in them: repaired so that the checks find no error, or refused."""

import json
from pathlib import Path

import pytest
from faulty_data import encode
from fuzzing import fuzz
from test_fuzz_annotations import NUM_IMAGES, broken_texts, sound_coco

from mmpldc.datasets.checks import DataSet, check_datasets
from mmpldc.datasets.coco_files import UnusableFile
from mmpldc.datasets.labels import Options, draw_held_out, prepare, separate_unannotated


@pytest.fixture
def try_text(tmp_path):
    """Prepare a text as labels, with and without ``drop_invalid``."""
    for index in range(NUM_IMAGES):
        (tmp_path / f'{index}.png').write_bytes(encode('.png'))
    path, written = tmp_path / 'broken.json', tmp_path / 'written.json'

    def try_options(options: Options) -> bool:
        try:
            labels = prepare(path, tmp_path, role='labeled', options=options)
        except UnusableFile as error:
            str(error).encode()
            return False
        for finding in labels.findings:
            assert str(path) in str(finding)
            str(finding).encode()
        if labels.errors:
            return False
        _write(written, labels.coco)
        data = DataSet('labeled', 'labeled', str(written), str(tmp_path))
        report = check_datasets([data], decode=None)
        assert not report.errors, report.errors[0]
        separate_unannotated(labels, set())
        if len(labels.coco['images']) > 1:
            draw_held_out(labels.coco, 20, 0)
        return True

    def try_text(text: str) -> bool:
        path.write_text(text)
        is_sound = try_options(Options())
        return try_options(Options(drop_invalid=True)) or is_sound

    return try_text


def _write(path: Path, coco: dict) -> None:
    path.write_text(json.dumps(coco))


def test_the_file_is_sound(try_text):
    assert try_text(json.dumps(sound_coco()))


@pytest.mark.slow
def test_labels_survive_annotations(try_text):
    assert fuzz(try_text, broken_texts(), seconds=0, is_random=False, at_least=600) >= 600


@pytest.mark.long
def test_labels_survive_annotations_for_long(try_text):
    count = fuzz(try_text, broken_texts(), seconds=300, is_random=True)
    print(f'{count} files')
    assert count > 500
