"""What a report says, as plain data: made by the other modules, laid out by the page's template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mmpldc.evaluation.bootstrap import Interval


@dataclass(frozen=True)
class Column:
    """A column of the table of accuracy.

    Attributes:
        run: number of the run.
        network: ``'teacher'`` or ``'student'``; for a difference empty.
        title: shown at the top.
        is_difference: whether values are differences, in points.
    """

    run: int
    network: str
    title: str
    is_difference: bool = False


@dataclass(frozen=True)
class AccuracyRow:
    """AP in percent, one value for each column.

    Attributes:
        group: rows of one group stand together.
        name: of the row.
        objects: number of validation objects that it is about; None if it is about all.
        values: one for each column.
    """

    group: str
    name: str
    objects: int | None
    values: tuple[Interval, ...]


@dataclass(frozen=True)
class Accuracy:
    """Table of AP.

    Attributes:
        columns: its columns.
        rows: its rows.
        num_images: validation images.
        samples: resamples behind each interval.
    """

    columns: tuple[Column, ...]
    rows: tuple[AccuracyRow, ...]
    num_images: int
    samples: int


@dataclass(frozen=True)
class Series:
    """A curve.

    Attributes:
        name: in the legend.
        run: number of the run, for its colour.
        dash: number of the curve within its run, for its pattern.
        points: value by iteration.
    """

    name: str
    run: int
    dash: int
    points: Mapping[int, float]


@dataclass(frozen=True)
class Mark:
    """An iteration that is marked in a chart.

    Attributes:
        step: the iteration.
        run: number of the run, for its colour.
        text: below the chart.
    """

    step: int
    run: int
    text: str


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        key: short name without spaces, unique in the report.
        title: above the chart.
        note: one sentence below it.
        series: its curves.
        marks: iterations with a line across.
    """

    key: str
    title: str
    note: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class ErrorRow:
    """One kind of error.

    Attributes:
        kind: its name.
        meaning: one sentence.
        counts: number of errors of each run.
        costs: points of AP50 that each run loses by them.
    """

    kind: str
    meaning: str
    counts: tuple[int, ...]
    costs: tuple[Interval, ...]


@dataclass(frozen=True)
class Shape:
    """A mask in a picture.

    Attributes:
        path: outline in SVG's syntax, in pixels of the small picture; holes are cut out.
        name: class.
        kind: what it is, such as ``'correct'`` or a kind of error; names its style.
        text: for the list below the picture.
        x, y: where its name is written.
    """

    path: str
    name: str
    kind: str
    text: str
    x: int
    y: int


@dataclass(frozen=True)
class View:
    """The picture with one set of shapes.

    Attributes:
        title: such as ``'Truth'`` or the name of a run.
        shapes: the best first; it is drawn on top.
    """

    title: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Picture:
    """An image of the gallery.

    Attributes:
        name: file name.
        width, height: of the small picture, in pixels.
        data: the small picture as a base64 ``data:`` address.
        rank: 0 for the worst.
        summary: one line below it.
        views: what is shown side by side.
    """

    name: str
    width: int
    height: int
    data: str
    rank: int
    summary: str
    views: tuple[View, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures of one kind.

    Attributes:
        key: ``'validation'`` or ``'unlabelled'``.
        pictures: in the order of their rank.
        total: images that they were chosen from.
        kinds: description by kind of shape, in the order of the filter.
        classes: names for the filter.
    """

    key: str
    pictures: tuple[Picture, ...]
    total: int
    kinds: Mapping[str, str]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A plain table.

    Attributes:
        title: above it; may be empty.
        header: names of the columns.
        rows: cells as text.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DataSection:
    """The sets of one or several runs, and what the check says of them.

    Attributes:
        title: names of the runs.
        tables: sets, and instances of each class.
        findings: level and text, errors first.
        notes: remarks that ask for nothing.
    """

    title: str
    tables: tuple[Table, ...]
    findings: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """Settings and environment of the runs.

    Attributes:
        main: the settings that people change.
        differences: settings that differ between runs, beside these.
        environment: software and hardware.
        configs: the whole config of each run, by its name.
    """

    main: Table
    differences: Table | None
    environment: Table
    configs: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """All that is on the page.

    Attributes:
        title: of the page.
        sentence: the result.
        details: sentences about how it was found.
        runs: names, in the order of their numbers in the charts.
        accuracy: None without a pass over the images.
        panels: charts.
        errors: rows; empty without a pass over the images.
        galleries: pictures.
        data: what the runs used.
        settings: how they ran.
        notes: what is missing from the page, and why.
        created: date and time.
        shown: names of the runs in tables and galleries, in the order of their numbers there.
    """

    title: str
    sentence: str
    details: tuple[str, ...]
    runs: tuple[str, ...]
    accuracy: Accuracy | None
    panels: tuple[Panel, ...]
    errors: tuple[ErrorRow, ...]
    galleries: tuple[Gallery, ...]
    data: tuple[DataSection, ...]
    settings: Settings
    notes: Sequence[str] = field(default_factory=tuple)
    created: str = ''
    shown: tuple[str, ...] = ()
