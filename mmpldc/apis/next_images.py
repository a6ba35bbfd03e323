"""Choose the images to label next, and label them in advance for annotators."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from mmengine.device import get_device

from mmpldc.datasets.checks.annotations import Role
from mmpldc.utils.checkpoints import read_checkpoint
from mmpldc.utils.files import atomic_write, write_json

from .image_ranking import (
    STRATEGIES,
    Loading,
    Pool,
    build_chooser,
    build_criteria,
    choose_images,
    class_counts_of,
    pool_of,
    rank_images,
)
from .images import folder_images, list_images, read_categories
from .label_files import (
    label_studio_config,
    local_files_prefix,
    write_coco,
    write_label_studio,
)
from .next_files import draw_sheets, write_ranking
from .options import merge_options, read_config
from .pseudo_labels import LabeledImage, UnreadableImage, label_images, load_labeler


class NextImages(NamedTuple):
    """What :func:`label_next` chose and wrote.

    Attributes:
        images: entries of a COCO-format file, the one most worth labelling first.
        num_labels: pre-annotations on them.
        unreadable: images of the pool that could not be read.
        ranking: CSV of all images, best score first, with each criterion's values.
        chosen: COCO-format file of the chosen images without annotations.
        pre_annotations: COCO-format file of the same with the teacher's labels, as CVAT reads it.
        tasks: the same as Label Studio tasks.
        interface: Label Studio's labelling configuration.
        contact_sheets: pictures of the chosen images with the labels drawn in.
    """

    images: list[dict]
    num_labels: int
    unreadable: list[UnreadableImage]
    ranking: Path
    chosen: Path
    pre_annotations: Path
    tasks: Path
    interface: Path
    contact_sheets: list[Path]


def label_next(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    *,
    count: int = 20,
    images: str | Path | None = None,
    img_root: str | Path | None = None,
    strategy: str | None = None,
    criteria: Sequence[Mapping | str] | None = None,
    chooser: Mapping | None = None,
    class_thr: float | None = None,
    mask_thr: float | None = None,
    refiner_weight: float | None = None,
    polygon_tolerance: float | None = None,
    image_prefix: str | None = None,
    batch_size: int = 1,
    num_workers: int = 0,
    device: str | None = None,
    skip_unreadable: bool = False,
    cfg_options: Mapping | None = None,
    show_progress: bool = False,
    say: Callable[[str], None] = print,
) -> NextImages:
    """Rank unlabelled images by what the teacher sees, and write the best for annotators.

    Memory holds a few numbers of each image, and the run lengths of the chosen ones' masks.

    Args:
        config: of a :class:`~mmpldc.models.SemiMask2Former`.
        checkpoint: of its run, or of a plain ``Mask2Former``.
        out: folder of the files, created if missing; files of an earlier call are replaced.
        count: images to choose.
        images: folder or COCO-format file, without the images of the config's labelled, validation
            and test sets; None: the config's unlabelled set.
        img_root: folder of the images of such a file.
        strategy: 'diverse' (default), 'uncertain' or 'random'; None: the config's ``label_next``,
            a dict with ``criteria`` and ``chooser``, else 'diverse'.
        criteria: instead of the strategy's: configs of :mod:`mmpldc.models.acquisition`, or texts
            such as ``'ViewDisagreement=0.5'``.
        chooser: instead of the strategy's.
        class_thr, mask_thr: of the pre-annotations, instead of the thresholds in use.
        refiner_weight: correct their classes by the config's refiner with this weight in [0, 1].
        polygon_tolerance: write outlines, see :func:`~mmpldc.apis.mask_to_polygons`; None writes
            masks, which come back exactly.
        image_prefix: of Label Studio, see :func:`~mmpldc.apis.write_label_studio`; None: that of
            its local files, see :func:`~mmpldc.apis.local_files_prefix`.
        batch_size, num_workers: as for :func:`~mmpldc.apis.label_images`.
        device: None: a GPU if there is one.
        skip_unreadable: pass over images that cannot be read.
        cfg_options: settings by dotted key.
        show_progress: draw progress bars.
        say: takes lines for the user.

    Raises:
        ValueError: if config, checkpoint and images do not fit each other, a criterion is unknown,
            or an image cannot be read. Nothing was written then.
        OSError: if a file is missing.
        SystemExit: if the config is refused, see :func:`~mmpldc.apis.read_config`.
    """
    if count < 1:
        raise ValueError(f'--count must be at least 1, got {count}')
    if isinstance(config, Config):
        cfg = copy.deepcopy(config)
        merge_options(cfg, cfg_options)
    else:
        cfg = read_config(config, cfg_options)
    parts = _parts(cfg, strategy, criteria, chooser)
    scorers, choice = build_criteria(parts['criteria']), build_chooser(parts['chooser'])
    labeled = _set_of(cfg, 'labeled', say)
    pool = _pool(cfg, images, img_root, out, say)
    loading = Loading(batch_size, num_workers, show_progress)

    needs_refiner = any(criterion.needs_refiner for criterion in scorers)
    model = load_labeler(
        cfg,
        read_checkpoint(checkpoint),
        refiner_weight='scheduled' if needs_refiner and refiner_weight is None else refiner_weight,
        device=device or get_device(),
    )
    model.set_thresholds(class_thr=class_thr, mask_thr=mask_thr)
    classes = model.dataset_meta['classes']
    categories = [dict(id=number, name=name) for number, name in enumerate(classes, start=1)]
    class_counts = None
    if labeled is not None and labeled.file is not None:
        categories = read_categories(labeled.file, classes)
        class_counts = class_counts_of(labeled.file, classes)
    for criterion in scorers:
        criterion.prepare(class_counts)

    ranking = rank_images(model, cfg, pool, scorers, loading=loading)
    if ranking.unreadable and not skip_unreadable:
        raise ValueError(_unreadable(ranking.unreadable))
    chosen = choose_images(
        model, cfg, ranking, pool.folder, choice, count, labeled=labeled, loading=loading
    )
    if len(chosen) < count:
        say(f'there are only {len(chosen)} images to choose from, not {count}')
    if refiner_weight is None:
        model.refiner = model.mask_refiner = None  # they were there for the ranking alone
    found = label_images(
        *(model, cfg, [ranking.images[place] for place in chosen], pool.folder),
        batch_size=batch_size,
        num_workers=num_workers,
    )
    labels = [
        item
        for item in loading.track(found, 'Labelling', len(chosen))
        if isinstance(item, LabeledImage)
    ]

    folder = Path(out)
    written = NextImages(
        images=[one.image for one in labels],
        num_labels=sum(len(one.labels) for one in labels),
        unreadable=ranking.unreadable,
        ranking=folder / 'ranking.csv',
        chosen=folder / 'next.json',
        pre_annotations=folder / 'pre_annotations.json',
        tasks=folder / 'label_studio.json',
        interface=folder / 'label_studio.xml',
        contact_sheets=draw_sheets(
            folder, labels, ranking.scores[chosen].tolist(), pool.folder, model.dataset_meta
        ),
    )
    write_ranking(written.ranking, ranking, chosen)
    write_json(written.chosen, dict(images=written.images, annotations=[], categories=categories))
    write_coco(written.pre_annotations, labels, categories, polygon_tolerance=polygon_tolerance)
    write_label_studio(
        *(written.tasks, labels, classes),
        polygon_tolerance=polygon_tolerance,
        image_prefix=local_files_prefix(pool.folder) if image_prefix is None else image_prefix,
        model_version=Path(checkpoint).stem,
    )
    with atomic_write(written.interface) as file:
        file.write(
            label_studio_config(
                classes,
                polygons=polygon_tolerance is not None,
                palette=model.dataset_meta.get('palette'),
            )
        )
    return written


def _unreadable(images: Sequence[UnreadableImage]) -> str:
    others = f', and {len(images) - 1} others' if len(images) > 1 else ''
    return (
        f'cannot read {images[0].path}{others}: {images[0].reason}\n'
        'Nothing was written. To continue without such images add --skip-unreadable'
    )


def _parts(
    cfg: Config,
    strategy: str | None,
    criteria: Sequence[Mapping | str] | None,
    chooser: Mapping | None,
) -> dict:
    """Configs of criteria and chooser: as asked for, else the config's, else the default."""
    if strategy is not None and strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got '{strategy}'")
    parts = dict(STRATEGIES[strategy or 'diverse'])
    if strategy is None:
        parts |= cfg.get('label_next') or {}
    if criteria is not None:
        parts['criteria'] = criteria
    if chooser is not None:
        parts['chooser'] = chooser
    unknown = parts.keys() - {'criteria', 'chooser'}
    if unknown or not parts['criteria']:
        raise ValueError(
            f'label_next takes criteria (at least one) and chooser, got {", ".join(sorted(parts))}'
        )
    return parts


def _set_of(cfg: Config, role: Role, say: Callable[[str], None]) -> Pool | None:
    """A set of the config; None, with a word, if its file is not there."""
    try:
        return pool_of(cfg, role)
    except OSError as error:
        say(f'{error.filename}: no such file; the {role} set of the config is not considered')
        return None


def _pool(
    cfg: Config,
    images: str | Path | None,
    img_root: str | Path | None,
    out: str | Path,
    say: Callable[[str], None],
) -> Pool:
    """The images to choose from: those given, without annotated ones and files in ``out``."""
    if images is None:
        pool = pool_of(cfg, 'unlabeled')
        if pool is None:
            raise ValueError(
                'the config has no COCO-format file of unlabelled images: give --images, a folder '
                'or such a file'
            )
        return pool
    path = Path(images)
    if path.suffix != '.json':
        pool = Pool(folder_images(path), path)
    elif img_root is None:
        raise ValueError(f'give the folder of the images of {path} by --img-root')
    else:
        pool = Pool(list_images(path), Path(img_root), path)
    roles: tuple[Role, ...] = ('labeled', 'val', 'test')
    annotated = {
        os.path.realpath(other.folder / image['file_name'])
        for other in (_set_of(cfg, role, say) for role in roles)
        if other is not None
        for image in other.images
    }
    own = os.path.realpath(out)  # contact sheets of an earlier call
    left = [
        image
        for image in pool.images
        if (place := os.path.realpath(pool.folder / image['file_name'])) not in annotated
        and not Path(place).is_relative_to(own)
    ]
    if not left:
        raise ValueError(f'all images of {path} are in a labelled set of the config')
    if len(left) < len(pool.images):
        say(f'{len(pool.images) - len(left)} images of {path} are annotated already: left out')
    return pool._replace(images=left)
