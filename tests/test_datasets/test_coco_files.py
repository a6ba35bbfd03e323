"""Files of any encoding, and files that are no annotations: read, or named for what they are."""

import json
import zipfile

import pytest

from mmpldc.datasets.coco_files import (
    UnusableFile,
    outline_fault,
    read_coco,
    read_json,
)

COCO = dict(images=[], annotations=[], categories=[dict(id=1, name='Öse')])


@pytest.mark.parametrize(
    'encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-16-be', 'utf-32']
)
def test_encodings(tmp_path, encoding):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(COCO, ensure_ascii=False), encoding=encoding)
    assert read_json(path) == COCO


def test_the_same_twice_is_no_loss(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"images": [], "info": 1, "info": 1}')
    assert read_json(path) == dict(images=[], info=1)


def test_other_encodings_are_named(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(COCO, ensure_ascii=False, indent=1), encoding='latin-1')
    with pytest.raises(UnusableFile, match=r'a\.json: line 7, byte .* not UTF-8 .*Öse.*: save it'):
        read_json(path)


def test_zip_archive(tmp_path):
    path = tmp_path / 'a.json'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('annotations/instances_default.json', '{}')
    with pytest.raises(UnusableFile, match=r'zip archive: .*\(annotations/instances_default.json'):
        read_json(path)


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'', 'is empty: export or copy it again'),
        (b'\xef\xbb\xbf\r\n', 'is empty'),
        (b'{"images": [', 'line 1, column 13: not valid JSON'),
        (b'PK\x03\x04 broken', 'zip archive'),
        (b'\x1f\x8b\x08', 'gzip archive'),
        (b'\x89PNG\r\n\x1a\n', 'an image'),
        (b'%PDF-1.7', 'PDF'),
        (b'<?xml version="1.0"?>', 'XML or HTML'),
        (
            b'file,x,y\n1.jpg,2,3',
            "is no JSON, which begins with { or [: it begins with 'file,x,y': ",
        ),
        (b'train: images\nnames: [a]', "begins with 'train: images': give the annotation file; "),
        (b'0 0.5 0.5 0.2 0.2\n', "begins with '0 0.5 0.5 0.2 0.2': give the annotation file; "),
        ('\ufeffÖse,x\n'.encode(), "begins with 'Öse,x'"),
        ('file,x,y\nÖse.jpg,2,3'.encode('latin-1'), "begins with 'file,x,y'"),
        ('file,x\n'.encode('utf-16'), "begins with 'file,x'"),
        (b'1\n2,3\n', "begins with '1'"),
        (bytes(range(1, 256)), 'binary data'),
        (b'\0\xff', 'binary data'),
        (b'{"id": 1}\n{"id": 2}', 'line 2: a second JSON text'),
        (b'{"images": [1], "images": [2]}', '"images" is there twice in one object'),
        (b'\xff\xfe\x00', ''),
    ],
)
def test_no_json(tmp_path, content, words):
    path = tmp_path / 'a.json'
    path.write_bytes(content)
    with pytest.raises(UnusableFile) as caught:
        read_json(path)
    assert words in caught.value.problem and str(caught.value).startswith(f'{path}: ')


def test_a_folder_names_what_is_in_it(tmp_path):
    (tmp_path / 'a.json').touch()
    with pytest.raises(UnusableFile, match=r'is a folder: give the json file \(a\.json\)'):
        read_json(tmp_path)


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ([dict(image_id=1, score=0.5)], 'a list of results'),
        (
            [dict(file_name='a', image_id=1, annotations=[])],
            "a list of detectron2's records, which",
        ),
        (dict(info=dict(description='ISAT'), objects=[dict(category='x')]), "is ISAT's: convert"),
        ([dict(id=1, data={}, annotations=[])], 'Label Studio'),
        ([dict(image='a.jpg', annotations=[])], 'CreateML'),
        (dict(version='5', shapes=[]), "labelme's"),
        ({'a.jpg12': dict(filename='a.jpg', regions=[])}, 'convert.py via'),
        ({'_via_settings': {}}, 'convert.py via'),
        (dict(size={}, objects=[]), 'Supervisely'),
        (dict(imgHeight=9, imgWidth=9, objects=[]), "Cityscapes'"),
        (dict(label_classes=[], images=[]), "Hasty's"),
        ([dict(label_hash='', data_units={})], "Encord's"),
        (dict(categories={}, items=[]), "Datumaro's"),
        ([{'ID': '', 'External ID': 'a.jpg'}], "Labelbox's"),
        ({'source-ref': 's3://a.jpg'}, 'manifest of SageMaker'),
        ([dict(id=1, image='a.jpg', label=[], lead_time=3.5)], 'JSON-MIN'),
        ([dict(id=1, data={}, completions=[], predictions=[])], 'old Label Studio'),
        (dict(version='2.0', item={}, annotations=[]), "V7's"),
        (dict(metadata={}, instances=[]), "SuperAnnotate's"),
        (dict(type='FeatureCollection', features=[]), 'GeoJSON'),
        ([dict(data_row={}, projects={})], "Labelbox's"),
        (dict(project={}, config={}, attribute={}, metadata={}), "VIA 3's"),
        (dict(image=dict(file_name='a.jpg'), annotations=[]), "SA-1B's"),
        (dict(COCO, annotations=[dict(segments_info=[])]), 'panoptic'),
        (dict(COCO, images={}), '"images" is a dict'),
        (dict(COCO, images=[3]), 'images[0] is not an object'),
        (dict(images=[]), 'annotations, categories missing'),
        (3, 'a single int'),
        (COCO, None),
    ],
)
def test_other_formats_are_named(content, words):
    fault = outline_fault(content)
    assert fault is None if words is None else words in fault


def test_lists_may_be_optional(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"images": []}')
    assert read_coco(path) == dict(images=[])
    with pytest.raises(ValueError, match="no list 'categories'"):
        read_coco(path, 'categories')
