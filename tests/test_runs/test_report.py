"""The report of real runs, from the command line: numbers, the kept pass, what is missing."""

import gzip
import json
import re

import pytest

from mmpldc.report import Options, collect, open_runs
from mmpldc.report.live import ReportHook

pytestmark = pytest.mark.slow


def quick(runs, **options):
    """Collect on the CPU and return what was said as well."""
    said = []
    return collect(open_runs(runs), Options(**options), say=said.append), said


def test_report_of_two_runs(run, load_config, run_tool, tmp_path):
    folders = [tmp_path / name for name in ('supervised', 'pldc')]
    for folder in folders:
        cfg = load_config(folder.name)
        cfg.val_cfg.student_interval = 1
        run(cfg, work_dir=folder)
    page = tmp_path / 'pages' / 'report.html'
    printed = run_tool('report.py', *folders, '--out', page, cwd=tmp_path)
    assert 'pldc: teacher on 8 unlabelled images' in printed
    sentence = re.search(r'\n(.*AP [\d.]+ \(pldc\) against .*)\n', printed).group(1)
    assert sentence.split(':')[0] in page.read_text()

    # the second time nothing is predicted, and the numbers are those that the runs have logged
    report, said = quick(folders)
    assert not any('images' in line for line in said if line.startswith('pldc: teacher'))
    assert report.sentence == sentence
    logged = [open_runs([folder])[0].records for folder in folders]
    values = dict(zip(report.accuracy.columns, report.accuracy.rows[0].values, strict=True))
    for column, value in values.items():
        if not column.is_difference:
            key = f'{column.network}/coco/segm_mAP'
            expected = [record[key] for record in logged[column.run] if key in record][-1]
            assert value.value == pytest.approx(100 * expected, abs=0.06)  # logged with 3 digits
    assert sum(column.is_difference for column in values) == 1

    validation, unlabelled = report.galleries
    assert (len(validation.pictures), validation.total) == (4, 4)
    assert [view.title for view in validation.pictures[0].views] == ['Truth', 'supervised', 'pldc']
    assert (len(unlabelled.pictures), unlabelled.total) == (8, 8)
    assert {panel.key for panel in report.panels} >= {'accuracy', 'loss', 'count', 'weights'}
    tables = {table.title: table for part in report.data for table in part.tables}
    assert 'Sets' in tables
    assert report.settings.differences.rows

    # labels that the report calls kept are those that training would use
    kept = [
        label
        for image in json.loads(
            gzip.decompress((folders[1] / 'report' / 'predictions.json.gz').read_bytes())
        )['found']['unlabelled']
        for label in image['labels']
        if label['reason'] == 'kept'
    ]
    assert kept
    assert all(label['class_quality'] >= label['thresholds']['class'] for label in kept)

    # another checkpoint, or a damaged file, is looked at anew
    (folders[1] / 'last_checkpoint').write_text('iter_3.pth')
    _, said = quick(folders[1:])
    assert 'pldc: teacher on 4 validation images' in said
    (folders[1] / 'report' / 'predictions.json.gz').write_bytes(b'no gzip')
    report, said = quick(folders[1:], num_images=3, pictures=2, unlabelled=0)
    assert 'pldc: teacher on 3 validation images' in said
    assert [len(gallery.pictures) for gallery in report.galleries] == [2]

    report, said = quick(folders, inference=False)
    assert said == []
    assert (report.accuracy, report.galleries) == (None, ())
    assert 'no-inference' in report.notes[0]
    assert report.sentence.startswith('supervised: teacher AP')

    # without a checkpoint and without a log there is still a page
    for path in [*folders[1].glob('*.pth'), *folders[1].glob('*/vis_data/scalars.json')]:
        path.unlink()
    report, _ = quick(folders)
    assert report.shown == ('supervised',)
    assert len(report.notes) == 3


def test_the_page_is_rewritten_at_each_validation(run, load_config, tmp_path, monkeypatch):
    pages = []

    class Keep(ReportHook):
        def after_val_epoch(self, runner, metrics=None):
            super().after_val_epoch(runner, metrics)
            pages.append((tmp_path / 'work_dir' / 'report.html').read_text())
            monkeypatch.setattr('mmpldc.report.live.make_panels', refuse)

    def refuse(runs):
        raise OSError('the disk is full')

    run(load_config('supervised'), hooks=[Keep()])
    assert 'at iteration 2.' in pages[0]
    assert pages[1] == pages[0]  # the second could not be written, and training went on
