"""Checks of the data sets of semantic segmentation: images, label maps and lists."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from mmengine.config import Config

from mmpldc.datasets.label_maps import renumbering
from mmpldc.datasets.name_lists import image_stem

from .annotations import Role
from .config import dataset_type, has_label_maps, named_datasets
from .findings import Finding, count, some
from .images import Folders
from .label_map_contents import LabelMapSummary, check_label_map_contents
from .leaks import Listed, check_leaks
from .pixels import check_content

READ_OF_LABELED = 512  # label maps, at least: few enough, and each class should be in them


@dataclass(frozen=True)
class _Set:
    """A data set with label maps."""

    name: str
    role: Role
    file: str  # list, or folder of images
    images: tuple[str, ...]
    label_maps: tuple[str, ...]
    classes: tuple[str, ...]
    palette: tuple
    renumbering: np.ndarray


def check_label_maps(
    cfg: Config, *, decode: int | None = 64, all_contents: bool = False
) -> tuple[list[Finding], list[LabelMapSummary]]:
    """Check the data sets of a config that have label maps; others are passed over.

    Args:
        cfg: with dataloaders as mmengine has them; each may be missing.
        decode: images and label maps of each set to decode, of the labelled set at least 512 label
            maps; None for all.
        all_contents: compare the content of all images, see
            :func:`~mmpldc.datasets.checks.leaks.check_leaks`.

    Returns:
        Findings, those that concern the test set alone as warnings, and a summary of each set.
    """
    findings, summaries, sets = [], [], []
    validated = set()
    for name, role, dataset in named_datasets(cfg):
        if not has_label_maps(dataset):
            continue
        key = tuple(str(dataset.get(key)) for key in ('data_root', 'ann_file', 'data_prefix'))
        if role == 'test' and key in validated:
            continue
        if role == 'val':
            validated.add(key)
        found, data = _open(name, role, dataset)
        if data is not None:
            sets.append(data)
            of_files, summary = _check_files(data, decode)
            found += of_files
            summaries.append(summary)
        if role == 'test':
            found = [replace(finding, level='warning') for finding in found]
        findings += found
    findings += _check_classes(cfg, sets)
    findings += check_leaks(
        [_listed(data) for data in sets],
        all_contents=all_contents,
        keep_copies=bool(cfg.get('keep_copies')),
    )
    return findings, summaries


def _open(name: str, role: Role, dataset: dict) -> tuple[list[Finding], _Set | None]:
    """Let a data set find its files."""
    kind = dataset_type(dataset)
    root = dataset.get('data_root') or ''
    prefix = dataset.get('data_prefix') or {}
    ann_file = dataset.get('ann_file') or ''
    folder = os.path.join(root, prefix.get('img_path') or '')
    file = os.path.join(root, ann_file) if ann_file else folder

    def fault(where: str, message: str) -> tuple[list[Finding], None]:
        return [Finding('error', file, where, message)], None

    if not os.path.isdir(folder):
        return fault(
            'data_prefix.img_path',
            f'there is no folder {folder or "(it is not set)"}: correct it, or data_root',
        )
    if ann_file and not os.path.isfile(file):
        return fault('', 'is not on disk: make the list with tools/dataset/split.py, or correct it')
    settings = {key: value for key, value in dataset.items() if key != 'type'}
    try:
        built = kind(**settings | dict(pipeline=[], lazy_init=False, serialize_data=False))
        infos = [built.get_data_info(index) for index in range(len(built))]
    except Exception as error:  # whatever a list or a setting makes fail
        return fault('', f'{name} set cannot be read ({type(error).__name__}: {error})')
    if not infos:
        return fault('', f'the {name} set has no image: correct img_suffix ({built.img_suffix!r})')
    classes = built.metainfo.get('classes')
    if not classes:
        return fault('metainfo.classes', 'not set: write the names of the classes, from 0 on')
    return [], _Set(
        name=name,
        role=role,
        file=file,
        images=tuple(info['img_path'] for info in infos),
        label_maps=tuple(info.get('seg_map_path', '') for info in infos),
        classes=tuple(classes),
        palette=tuple(map(tuple, built.metainfo['palette'])),
        renumbering=renumbering(infos[0]),
    )


def _check_files(data: _Set, decode: int | None) -> tuple[list[Finding], LabelMapSummary]:
    folders = Folders()
    findings, has_image = _missing(data, data.images, 'image', folders)
    twice = [path for path, number in Counter(data.images).items() if number > 1]
    if twice:
        message = 'listed more than once: remove the repetitions'
        findings.append(Finding('warning', data.file, some('image', twice), message))
    paths = [path if there else None for path, there in zip(data.images, has_image, strict=True)]
    # sizes and EXIF are compared with the label maps below
    unknown = np.zeros((len(paths), 2), np.int64)
    findings += check_content(paths, unknown, file=data.file, limit=decode, is_unlabeled=True)
    summary = LabelMapSummary(data.name, len(data.images), 0, np.zeros(256, np.int64), data.classes)
    if data.role == 'unlabeled':
        return findings, summary
    found, has_map = _missing(data, data.label_maps, 'label map', folders)
    pairs = np.flatnonzero(np.logical_and(has_image, has_map)).tolist()
    limit = decode
    if limit is not None and data.role == 'labeled':
        limit = max(limit, READ_OF_LABELED)
    contents, of_maps = check_label_map_contents(
        [data.images[index] for index in pairs],
        [data.label_maps[index] for index in pairs],
        name=data.name,
        file=data.file,
        classes=data.classes,
        palette=data.palette,
        renumbering=data.renumbering,
        limit=limit,
        is_labeled=data.role == 'labeled' and len(pairs) == len(data.images),
    )
    return findings + found + contents, replace(of_maps, num_images=len(data.images))


def _missing(
    data: _Set, paths: Sequence[str], kind: str, folders: Folders
) -> tuple[list[Finding], list[bool]]:
    """Files that are not on disk, and whether each one is."""
    is_there = [
        os.path.basename(path) in folders.listing(os.path.dirname(path)) and os.path.exists(path)
        for path in paths
    ]
    missing = [path for path, there in zip(paths, is_there, strict=True) if not there]
    if not missing:
        return [], is_there
    key, suffix = (
        ('img_path', 'img_suffix') if kind == 'image' else ('seg_map_path', 'seg_map_suffix')
    )
    message = (
        f'{len(missing)} of {count(len(paths), kind)} are not on disk, for example '
        f'{missing[0] or "(none is named)"}: '
    )
    folder, stem = os.path.dirname(missing[0]), image_stem(missing[0])
    others = sorted(other for other in folders.listing(folder) if image_stem(other) == stem)
    others += sorted(
        other
        for other in folders.listing(folder)
        if other.startswith(f'{stem}_') and other not in others
    )
    if others:
        message += f"there is '{others[0]}': correct {suffix} if this is meant, or rename the files"
    elif not folders.listing(folder):
        message += f'there is no folder {folder}: correct data_prefix.{key} or data_root'
    else:
        message += f'correct the list or data_prefix.{key}, or complete the files'
    return [Finding('error', data.file, '', message)], is_there


def _check_classes(cfg: Config, sets: Sequence[_Set]) -> list[Finding]:
    """The numbers of classes that a config writes more than once."""
    findings = []
    file = os.path.basename(cfg.filename) if cfg.filename else 'config'
    by_classes: dict[tuple[str, ...], _Set] = {}
    for data in sets:
        by_classes.setdefault(data.classes, data)
    if len(by_classes) > 1:
        first, other = list(by_classes.values())[:2]
        message = (
            f'differs between the {first.name} and the {other.name} set: write the same for all'
        )
        findings.append(Finding('error', file, 'metainfo.classes', message))
        return findings
    if not sets:
        return findings
    num_classes = len(sets[0].classes)
    written = {'model.num_classes': (cfg.get('model') or {}).get('num_classes')}
    for name, _, dataset in named_datasets(cfg):
        for transform in dataset.get('pipeline') or []:
            if str(transform.get('type')).endswith('LoadSegAnnotations'):
                written[f'{name}: LoadSegAnnotations.num_classes'] = transform.get('num_classes')
    findings += _check_crops(cfg, file)
    for where, number in written.items():
        if number is not None and number != num_classes:
            message = f'is {number}, but the data has {num_classes} classes: make them equal'
            findings.append(Finding('error', file, where, message))
    return findings


def _check_crops(cfg: Config, file: str) -> list[Finding]:
    """Crops that the preprocessor's batches are too small for, of which PyTorch names no side."""
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    size = (preprocessor.get('data_preprocessor') or preprocessor).get('size')
    crops = [
        tuple(transform['crop_size'])
        for _, role, dataset in named_datasets(cfg)
        for transform in dataset.get('pipeline') or []
        if role in ('labeled', 'unlabeled') and 'crop_size' in transform
    ]
    if size is None or all(a <= b for crop in crops for a, b in zip(crop, size, strict=True)):
        return []
    message = f'is {tuple(size)}, but training crops are {max(crops)}: make it as large'
    return [Finding('error', file, 'model.data_preprocessor: size', message)]


def _listed(data: _Set) -> Listed:
    paths = [os.path.realpath(path) if os.path.exists(path) else None for path in data.images]
    stems = [image_stem(path) for path in data.images]
    names: list[str | None] = [os.path.basename(path) for path in data.images]
    return Listed(data.name, data.role, data.file, stems, names, paths)
