"""Rank unlabelled images by what the teacher sees in them, and choose those to label next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from mmengine.config import Config
from rich.progress import track
from torch import Tensor

from mmpldc.datasets.checks.annotations import Role
from mmpldc.datasets.checks.config import DataSet, sets_of
from mmpldc.datasets.coco_files import read_coco
from mmpldc.datasets.split import count_instances
from mmpldc.functional import combine_scores
from mmpldc.models import SemiMask2Former
from mmpldc.models.acquisition import ChoosesImages, Criterion, observe, pooled_features
from mmpldc.registry import TASK_UTILS

from .images import list_images
from .pseudo_labels import PreparedBatch, UnreadableImage, prepared_batches

Item = TypeVar('Item')
SCOPE = 'mmpldc.'
BY_SCORE = dict(type='mmpldc.ScoreUncertainty')
HIGHEST = dict(type='mmpldc.HighestFirst')
STRATEGIES: dict[str, dict] = {
    'diverse': dict(criteria=[BY_SCORE], chooser=dict(type='mmpldc.DiverseAmongBest')),
    'uncertain': dict(criteria=[BY_SCORE], chooser=HIGHEST),
    'random': dict(criteria=[dict(type='mmpldc.RandomOrder')], chooser=HIGHEST),
}


@dataclass(frozen=True)
class Loading:
    """How images are read.

    Attributes:
        batch_size: images that the teacher sees at once, see
            :func:`~mmpldc.apis.label_images`.
        num_workers: processes that read images; 0 reads them in this process.
        show_progress: draw a bar for each pass over images.
    """

    batch_size: int = 1
    num_workers: int = 0
    show_progress: bool = False

    def track(self, items: Iterable[Item], title: str, total: int) -> Iterator[Item]:
        """Pass items on with a bar."""
        yield from track(items, title, total=total, disable=not self.show_progress)

    def batches(
        self, model: SemiMask2Former, cfg: Config, images: list[dict], root: Path, title: str
    ) -> Iterator[PreparedBatch]:
        """Read images batch by batch, see :func:`~mmpldc.apis.pseudo_labels.prepared_batches`."""
        options = dict(batch_size=self.batch_size, num_workers=self.num_workers)
        batches = prepared_batches(model, cfg, images, root, **options)
        yield from self.track(batches, title, -(-len(images) // self.batch_size))


class Pool(NamedTuple):
    """Images of one kind.

    Attributes:
        images: entries of a COCO-format file, with ``id`` and ``file_name``.
        folder: that the file names are relative to.
        file: the COCO-format file, if they come from one.
    """

    images: list[dict]
    folder: Path
    file: Path | None = None


class Ranking(NamedTuple):
    """Images with their scores.

    Attributes:
        images: I entries of a COCO-format file that could be read, in the order of the pool.
        names: of the S criteria.
        values: ``(I, S)`` float32, each criterion's own values.
        scores: ``(I,)`` float32 in [-1, 1], the weighted mean of the criteria's percentile ranks.
        unreadable: images that could not be read.
    """

    images: list[dict]
    names: tuple[str, ...]
    values: Tensor
    scores: Tensor
    unreadable: list[UnreadableImage]


def pool_of(cfg: Config, role: Role) -> Pool | None:
    """Read the images of one of a config's sets.

    Args:
        cfg: a run's.
        role: of the set, such as 'unlabeled'.

    Returns:
        None if the config has no such COCO-format set.

    Raises:
        ValueError, OSError: if its file cannot be read, see :func:`~mmpldc.apis.list_images`.
    """
    found: list[DataSet] = [data for data in sets_of(cfg)[0] if data.role == role and data.ann_file]
    if not found or found[0].img_prefix is None:
        return None
    file = Path(found[0].ann_file)
    return Pool(list_images(file), Path(found[0].img_prefix), file)


def class_counts_of(file: Path, classes: Sequence[str]) -> Tensor:
    """Count labelled instances of each class of a model.

    Args:
        file: COCO-format.
        classes: N names; one that the file lacks has none.

    Returns:
        ``(N,)`` int64.
    """
    coco = read_coco(file, 'annotations', 'categories')
    counts = count_instances(coco).sum(axis=0).tolist()
    by_name = dict(zip((one['name'] for one in coco['categories']), counts, strict=True))
    return torch.tensor([by_name.get(name, 0) for name in classes], dtype=torch.long)


def build_criteria(configs: Sequence[Mapping | str]) -> list[Criterion]:
    """Build criteria from configs, or from texts such as ``'ViewDisagreement=0.5'``.

    Args:
        configs: dicts with a registered ``type``; or names with a weight, 1 if none is given.

    Raises:
        ValueError: if a name is unknown, an option does not fit, or a weight is no number.
    """
    return [_build(_from_text(one) if isinstance(one, str) else dict(one)) for one in configs]


def build_chooser(config: Mapping) -> ChoosesImages:
    """Build what chooses; raises as :func:`build_criteria`."""
    return _build(dict(config))


def _from_text(text: str) -> dict:
    name, _, weight = text.partition('=')
    try:
        return dict(type=name, weight=float(weight) if weight else 1.0)
    except ValueError:
        raise ValueError(f"'{text}': the weight of {name} must be a number") from None


def _build(config: dict) -> Any:
    kind = config.get('type')
    if isinstance(kind, str) and '.' not in kind:
        config['type'] = SCOPE + kind
    try:
        return TASK_UTILS.build(config)
    except KeyError:
        known = [name for name, one in TASK_UTILS.module_dict.items() if _is_criterion(one)]
        raise ValueError(f'there is no {kind}: the criteria are {", ".join(known)}') from None
    except TypeError as error:
        raise ValueError(f'{kind}: {error}') from None


def _is_criterion(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Criterion)


def rank_images(
    model: SemiMask2Former,
    cfg: Config,
    pool: Pool,
    criteria: Sequence[Criterion],
    loading: Loading = Loading(),
) -> Ranking:
    """Score all images of a pool; nothing of an image is kept but its numbers.

    Args:
        model: see :func:`~mmpldc.apis.load_labeler`, with its refiner if a criterion needs it.
        cfg: config with ``test_dataloader``, whose pipeline reads and resizes the images.
        pool: images to rank.
        criteria: at least one, prepared.
        loading: how images are read.

    Raises:
        ValueError: if no image can be read, or the teacher's output contains NaN.
    """
    mirror = any(criterion.needs_mirror for criterion in criteria)
    refine = any(criterion.needs_refiner for criterion in criteria)
    images: list[dict] = []
    unreadable: list[UnreadableImage] = []
    values = []
    for batch in loading.batches(model, cfg, pool.images, pool.folder, 'Ranking'):
        unreadable += batch.unreadable
        if not batch.entries:
            continue
        seen = observe(model, batch.inputs, batch.samples, mirror=mirror, refine=refine)
        rows = [
            torch.stack(
                [criterion(one._replace(name=entry['file_name'])) for criterion in criteria]
            )
            for one, entry in zip(seen, batch.entries, strict=True)
        ]
        # Host sync: a few numbers of each batch.
        values.append(torch.stack(rows).float().cpu())
        images += batch.entries
    if not images:
        raise ValueError(f'none of the {len(pool.images)} images below {pool.folder} can be read')
    table = torch.cat(values)
    scores = combine_scores(table, [criterion.weight for criterion in criteria])
    names = tuple(type(criterion).__name__ for criterion in criteria)
    return Ranking(images, names, table, scores, unreadable)


def choose_images(
    model: SemiMask2Former,
    cfg: Config,
    ranking: Ranking,
    folder: Path,
    chooser: ChoosesImages,
    count: int,
    *,
    labeled: Pool | None = None,
    loading: Loading = Loading(),
) -> list[int]:
    """Choose images of a ranking.

    Args:
        model, cfg: as for :func:`rank_images`.
        ranking: of I images.
        folder: of their files.
        chooser: see :class:`~mmpldc.models.acquisition.ChoosesImages`.
        count: images that are wanted; all if there are fewer.
        labeled: images that need not be chosen again, for choosers that compare features.
        loading: how images are read.

    Returns:
        Places in the ranking, in the order of choice.
    """
    count = min(count, len(ranking.images))
    shortlist = chooser.shortlist(ranking.scores, count)
    features = centres = None
    if chooser.needs_features:

        def of(images: list[dict], root: Path, title: str) -> Tensor:
            batches = loading.batches(model, cfg, images, root, title)
            return torch.cat([*_features(model, batches)] or [torch.zeros(0, 1)])

        features = of([ranking.images[place] for place in shortlist], folder, 'Comparing')
        if labeled is not None:
            centres = of(labeled.images, labeled.folder, 'Labelled images')
            centres = centres if len(centres) else None
    return shortlist[chooser.choose(features, centres, count)].tolist()


def _features(model: SemiMask2Former, batches: Iterable[PreparedBatch]) -> Iterator[Tensor]:
    for batch in batches:
        if batch.entries:
            # Host sync: a vector of each image, compared on the host.
            yield pooled_features(model, batch.inputs, batch.samples).cpu()
