"""Images with anything in them: training works with them or names them."""

import io
import re
from pathlib import Path

import pytest
from faulty_data import encode, grey, pixels, sixteen_bits, turned
from fuzzing import fuzz
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from PIL import Image

from mmpldc.datasets.checks.pixels import UnreadableImage, read_size
from mmpldc.datasets.input_faults import InputFault

NAME = 'sound_0.png'


def save(mode: str, **settings) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels()).convert(mode).save(stream, **settings)
    return stream.getvalue()


SOUND = [
    encode('.jpg'),
    save('RGB', format='JPEG', progressive=True, exif=turned()),
    save('CMYK', format='JPEG'),
    save('L', format='JPEG'),
    encode('.png'),
    save('RGBA', format='PNG'),
    save('P', format='PNG'),
    encode('.png', sixteen_bits(grey())),
    encode('.bmp'),
    encode('.webp'),
    encode('.tiff'),
    save('RGB', format='GIF'),
    encode('.ppm'),
]
HOSTILE = st.sampled_from(
    [b'\x00', b'\xff', b'\x7f', b'\xff\xff', b'\x00\x00', b'\xff\xd9', b'\x80']
)


@st.composite
def broken_images(draw) -> bytes:
    """A sound file with some of its bytes replaced, removed, repeated or cut off."""
    content = bytearray(draw(st.sampled_from(SOUND)))
    for _ in range(draw(st.integers(1, 4))):
        # headers are where a byte changes most
        end = draw(st.sampled_from([64, 1024, len(content)]))
        place = draw(st.integers(0, max(min(end, len(content)) - 1, 0)))
        length = draw(st.integers(1, 8))
        change = draw(st.sampled_from(['replace', 'flip', 'insert', 'remove', 'cut', 'splice']))
        if change == 'replace':
            new = draw(HOSTILE | st.binary(min_size=1, max_size=8))
            content[place : place + len(new)] = new
        elif change == 'flip' and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif change == 'insert':
            content[place:place] = draw(st.binary(min_size=1, max_size=64))
        elif change == 'remove':
            del content[place : place + length]
        elif change == 'cut':
            del content[place:]
        elif change == 'splice':
            other = draw(st.sampled_from(SOUND))
            content[place:] = other[place:]
    return bytes(content)


@pytest.fixture
def try_content(data, tmp_path):
    """Read bytes as an image, as the checks do and as a labelled and an unlabelled one."""
    config = data.config().train_dataloader.dataset
    config.on_fault = 'raise'
    dataset = DATASETS.build(config)
    path = tmp_path / NAME
    indices = [
        data.index(NAME),
        dataset.cumulative_sizes[0] + data.index(NAME, 'unlabeled'),
    ]
    for part in dataset.datasets:
        load = part.get_data_info

        def elsewhere(index, load=load):
            info = load(index)
            return info | dict(img_path=str(path)) if info['img_path'].endswith(NAME) else info

        part.get_data_info = elsewhere

    def try_content(content: bytes) -> None:
        path.write_bytes(content)
        try:
            size, _ = read_size(str(path))
        except UnreadableImage:
            size = None
        for index in indices:
            try:
                dataset[index]
            except InputFault as error:
                assert f'{path} (image id' in str(error)
                # what the checks can read is refused for its shape alone
                assert size is None or re.search('size|EXIF|OpenCV cannot', str(error))

    return try_content


@pytest.mark.parametrize('content', SOUND)
def test_the_files_are_sound(content, try_content, data, tmp_path):
    path: Path = tmp_path / 'sound'
    path.write_bytes(content)
    (height, width), _ = read_size(str(path))
    assert sorted((height, width)) == sorted(pixels().shape[:2])
    try_content(content)


@pytest.mark.slow
def test_training_survives_images(try_content):
    assert fuzz(try_content, broken_images(), seconds=0, is_random=False, at_least=600) >= 600


@pytest.mark.long
def test_training_survives_images_for_long(try_content):
    count = fuzz(try_content, broken_images(), seconds=300, is_random=True)
    print(f'{count} images')
    assert count > 4000
