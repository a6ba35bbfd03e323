"""Pictures and curves are written, with the right content where that can be told."""

import json

import cv2
import numpy as np
import pytest

from mmpldc.visualization import (
    draw_instances,
    draw_uncertainty,
    plot_confusion_matrix,
    plot_curves,
    plot_error_types,
    plot_quality_against_iou,
    read_scalars,
    save_grid,
)
from mmpldc.visualization.analysis import MAX_POINTS, binned_mean, most_confused_classes

STYLE = dict(classes=('a', 'b'), palette=[(255, 0, 0), (0, 0, 255)])


def test_instances_are_tinted_in_their_colour_and_nothing_else_changes():
    image = np.full((64, 64, 3), 100, np.uint8)
    mask = np.zeros((1, 64, 64), bool)
    mask[0, 40:60, 10:50] = True
    drawn = draw_instances(image, mask, np.array([1]), **STYLE)
    assert drawn.shape == (256, 256, 3)
    red, _, blue = drawn[4 * 55, 4 * 45]
    assert blue > 100 > red
    assert (drawn[:64] == 100).all()
    assert (image == 100).all()


def test_no_instances_leave_the_image():
    image = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    drawn = draw_instances(image, np.zeros((0, 300, 300), bool), np.zeros(0, int), **STYLE)
    np.testing.assert_array_equal(drawn, image)


def test_uncertain_pixels_are_brighter():
    uncertainty = np.zeros((256, 256), np.float32)
    uncertainty[100:150] = 1
    drawn = draw_uncertainty(np.full((256, 256, 3), 90, np.uint8), uncertainty)
    assert drawn[120].mean() > 2 * drawn[10].mean()


def test_grid(tmp_path):
    picture = np.full((20, 300, 3), (10, 200, 30), np.uint8)
    save_grid(tmp_path / 'new' / 'grid.png', {'first': [picture] * 2, 'second': [picture] * 2})
    grid = cv2.imread(str(tmp_path / 'new' / 'grid.png'))
    assert grid.shape == (2 * (30 + 28), 2 * 308, 3)
    assert grid[30 + 14, 150].tolist() == [30, 200, 10]  # BGR


def write_log(folder, records):
    path = folder / 'vis_data' / 'scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(record) + '\n' for record in records))


def test_scalars_of_a_resumed_run(tmp_path):
    write_log(tmp_path / '1', [dict(step=5, loss=1.0), dict(step=10, loss=2.0), dict(lr=1)])
    write_log(tmp_path / '2', [dict(step=10, loss=3.0), {'step': 10, 'teacher/coco/segm_mAP': 0.5}])
    records = read_scalars(tmp_path)
    assert [(r['step'], r.get('loss')) for r in records] == [(5, 1.0), (10, 3.0), (10, None)]


def test_scalars_that_were_cut_off(tmp_path):
    """By a full disk or a power failure; a resumed run goes on in another file."""
    write_log(tmp_path / '1', [dict(step=5, loss=1.0)])
    with (tmp_path / '1/vis_data/scalars.json').open('ab') as file:
        file.write(b'7\n{"step": 10, "lo\xff')
    write_log(tmp_path / '2', [dict(step=10, loss=3.0)])
    assert [record['loss'] for record in read_scalars(tmp_path)] == [1.0, 3.0]


def test_scalars_of_a_folder_without_a_run(tmp_path):
    with pytest.raises(FileNotFoundError, match='is it the work directory of a run'):
        read_scalars(tmp_path)


def test_curves(tmp_path):
    runs = dict(one=[dict(step=1, x=0.1), dict(step=2, x=0.3)], other=[dict(step=1, y=1.0)])
    plot_curves(tmp_path / 'curves.png', runs, {'left': ['x'], 'right': ['x', 'y']})
    height, width, _ = cv2.imread(str(tmp_path / 'curves.png')).shape
    assert width > 2 * height


@pytest.mark.parametrize('count', [0, 1, 40, MAX_POINTS + 1])
@pytest.mark.filterwarnings('error')
def test_quality_against_iou(tmp_path, count):
    rng = np.random.default_rng(0)
    qualities = {name: rng.random(count) for name in ('score', 'class', 'mask')}
    correlations = dict(score=0.5, mask=-0.5) | {'class': float('nan')}
    path = tmp_path / 'new' / 'quality.png'
    plot_quality_against_iou(path, rng.random(count), qualities, correlations)
    height, width, _ = cv2.imread(str(path)).shape
    assert width > 2.5 * height


def test_binned_mean():
    quality, iou = np.array([0.9, 0.1, 0.5, 0.3]), np.array([1.0, 0.2, 0.5, 0.4])
    bins = binned_mean(quality, iou, num_bins=2)
    np.testing.assert_allclose(bins, [[0.2, 0.7], [0.3, 0.75]])
    np.testing.assert_allclose(binned_mean(quality, iou), [np.sort(quality), np.sort(iou)])
    assert [len(values) for values in binned_mean(quality[:0], iou[:0])] == [0, 0]


# a is taken for d once, c for b twice; missed objects and false alarms do not count
CONFUSIONS = np.array(
    [[5, 0, 0, 1, 9], [0, 7, 0, 0, 9], [0, 2, 3, 0, 0], [0, 0, 0, 0, 0], [9, 0, 9, 0, 0]]
)


@pytest.mark.parametrize(
    ('count', 'expected'), [(2, [1, 2]), (3, [0, 1, 2]), (9, [0, 1, 2, 3]), (None, [0, 1, 2, 3])]
)
def test_most_confused_classes(count, expected):
    assert most_confused_classes(CONFUSIONS, count) == expected


def test_confusion_matrix_shows_some_classes_or_all(tmp_path):
    sides = []
    for max_classes in (2, None):
        path = tmp_path / f'{max_classes}.png'
        plot_confusion_matrix(path, CONFUSIONS, 'abcd', max_classes=max_classes)
        sides.append(cv2.imread(str(path)).shape[0])
    assert sides[0] < sides[1]
    many = np.eye(41, dtype=int)
    plot_confusion_matrix(tmp_path / 'many.png', many, [f'class {i}' for i in range(40)])
    assert cv2.imread(str(tmp_path / 'many.png')).shape[0] > sides[1]


def test_error_types_of_several_runs(tmp_path):
    shares = dict(correct=0.7, other=0.3)
    for count in (1, 12):
        plot_error_types(tmp_path / f'{count}.png', {f'run {i}': shares for i in range(count)})
    one, twelve = (cv2.imread(str(tmp_path / f'{count}.png')).shape for count in (1, 12))
    assert one[1] < twelve[1] and one[0] == twelve[0]
