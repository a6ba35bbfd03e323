"""What the runs learnt from: sets, classes, and what the check of the data says."""

from collections.abc import Sequence

from mmengine.config import Config

from mmpldc.datasets.checks import Report as Check
from mmpldc.datasets.checks import check_run

from .contents import DataSection, Table
from .run_folder import Run

LEVELS = ('error', 'warning', 'repaired', 'note')
HEADER = ('set', 'images', 'with instances', 'instances', 'small', 'medium', 'large', 'crowds')
DECODED = 16  # images of each set, as before training


def data_sections(runs: Sequence[Run]) -> tuple[DataSection, ...]:
    """Check the data of the runs; those with the same findings share a section."""
    found: dict[tuple, list[str]] = {}
    for run in runs:
        found.setdefault(_check(run.cfg), []).append(run.name)
    return tuple(DataSection(', '.join(names), *content) for content, names in found.items())


def _check(cfg: Config) -> tuple:
    """Tables, findings and notes."""
    try:
        check = check_run(cfg, decode=DECODED)
    except Exception as error:  # data that is gone must not cost the whole report
        return (), (('warning', f'The data could not be checked: {error}'),), ()
    findings = sorted(
        {(finding.level, str(finding).split(': ', 1)[1]) for finding in check.findings},
        key=lambda finding: (LEVELS.index(finding[0]), finding[1]),
    )
    return tuple(_tables(check)), tuple(findings), check.notes


def _tables(check: Check) -> list[Table]:
    tables = []
    rows = []
    for data, contents in check.sets:
        if contents is None:
            rows.append((data.name, *(['?'] * (len(HEADER) - 1))))
            continue
        numbers = (
            len(contents.image_ids),
            int(contents.annotated.sum()),
            sum(contents.by_area),
            *contents.by_area,
            contents.num_crowds,
        )
        rows.append((data.name, *(f'{number:,}' for number in numbers)))
    if rows:
        tables.append(Table('Sets', HEADER, tuple(rows)))
    annotated = [
        (data, contents)
        for data, contents in check.sets
        if contents is not None and any(contents.instances.values())
    ]
    names = dict.fromkeys(
        name for data, contents in annotated for name in (data.classes or contents.instances)
    )
    if names:
        tables.append(
            Table(
                'Instances of each class',
                ('class', *(data.name for data, _ in annotated)),
                tuple(
                    (
                        str(name),
                        *(f'{contents.instances.get(name, 0):,}' for _, contents in annotated),
                    )
                    for name in names
                ),
            )
        )
    if check.label_maps:
        tables.append(
            Table(
                'Label maps',
                ('set', 'images', 'label maps read', 'pixels without label'),
                tuple(
                    (of.name, f'{of.num_images:,}', f'{of.num_read:,}', f'{of.unlabeled_share:.1%}')
                    for of in check.label_maps
                ),
            )
        )
    return tables
