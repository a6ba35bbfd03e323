"""All checks on the sets of a run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmengine.config import Config

from mmpldc.utils.garbage import without_garbage_collection

from .annotations import Contents, check_coco
from .classes import Named, check_classes
from .config import DataSet, check_config, sets_of
from .findings import Finding, Level, count, some
from .images import Folders, find_images
from .label_maps import check_label_maps
from .leaks import Listed, check_leaks
from .limits import check_limits
from .pixels import check_content
from .records import load_coco
from .report import Report


def check_datasets(
    sets: Sequence[DataSet],
    *,
    decode: int | None = 64,
    all_contents: bool = False,
    drawn: Mapping[str, dict] | None = None,
    keep_copies: bool = False,
) -> Report:
    """Check annotation files, images on disk, and sets against each other.

    Args:
        sets: of a run. Those without ``ann_file`` are passed over, and a test set that is the
            validation set.
        decode: images of each set to decode; None for all.
        all_contents: compare the content of all images, see
            :func:`~mmpldc.datasets.checks.leaks.check_leaks`.
        drawn: content of annotation files that are not written yet, by path. Their records and
            the images of annotated sets were checked before: only what concerns a whole set is
            reported.
        keep_copies: see :func:`~mmpldc.datasets.checks.leaks.check_leaks`.

    Returns:
        What was found and counted.
    """
    drawn = drawn or {}
    sets = _without_repetition(sets)
    findings: list[Finding] = []
    notes: list[str] = []
    folders = Folders()
    checked: list[tuple[DataSet, Contents | None]] = []
    listed: list[Listed] = []
    for data in sets:
        found, contents = _check_file(data, drawn.get(data.ann_file))
        findings += found
        checked.append((data, contents))
        if contents is None:
            continue
        kept, remarks = _check_filters(data, contents)
        findings += kept
        notes += remarks
        paths = None
        if data.img_prefix is not None:
            paths, found = find_images(
                contents.file_names, data.img_prefix, file=data.ann_file, folders=folders
            )
            findings += found
            if data.ann_file not in drawn or data.role == 'unlabeled':
                findings += check_content(
                    paths,
                    contents.sizes,
                    file=data.ann_file,
                    limit=decode,
                    is_unlabeled=data.role == 'unlabeled',
                )
        if data.role == 'weak':  # these are the images of the unlabelled set
            continue
        listed.append(
            Listed(
                data.name, data.role, data.ann_file, contents.image_ids, contents.file_names, paths
            )
        )
    findings += check_classes(
        [
            _named(data, contents)
            for data, contents in checked
            # weak labels are read by the names of their classes, in any order
            if contents and contents.categories is not None and data.role != 'weak'
        ]
    )
    findings += check_leaks(listed, all_contents=all_contents, keep_copies=keep_copies)
    return Report(tuple(checked), tuple(findings), tuple(notes))


def _without_repetition(sets: Sequence[DataSet]) -> list[DataSet]:
    """Leave out sets that cannot be checked, and a test set that is the validation set."""
    validated = {(data.ann_file, data.img_prefix) for data in sets if data.role == 'val'}
    return [
        data
        for data in sets
        if data.ann_file
        and not (data.role == 'test' and (data.ann_file, data.img_prefix) in validated)
    ]


def _check_file(data: DataSet, drawn: dict | None) -> tuple[list[Finding], Contents | None]:
    """Check one annotation file; it is freed on return, for large ones take gigabytes."""
    if drawn is not None:
        findings, contents = check_coco(drawn, file=data.ann_file, role=data.role, most_crowds=1)
        return [finding for finding in findings if not finding.kind], contents
    optional = ('annotations',) if data.role == 'test' else ()
    with without_garbage_collection():
        coco, findings = load_coco(data.ann_file, optional=optional)
        if coco is None:
            return findings, None
        return check_coco(coco, file=data.ann_file, role=data.role)


def _check_filters(data: DataSet, contents: Contents) -> tuple[list[Finding], list[str]]:
    """What ``filter_cfg`` leaves out, and classes that are never seen."""
    findings, notes = [], []
    empty = len(contents.annotated) - int(contents.annotated.sum())
    if data.filter_empty_gt and data.role == 'unlabeled' and empty:
        message = (
            f'leaves out {empty} of {len(contents.annotated)} images, those without annotations: '
            'set filter_cfg=dict(filter_empty_gt=False)'
        )
        findings.append(Finding('error', data.ann_file, 'filter_empty_gt', message))
    elif empty and data.role not in ('unlabeled', 'weak'):
        fate = ''
        if data.filter_empty_gt:
            fate = ', which filter_empty_gt=True leaves out; filter_empty_gt=False trains on them'
        notes.append(f'{data.name}: {count(empty, "image")} without instances{fate}')
    known = contents.sizes.all(axis=1)
    small = int((known & (contents.sizes.min(axis=1) < data.min_size)).sum())
    if small:
        level: Level = 'error' if small == len(contents.sizes) else 'warning'
        lost = count(small, 'image')
        message = f'leaves out {lost} with a side below {data.min_size}: lower it if needed'
        findings.append(Finding(level, data.ann_file, 'filter_cfg.min_size', message))
    if data.role == 'labeled' and contents.annotated.any() and contents.categories is not None:
        wanted = data.classes or contents.categories
        unseen = [name for name in wanted if contents.instances.get(name) == 0]
        if unseen:
            message = 'no instance in the labelled set: label some, or leave the class out'
            findings.append(Finding('warning', data.ann_file, some('class', unseen), message))
    return findings, notes


def _named(data: DataSet, contents: Contents) -> Named:
    return Named(
        file=data.ann_file,
        categories=contents.categories or {},
        classes=data.classes,
        is_default=data.has_default_classes,
        is_labeled=data.role == 'labeled',
    )


def check_run(
    cfg: Config,
    *,
    decode: int | None = 64,
    all_contents: bool = False,
    drawn: Mapping[str, dict] | None = None,
) -> Report:
    """Check the data sets of a config, and the config against them.

    Args:
        cfg: of a run; ``keep_copies`` in it is :func:`~.leaks.check_leaks`'s.
        decode: see :func:`check_datasets`.
        all_contents: likewise.
        drawn: likewise.
    """
    sets, notes = sets_of(cfg)
    report = check_datasets(
        sets,
        decode=decode,
        all_contents=all_contents,
        drawn=drawn,
        keep_copies=bool(cfg.get('keep_copies')),
    )
    validated = [
        contents for data, contents in report.sets if data.role == 'val' and contents is not None
    ]
    mismatched = any(
        finding.level == 'error' and finding.where == 'categories' for finding in report.findings
    )
    findings = [
        finding
        for finding in [*check_config(cfg, sets, validated), *check_limits(cfg, report.sets)]
        if not (mismatched and finding.where == 'model.num_classes')  # a consequence
    ]
    of_label_maps, summaries = check_label_maps(cfg, decode=decode, all_contents=all_contents)
    return replace(
        report,
        findings=(*report.findings, *of_label_maps, *findings),
        notes=(*notes, *report.notes),
        label_maps=tuple(summaries),
    )


def check_settings(cfg: Config) -> None:
    """Check what a config alone tells, before the model is built; no file is read.

    Args:
        cfg: the run's.

    Raises:
        SystemExit: with one line for each error.
    """
    try:
        sets, _ = sets_of(cfg)
    except ValueError as error:  # two settings that name the same file
        raise SystemExit(f'{os.path.basename(cfg.filename or "the config")}: {error}') from error
    findings = [one for one in check_config(cfg, sets) if one.level == 'error']
    if findings:
        raise SystemExit(refusal(findings, 'the config'))


def refusal(errors: Sequence[Finding], owner: str = 'the data') -> str:
    return '\n'.join(
        [
            f'Nothing was trained: {owner} has {count(len(errors), "error")}',
            *(f'  {error}' for error in errors),
            'tools/dataset/check.py tells more; --skip-data-check trains all the same.',
        ]
    )
