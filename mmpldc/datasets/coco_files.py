"""Reading COCO-format files."""

import json
import zipfile
from pathlib import Path
from typing import Any

LISTS = ('images', 'annotations', 'categories')
LFS = b'version https://git-lfs'
# How files begin that are given for annotations by mistake.
SIGNATURES = {
    b'\x1f\x8b': 'is a gzip archive: unpack it, and give the json',
    b'Rar!': 'is a RAR archive: unpack it, and give the json',
    b'7z\xbc\xaf': 'is a 7z archive: unpack it, and give the json',
    b'%PDF': 'is a PDF document: give the annotation file',
    b'\x89PNG': 'is an image: give the annotation file',
    b'\xff\xd8\xff': 'is an image: give the annotation file',
    LFS: 'is a pointer of Git LFS, not the file: git lfs pull gets it',
}
OF_FOLDERS = "tools/dataset/convert.py reads folders of YOLO's, labelme's, VOC's files and of masks"
VIA = "is VIA's: convert it with tools/dataset/convert.py via"
# What other annotation tools' json files have at the top, or in each item of a list.
OTHER_FORMATS = {
    'shapes': "is labelme's: convert its folder with tools/dataset/convert.py labelme",
    '_via_img_metadata': VIA,
    '_via_settings': VIA,
    'segments_info': 'is a panoptic json (segments_info): give the one for instances',
    'score': 'is a list of results (predictions), not a data set',
    'completions': 'is of an old Label Studio (completions): export it anew, as JSON or COCO',
    'lead_time': "is Label Studio's JSON-MIN: export it as JSON",
    'predictions': "is Label Studio's own JSON, which new_config.py reads: else export as COCO",
    'imgHeight': "is Cityscapes': convert its folders with tools/dataset/convert.py cityscapes",
    'label_classes': "is Hasty's: export it as COCO",
    'label_hash': "is Encord's: export it as COCO",
    'items': "is Datumaro's: export it as COCO",
    'External ID': "is Labelbox's: convert it to COCO with Labelbox's own tools",
    'source-ref': 'is a manifest of SageMaker: convert its label maps, see docs/data.md',
    'classTitle': "is Supervisely's: export it as COCO",
    'objects': "is Supervisely's: export it as COCO",
    'samples': "is FiftyOne's: export it as COCODetectionDataset",
    'labelAnnotations': 'is not COCO: export it as COCO',
    'item': "is V7's (Darwin): export it as COCO",
    'instances': "is SuperAnnotate's: export it as COCO",
    'features': 'is GeoJSON, a map: export the annotations as COCO, in pixels',
    'data_row': "is Labelbox's: convert it to COCO with Labelbox's own tools",
}


class UnusableFile(ValueError):
    """A file that holds no annotations.

    Attributes:
        problem: what is wrong and what to do, without the path, which the message begins with.
    """

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f'{path}: {problem}')
        self.problem = problem


def read_json(path: str | Path) -> Any:
    """Content of a json in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        UnusableFile: if it is no JSON, or in another encoding.
        OSError: if it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        inside = sorted(other.name for other in path.glob('*.json'))[:3]
        found = f' ({", ".join(inside)})' if inside else ''
        raise UnusableFile(path, f'is a folder: give the json file{found}; {OF_FOLDERS}')
    content = path.read_bytes()
    if not content.strip(b'\xef\xbb\xbf \t\r\n'):
        raise UnusableFile(path, 'is empty: export or copy it again')
    try:
        return json.loads(content, object_pairs_hook=_record)
    except _Repeated as error:
        problem = str(error)
    except json.JSONDecodeError as error:
        problem = _no_json(path, content, error)
    except UnicodeDecodeError as error:
        problem = _signature(path, content) or _encoding(content, error)
    except (ValueError, RecursionError) as error:  # a number, or a nesting, without end
        problem = f'cannot be read ({error}): write it again'
    raise UnusableFile(path, problem)


class _Repeated(ValueError):
    """A field that a record has twice."""


def _record(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of which Python would keep the last one of two fields of a name."""
    record = dict(fields)
    if len(record) < len(fields):
        for name, value in fields:
            if value != record[name]:
                raise _Repeated(
                    f'"{name}" is there twice in one object, of which programs read the last one '
                    'alone: files put together by hand need one list of each name'
                )
    return record


def _signature(path: str | Path, content: bytes) -> str | None:
    """What a file is by its first bytes."""
    if content.startswith(b'PK\x03\x04'):
        try:
            names = [n for n in zipfile.ZipFile(path).namelist() if n.lower().endswith('.json')]
        except zipfile.BadZipFile:
            names = []
        inside = f' ({", ".join(names[:3])})' if names else ''
        return f'is a zip archive: unpack it, and give the json inside{inside}'
    return next((text for start, text in SIGNATURES.items() if content.startswith(start)), None)


def _encoding(content: bytes, error: UnicodeDecodeError) -> str:
    if _is_binary(content):
        return 'is not a JSON text but binary data: give the annotation file'
    other = _other_text(content)
    if other:
        return other
    line = content.count(b'\n', 0, error.start) + 1
    around = content[max(0, error.start - 20) : error.start + 20].decode('latin-1')
    return (
        f'line {line}, byte {error.start}: the text is not UTF-8 (as Latin-1: {around!r}): save '
        'it as UTF-8'
    )


def _is_binary(content: bytes) -> bool:
    text = _beginning(content)
    if text.startswith(('{', '[')):
        return False
    has_mark = content.startswith((b'\xff\xfe', b'\xfe\xff', b'\0\0\xfe\xff'))  # UTF-16 or UTF-32
    broken = sum(char < '\t' or char == '\ufffd' for char in text)  # a word of Latin-1 may be, too
    return (not has_mark and b'\0' in content[:1000]) or 10 * broken > len(text)


def _beginning(content: bytes) -> str:
    text = content[:1000].decode(json.detect_encoding(content), errors='replace')
    return text.lstrip('\ufeff \t\r\n')


def _other_text(content: bytes) -> str | None:
    """What is said of a table, a YAML or another text, which does not begin as JSON."""
    text = _beginning(content)
    if text.startswith(('{', '[')):
        return None
    first = text.partition('\n')[0].rstrip()[:40]
    return (
        f'is no JSON, which begins with {{ or [: it begins with {first!r}: give the annotation '
        f'file; {OF_FOLDERS}'
    )


def _no_json(path: str | Path, content: bytes, error: json.JSONDecodeError) -> str:
    start = content.lstrip(b'\xef\xbb\xbf \t\r\n')[:200]
    known = _signature(path, content)
    if known:
        return known
    if start.startswith(b'<'):
        return 'is XML or HTML, not JSON: export the annotations as COCO'
    if _is_binary(content):
        return 'is not a JSON text but binary data: give the annotation file'
    other = _other_text(content)
    if other:
        return other
    if error.msg == 'Extra data' and error.lineno > 1:
        return (
            f'line {error.lineno}: a second JSON text begins there: give one COCO-format file, '
            'not a json of a line each'
        )
    return (
        f'line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}): the file was '
        'cut off or edited by hand; write it again'
    )


def outline_fault(coco: object, *, optional: tuple[str, ...] = ()) -> str | None:
    """What is wrong with the outermost structure of a COCO-format file, else None.

    Args:
        coco: content of a json.
        optional: lists that may be absent.
    """
    other = _other_format(coco)
    if isinstance(coco, list):
        what = other or 'is a list, not a data set'
        return f'{what}: give the file that has "images", "annotations" and "categories"'
    if not isinstance(coco, dict):
        return f'holds a single {type(coco).__name__}, not a COCO-format data set'
    missing = [name for name in LISTS if name not in coco and name not in optional]
    if missing and other:
        return f'{other}; {", ".join(missing)} missing'
    if missing:
        return (
            f'{", ".join(missing)} missing: a COCO-format file has the lists "images", '
            '"annotations" and "categories"; tools/dataset/convert.py makes it from other formats'
        )
    for name in LISTS:
        records = coco.get(name, [])
        if not isinstance(records, list):
            return f'"{name}" is a {type(records).__name__}: it must be a list of objects'
        if set(map(type, records)) - {dict}:
            row = next(row for row, record in enumerate(records) if type(record) is not dict)
            return f'{name}[{row}] is not an object with named fields: write it as COCO does'
    first: dict = next(iter(coco.get('annotations', [])), {})
    if 'segments_info' in first and 'segmentation' not in first:
        return f'annotations: {OTHER_FORMATS["segments_info"]}'
    return None


def _other_format(content: object) -> str | None:
    """Which other tool's file it is, by the fields that it has."""
    record = content
    if isinstance(content, list):
        record = content[0] if content else None
        if isinstance(record, dict) and {'file_name', 'annotations'} <= record.keys():
            return (
                "is a list of detectron2's records, which its data.datasets.convert_to_coco_json "
                'writes as COCO'
            )
        if isinstance(record, dict) and 'image_id' in record:
            return OTHER_FORMATS['score']
        if isinstance(record, dict) and {'image', 'annotations'} <= record.keys():
            return "is CreateML's, which has boxes only: masks are needed"
        if isinstance(record, dict) and {'data', 'annotations'} <= record.keys():
            return OTHER_FORMATS['predictions']
    if not isinstance(record, dict):
        return None
    info = record.get('info')
    if isinstance(info, dict) and info.get('description') == 'ISAT' and 'objects' in record:
        return "is ISAT's: convert its folder to COCO in ISAT"
    if {'project', 'attribute', 'metadata'} <= record.keys():
        return "is VIA 3's, which is not read: export it as COCO"
    if isinstance(record.get('image'), dict) and 'annotations' in record:
        return "is SA-1B's, a file for each image, whose masks have no classes"
    if any(isinstance(value, dict) and 'regions' in value for value in record.values()):
        return VIA
    return next((text for field, text in OTHER_FORMATS.items() if field in record), None)


def read_coco(path: str | Path, *lists: str) -> dict:
    """Content of a COCO-format file.

    Args:
        path: of the file.
        *lists: what it must have beside ``images``.

    Raises:
        ValueError: if the file is not JSON or lacks a list; ``mmpldc.datasets.labels`` looks at
            what is in them.
        OSError: if it cannot be read.
    """
    coco = read_json(path)
    for name in ('images', *lists):
        if not isinstance(coco, dict) or not isinstance(coco.get(name), list):
            known = _other_format(coco)
            if known:
                raise UnusableFile(path, known)
            raise ValueError(f"{path} is not a COCO-format file: it has no list '{name}'")
    return coco


def names_of_images(path: str | Path) -> list[str]:
    """File names of the images in a COCO-format file.

    Raises:
        ValueError: see :func:`read_coco`; or if an image has no name.
    """
    names = []
    for row, image in enumerate(read_coco(path)['images']):
        if image is None:
            continue
        name = image.get('file_name') if isinstance(image, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError(f'{path}: images[{row}] has no file_name: write the name of its file')
        names.append(name)
    return names
