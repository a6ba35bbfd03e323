"""What the checks found, and what is in the sets, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from .annotations import Contents
from .config import DataSet
from .findings import Finding, count
from .label_map_contents import LabelMapSummary


@dataclass(frozen=True)
class Report:
    """Result of the checks.

    Attributes:
        sets: each set with what is in its file, None if that cannot be read.
        findings: warnings and errors.
        notes: remarks that ask for nothing.
        label_maps: what is in each set that has label maps.
    """

    sets: tuple[tuple[DataSet, Contents | None], ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    label_maps: tuple[LabelMapSummary, ...] = ()

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == 'error']

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == 'warning']

    def markdown(self, *, warned_before: int = 0) -> str:
        """Tables of images and classes, notes, warnings, and errors last.

        Args:
            warned_before: warnings that were printed already and are no findings of this report.
        """
        lines = []
        if self.sets or not self.label_maps:
            lines += _table(COLUMNS, [_row(data, contents) for data, contents in self.sets])
        per_class = self._per_class()
        if per_class:
            lines += ['', *per_class]
        if self.label_maps:
            lines += [''] * bool(lines) + self._of_label_maps()
        for title, entries in (
            ('Notes', self.notes),
            ('Warnings', self.warnings),
            ('Errors', self.errors),
        ):
            if entries:
                lines += ['', f'## {title}', '', *(f'- {entry}' for entry in entries)]
        total = count(len(self.warnings) + warned_before, 'warning')
        before = f' ({warned_before} of them before the tables)' if warned_before else ''
        lines += ['', f'{count(len(self.errors), "error")}, {total}{before}']
        return '\n'.join(lines)

    def _per_class(self) -> list[str]:
        """Instances of each class in the annotated sets."""
        annotated = [
            (data, contents)
            for data, contents in self.sets
            if contents is not None and any(contents.instances.values())
        ]
        names = dict.fromkeys(
            name for data, contents in annotated for name in (data.classes or contents.instances)
        )
        rows = [
            [name, *(str(contents.instances.get(name, '-')) for _, contents in annotated)]
            for name in names
        ]
        return _table(['class', *(data.name for data, _ in annotated)], rows) if rows else []

    def _of_label_maps(self) -> list[str]:
        """Images and label maps of each set, and the share of each class in the labelled pixels."""
        lines = _table(
            ['set', 'images', 'label maps read', 'pixels without label'],
            [
                [of.name, str(of.num_images), str(of.num_read), f'{of.unlabeled_share:.1%}']
                for of in self.label_maps
            ],
        )
        read = [of for of in self.label_maps if of.num_read]
        if not read:
            return lines
        names = read[0].classes
        shares = [of.pixels[: len(names)] / max(1, of.pixels[: len(names)].sum()) for of in read]
        rows = [
            [name, *(f'{share[label]:.2%}' for share in shares)] for label, name in enumerate(names)
        ]
        return [*lines, '', *_table(['class', *(of.name for of in read)], rows)]


COLUMNS = ['set', 'images', 'with instances', 'instances', 'small', 'medium', 'large', 'crowds']


def _row(data: DataSet, contents: Contents | None) -> list[str]:
    if contents is None:
        return [data.name] + ['?'] * (len(COLUMNS) - 1)
    numbers = (
        len(contents.image_ids),
        int(contents.annotated.sum()),
        sum(contents.by_area),
        *contents.by_area,
        contents.num_crowds,
    )
    return [data.name, *map(str, numbers)]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table that is aligned, so that it reads well in a terminal too."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *others = (cells[0].ljust(widths[0]), *cells[1:])
        aligned = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        return f'| {" | ".join([first, *aligned])} |'

    return [line(header), line(rule), *map(line, rows)]
