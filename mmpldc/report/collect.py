"""Put a report together from runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO

from .accuracy import accuracy_table, error_rows, read_truth, score_networks
from .cache import looked
from .contents import Gallery, Report
from .curves import make_panels
from .data_section import data_sections
from .galleries import choose, judge, right_share, unlabelled_gallery, validation_gallery
from .inference import Looked
from .pictures import fitting_side
from .run_folder import Run
from .settings import settings_section
from .verdict import verdict

REST = 1_500_000  # bytes of the page beside the pictures' own, some 200 of them with masks


@dataclass(frozen=True)
class Options:
    """What goes into a report.

    Attributes:
        inference: whether to look at images; without, the page has curves, data and settings.
        num_images: validation images to predict for, evenly chosen; None for all.
        pictures: validation images in the gallery, at most.
        unlabelled: unlabelled images in the gallery, at most.
        score_thr: predictions with a lower score are not drawn; the tables count all.
        max_bytes: aim for the size of the page.
        device: of the models.
    """

    inference: bool = True
    num_images: int | None = None
    pictures: int = 120
    unlabelled: int = 40
    score_thr: float = 0.3
    max_bytes: int = 10_000_000
    device: str = 'cpu'


def collect(runs: Sequence[Run], options: Options, *, say: Callable[[str], None] = print) -> Report:
    """Collect all that is on the page.

    Args:
        runs: at least one.
        options: see above.
        say: told about the progress.
    """
    sentence, details = verdict(runs, None)
    report = Report(
        title=', '.join(run.name for run in runs),
        sentence=sentence,
        details=details,
        runs=tuple(run.name for run in runs),
        accuracy=None,
        panels=make_panels(runs),
        errors=(),
        galleries=(),
        data=data_sections(runs),
        settings=settings_section(runs),
        notes=tuple(_notes(runs, options)),
        created=datetime.now().strftime('%Y-%m-%d %H:%M'),
    )
    return _with_images(report, runs, options, say) if options.inference else report


def _notes(runs: Sequence[Run], options: Options) -> list[str]:
    notes = [
        f'{run.name} has no log (vis_data/scalars.json), so no curves.'
        for run in runs
        if not run.records
    ]
    if not options.inference:
        notes.append('Made with --no-inference: curves, data and settings only.')
        return notes
    for run in runs:
        if not run.finds_instances:
            notes.append(
                f'{run.name} does not segment instances: AP, errors and images are left out.'
            )
        elif run.checkpoint is None:
            notes.append(f'{run.name} has no checkpoint: AP, errors and images are left out.')
    return notes


def _with_images(
    report: Report, runs: Sequence[Run], options: Options, say: Callable[[str], None]
) -> Report:
    """Add what takes a pass over the images, for the runs that allow it."""
    able = [run for run in runs if run.finds_instances and run.checkpoint is not None]
    found = [
        looked(
            run,
            num_images=options.num_images,
            num_unlabelled=options.unlabelled,
            device=options.device,
            say=say,
        )
        for run in able
    ]
    same = [
        (run, of_run)
        for run, of_run in zip(able, found, strict=True)
        if _images_of(of_run) == _images_of(found[0])
    ]
    notes = [*report.notes]
    for run in able:
        if run not in [one for one, _ in same]:
            notes.append(
                f'{run.name} was validated on other images or classes than {able[0].name}, so its '
                'AP cannot be compared: give it a page of its own.'
            )
    if not same:
        return replace(report, notes=tuple(notes))
    if len(same) < len(runs):  # numbers of runs are those of the columns
        notes.append('Tables and images show ' + ', '.join(run.name for run, _ in same) + '.')
    used, passes = [run for run, _ in same], [of_run for _, of_run in same]
    truth = read_truth(passes[0].ann_file)
    say('AP and errors')
    accuracy = accuracy_table(used, score_networks(passes, truth), truth, passes[0])
    sentence, details = verdict(used, accuracy)
    say('pictures')
    return replace(
        report,
        sentence=sentence,
        details=details,
        shown=tuple(run.name for run in used),
        accuracy=accuracy,
        errors=error_rows(passes, truth),
        galleries=tuple(
            gallery for gallery in _galleries(used, passes, truth, options) if gallery.pictures
        ),
        notes=tuple(notes),
    )


def _images_of(found: Looked) -> tuple:
    return tuple(sorted(found.image_ids)), tuple(found.category_ids), found.ann_file


def _galleries(
    runs: Sequence[Run], passes: Sequence[Looked], truth: COCO, options: Options
) -> list[Gallery]:
    judged = [judge(of_run, truth, options.score_thr) for of_run in passes]
    shares = np.mean([right_share(of_run.table) for of_run in judged], axis=0)
    chosen = choose(shares, options.pictures)
    first = passes[0]
    by_id = dict(zip(first.image_ids, first.paths, strict=True))
    ids = sorted(first.image_ids)
    paths = [Path(by_id[ids[image]]) for image in chosen]
    with_unlabelled = next((of_run for of_run in passes if of_run.unlabelled), first)
    paths += [Path(image['path']) for image in with_unlabelled.unlabelled]
    side = fitting_side(paths, max(options.max_bytes - REST, 0))
    names = [str(truth.cats[category_id]['name']) for category_id in first.category_ids]
    return [
        validation_gallery(runs, passes, truth, chosen=chosen, judged=judged, side=side),
        unlabelled_gallery(runs, passes, names, side=side),
    ]
