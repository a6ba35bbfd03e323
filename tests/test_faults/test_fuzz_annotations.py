"""Annotation files with anything in them: the checks and training answer with the file's name."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from faulty_data import HEIGHT, WIDTH, encode, square
from fuzzing import fuzz
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from mmengine.config import Config
from pycocotools import mask as mask_utils

from mmpldc.datasets.checks import DataSet, check_datasets
from mmpldc.datasets.input_faults import InputFault

NUM_IMAGES = 3
INFINITY = float('inf')
NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 0.5, 7, 48, 64, 1e-300, 1e4, 1e9, 1e12, 1e308, -1e308]
) | st.sampled_from(
    [float('nan'), INFINITY, -INFINITY, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**30, 10**400]
)
TEXTS = (
    st.sampled_from(['', '0', 'thing', '0.png', '../0.png', '/', '.', 'a' * 300, '1', 'nan'])
    | st.sampled_from(['\ud800', '\x00', '\x7f', '\n', 'é', 'P', 'PPPP', 'o' * 40 + '0', 'Tm1'])
    | st.text(alphabet=[chr(code) for code in range(46, 114)], max_size=12)  # run lengths
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda own: (
        st.lists(own, max_size=7)
        | st.dictionaries(st.sampled_from(['size', 'counts', 'id', 'a']), own, max_size=3)
    ),
    max_leaves=7,
)
SEGMENTATIONS = (
    st.lists(st.lists(NUMBERS, max_size=9), max_size=3)
    | st.fixed_dictionaries(
        dict(
            size=st.just([HEIGHT, WIDTH]) | st.lists(NUMBERS, max_size=3),
            counts=TEXTS | st.lists(st.integers(0, HEIGHT * WIDTH), max_size=6) | ANYTHING,
        )
    )
    | ANYTHING
)


DIAGONAL = np.asfortranarray(np.eye(HEIGHT, WIDTH, dtype=np.uint8))
RUN_LENGTHS = mask_utils.encode(DIAGONAL)['counts'].decode()


def sound_coco() -> dict:
    masks = [
        [square(4, 4)],
        [square(8, 8), square(30, 8)],
        dict(size=[HEIGHT, WIDTH], counts=[10, 20, HEIGHT * WIDTH - 30]),
        dict(size=[HEIGHT, WIDTH], counts=RUN_LENGTHS),
    ]
    return dict(
        images=[
            dict(id=i, file_name=f'{i}.png', height=HEIGHT, width=WIDTH) for i in range(NUM_IMAGES)
        ],
        annotations=[
            dict(
                id=i + 1,
                image_id=i % NUM_IMAGES,
                category_id=1 + i % 2,
                bbox=[4, 4, 16, 16],
                area=256,
                iscrowd=i // 4,
                segmentation=copy.deepcopy(masks[i % 4]),
            )
            for i in range(6)
        ],
        categories=[dict(id=1, name='thing'), dict(id=2, name='other')],
    )


def places(content: object, path: tuple = ()) -> list[tuple]:
    """Keys that lead to each value."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in items:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += places(value, (*path, key))
    return found


@st.composite
def broken_texts(draw) -> str:
    """A sound file with some of its values replaced, removed or repeated."""
    coco = sound_coco()
    for _ in range(draw(st.integers(1, 4))):
        paths = places(coco)
        if not paths:
            break
        *parents, last = draw(st.sampled_from(paths))
        holder = coco
        for key in parents:
            holder = holder[key]
        change = draw(st.sampled_from(['replace', 'replace', 'remove', 'repeat', 'swap']))
        if change == 'remove':
            del holder[last]
        elif change == 'repeat' and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        elif change == 'swap':
            other = draw(
                st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder)))
            )
            holder[last], holder[other] = holder[other], holder[last]
        else:
            holder[last] = draw(SEGMENTATIONS if last == 'segmentation' else ANYTHING)
    text = json.dumps(coco)
    if draw(st.integers(0, 19)) == 0:  # cut off, or a character changed
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(['', '"', '[', '\x00', '9' * 5000, '[' * 9999]))
        text += draw(st.sampled_from(['', json.dumps(coco)[place:]]))
    return text


@pytest.fixture
def folder(tmp_path) -> Path:
    for index in range(NUM_IMAGES):
        (tmp_path / f'{index}.png').write_bytes(encode('.png'))
    return tmp_path


@pytest.fixture
def try_text(folder, data):
    """Check a text as an annotation file, and load everything from it."""
    config: Config = data.config().train_dataloader.dataset
    config.unlabeled = None
    config.on_fault = 'raise'
    path = folder / 'broken.json'
    config.labeled.update(ann_file=str(path), data_prefix=dict(img=str(folder)))
    checked = DataSet(
        name='labeled',
        role='labeled',
        ann_file=str(path),
        img_prefix=str(folder),
        classes=('thing', 'other'),
        has_default_classes=False,
        filter_empty_gt=False,
        min_size=0,
    )

    def try_text(text: str) -> bool:
        path.write_text(text)
        report = check_datasets([checked], decode=None)
        for finding in report.findings:
            assert str(path) in str(finding)
            str(finding).encode()
        is_sound = not report.errors
        try:
            dataset = DATASETS.build(config)
        except ValueError as error:
            assert not is_sound and str(path) in str(error)
            return False
        for index in range(len(dataset)):
            try:
                dataset[index]
            except (InputFault, RuntimeError) as error:
                assert not is_sound and str(path) in str(error)
                str(error).encode()
        return is_sound

    return try_text


def test_the_file_is_sound(try_text):
    assert try_text(json.dumps(sound_coco()))


@pytest.mark.slow
def test_checks_and_training_survive_annotations(try_text):
    assert fuzz(try_text, broken_texts(), seconds=0, is_random=False, at_least=400) >= 400


@pytest.mark.long
def test_checks_and_training_survive_annotations_for_long(try_text):
    count = fuzz(try_text, broken_texts(), seconds=300, is_random=True)
    print(f'{count} files')
    assert count > 1000
