"""Lay a report out as one HTML file that needs nothing else."""

import base64
import hashlib
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from mmpldc.evaluation.bootstrap import Interval
from mmpldc.utils.files import atomic_write

from .contents import Report

NEEDS_JINJA = (
    "the report needs jinja2: pip install 'mmpldc[report]', or in a checkout "
    "'bash tools/setup_env.sh'"
)
STYLES = ('uplot/uPlot.min.css', 'report.css')
SCRIPTS = ('uplot/uPlot.iife.min.js', 'charts.js', 'gallery.js')
LICENSE = 'uplot/LICENSE'  # of the charts' library, which the page contains


def write_page(report: Report, path: Path) -> int:
    """Write the page.

    Args:
        report: its content.
        path: of the HTML file.

    Returns:
        Its size in bytes.

    Raises:
        SystemExit: if jinja2 is not installed.
    """
    content = render(report).encode(errors='replace')
    with atomic_write(path, 'wb') as file:
        file.write(content)
    return len(content)


def render(report: Report) -> str:
    """Return the page as HTML.

    Names of classes, files and runs are escaped. The page's own rules (Content-Security-Policy) let
    the browser run no other scripts than these and ask no server for anything.

    Raises:
        SystemExit: if jinja2 is not installed.
    """
    licence = f'/*! uPlot\n{_asset(LICENSE)}*/\n'
    scripts = [licence * (name == SCRIPTS[0]) + _asset(name) for name in SCRIPTS]
    return template().render(
        report=report,
        data=dict(panels=_panels(report), galleries=[asdict(one) for one in report.galleries]),
        styles=[_asset(name) for name in STYLES],
        scripts=scripts,
        hashes=[_sha256(script) for script in scripts],
        most=_most(report),
    )


def template() -> Any:
    """Return jinja2's template of the page.

    Raises:
        SystemExit: if jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise SystemExit(NEEDS_JINJA) from None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('mmpldc.report'),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= dict(interval=_interval, signed=_signed, decided=_is_decided)
    return environment.get_template('page.html')


def _asset(name: str) -> str:
    return (resources.files('mmpldc.report') / 'templates' / name).read_text()


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _panels(report: Report) -> list[dict]:
    """Charts with one list of iterations for all of their curves, as uPlot takes them."""
    panels = []
    for panel in report.panels:
        steps = sorted({step for series in panel.series for step in series.points})
        panels.append(
            dict(
                key=panel.key,
                title=panel.title,
                steps=steps,
                marks=[dict(step=mark.step, run=mark.run) for mark in panel.marks],
                series=[
                    dict(
                        name=series.name,
                        run=series.run,
                        dash=series.dash,
                        values=[series.points.get(step) for step in steps],
                    )
                    for series in panel.series
                ],
            )
        )
    return panels


def _most(report: Report) -> float:
    """The largest end of an interval of costs, which is the end of their bars."""
    ends = [max(cost.value, cost.high) for row in report.errors for cost in row.costs]
    return max((end for end in ends if end > 0), default=100)


def _interval(value: Interval) -> str:
    """``'38.3'``, with the interval in brackets if it is known; a dash if undefined."""
    if value.value != value.value:
        return '-'
    if value.low != value.low:
        return f'{value.value:.1f}'
    return f'{value.value:.1f} [{value.low:.1f}, {value.high:.1f}]'


def _signed(value: Interval) -> str:
    """As :func:`_interval`, with signs."""
    if value.value != value.value:
        return '-'
    if value.low != value.low:
        return f'{value.value:+.1f}'
    return f'{value.value:+.1f} [{value.low:+.1f}, {value.high:+.1f}]'


def _is_decided(value: Interval) -> bool:
    """Whether the interval leaves 0 out."""
    return value.low > 0 or value.high < 0
