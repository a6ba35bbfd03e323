"""Write a teacher's pseudo-labels of any images to a file."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mmengine.config import Config

from mmpldc.utils.checkpoints import read_checkpoint

from .images import folder_images, list_images, read_categories
from .label_files import (
    label_studio_config,
    local_files_prefix,
    write_coco,
    write_label_studio,
)
from .pseudo_labels import LabeledImage, UnreadableImage, label_images, load_labeler

Watch = Callable[[Iterable, int], Iterable]  # of items and their number; shows the progress


@dataclass
class LabelCounts:
    """What :func:`pseudo_label` has written.

    Attributes:
        images: number of images in the file.
        labels: number of labels in it.
        empty: images without a label.
        unreadable: images that were left out.
    """

    images: int = 0
    labels: int = 0
    empty: int = 0
    unreadable: list[UnreadableImage] = field(default_factory=list)


def pseudo_label(
    cfg: Config,
    checkpoint: str | Path,
    images: str | Path,
    out: str | Path,
    *,
    img_root: str | Path | None = None,
    file_format: Literal['coco', 'label-studio'] = 'coco',
    polygon_tolerance: float | None = None,
    categories_of: str | Path | None = None,
    class_thr: float | None = None,
    mask_thr: float | None = None,
    refiner_weight: float | None = None,
    skip_unreadable: bool = False,
    image_prefix: str | None = None,
    model_version: str | None = None,
    batch_size: int = 1,
    num_workers: int = 2,
    device: str = 'cpu',
    watch: Watch = lambda items, total: items,
) -> LabelCounts:
    """Label images as in training, and write the labels as ``tools/export_pseudo_labels.py`` does.

    Args:
        cfg: of a :class:`~mmpldc.models.SemiMask2Former`; modified.
        checkpoint: of this model, or of a plain ``Mask2Former``, which becomes the teacher.
        images: folder of images, or a COCO-format file that lists them.
        out: file to write; Label Studio's labelling configuration goes beside it, as ``.xml``.
        img_root: folder of the images that such a file lists.
        file_format: of ``out``.
        polygon_tolerance: write outlines that deviate by at most so many pixels; None: masks.
        categories_of: use the category ids of this COCO-format file, by name; None: the classes'
            numbers, from 1 on.
        class_thr, mask_thr: instead of the thresholds in use, in [0, 1].
        refiner_weight: correct the classes by the config's refiner with this weight in [0, 1].
        skip_unreadable: leave unreadable images out.
        image_prefix: Label Studio: what makes a file name an address; None: its local files, see
            :func:`~mmpldc.apis.local_files_prefix`.
        model_version: Label Studio: name of the predictions; None: the checkpoint's.
        batch_size: images that the teacher sees at once.
        num_workers: processes that read images.
        device: of the model.
        watch: passes on images that are being labelled, such as a progress bar.

    Returns:
        What was written.

    Raises:
        ValueError: if an image cannot be read and is not to be skipped, or config, checkpoint and
            classes do not match; nothing is written then.
        OSError: if a file is missing.
    """
    images, out = Path(images), Path(out)
    from_json = images.suffix == '.json'
    if from_json != (img_root is not None):
        raise ValueError(
            f'give the folder of the images of {images}' if from_json else f'{images} is a folder'
        )
    entries = list_images(images) if from_json else folder_images(images)
    model = load_labeler(
        cfg, read_checkpoint(checkpoint), refiner_weight=refiner_weight, device=device
    )
    model.set_thresholds(class_thr=class_thr, mask_thr=mask_thr)
    classes = model.dataset_meta['classes']
    categories = [dict(id=number, name=name) for number, name in enumerate(classes, start=1)]
    if categories_of is not None:
        categories = read_categories(Path(categories_of), classes)

    root = images if img_root is None else Path(img_root)
    items = label_images(model, cfg, entries, root, batch_size=batch_size, num_workers=num_workers)
    counts = LabelCounts()
    labeled = _counted(watch(items, len(entries)), counts, skip_unreadable=skip_unreadable)
    if file_format == 'coco':
        write_coco(out, labeled, categories, polygon_tolerance=polygon_tolerance)
        return counts
    write_label_studio(
        out,
        labeled,
        classes,
        polygon_tolerance=polygon_tolerance,
        image_prefix=local_files_prefix(root) if image_prefix is None else image_prefix,
        model_version=model_version or Path(checkpoint).stem,
    )
    config = label_studio_config(
        classes,
        polygons=polygon_tolerance is not None,
        palette=model.dataset_meta.get('palette'),
    )
    out.with_suffix('.xml').write_text(config)
    return counts


def _counted(
    items: Iterable[LabeledImage | UnreadableImage], counts: LabelCounts, *, skip_unreadable: bool
) -> Iterator[LabeledImage]:
    """Pass the labelled images on, and count.

    Raises:
        ValueError: at the first unreadable image, unless they are to be skipped.
    """
    for item in items:
        if isinstance(item, UnreadableImage):
            if not skip_unreadable:
                raise ValueError(
                    f'cannot read {item.path}: {item.reason}\n'
                    'Nothing was written. To continue without such images add --skip-unreadable'
                )
            counts.unreadable.append(item)
        else:
            counts.images += 1
            counts.labels += len(item.labels)
            counts.empty += not item.labels
            yield item
