"""The page of the comparison: its numbers, and the text around its tables."""

import copy

import pytest

PSEUDO_LABELS = dict(
    kept_per_image=1.5,
    precision=0.8,
    recall=0.5,
    mask_precision=0.9,
    teacher_class_accuracy=0.85,
    class_accuracy=0.86,
    mask_iou=0.81,
)


@pytest.fixture
def page():
    import comparison_page

    return comparison_page


@pytest.fixture
def content():
    def method(title, aps, *, burn_in, step, labels=True, **more):
        runs = {
            str(seed): dict(scores=dict(AP=ap, AP50=ap + 20, AP75=ap + 5))
            for seed, ap in enumerate(aps, start=3)
        }
        if labels:
            for number, run in enumerate(runs.values()):
                shifted = {key: value + 0.1 * number for key, value in PSEUDO_LABELS.items()}
                run['pseudo_labels'] = {'5': PSEUDO_LABELS, '10': shifted}
        return (
            dict(
                title=title,
                burn_in=burn_in,
                needs_teacher=False,
                runs=runs,
                curves=[[[5, 20.0], [10, 30.0]], [[10, 40.0]]],
                cost=dict(step=step, memory=3 * 2**29),
            )
            | more
        )

    return dict(
        task='instance',
        seeds=[3, 4],
        command='python tools/compare/compare_methods.py',
        device='cpu',
        tuned_on_test=False,
        measured=[5, 10],
        chosen={'pldc': dict(scores={'0.5': 35.04, '0.85': 36.1}, best=0.85)},
        methods={
            'supervised': method(
                'supervised',
                [30.0, 32.0],
                burn_in=1.0,
                step=[0.2, 0.4],
                labels=False,
                setting={},
            ),
            'pldc': method(
                'PL-DC', [36.0, 39.0], burn_in=0.3, step=[0.3, 0.6], setting={'thr': 0.85}
            ),
            'guided_distillation': method(
                'Guided Distillation',
                [31.0, 35.0],
                burn_in=0.0,
                step=[0.4, 0.88],
                setting={},
                needs_teacher=True,
            ),
        },
    )


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]


def test_ap_gains_are_those_of_the_same_seed(page, content):
    header, _, supervised, pldc, guided = rows(page.score_table(content))
    assert header[-1] == 'AP of seeds 3, 4'
    assert supervised[1:] == [
        '', '31.0 ± 1.4', '51.0 ± 1.4', '36.0 ± 1.4', '', '30.0, 32.0'
    ]  # fmt: skip
    # +6 and +7
    assert pldc[1:] == [
        '0.85', '37.5 ± 2.1', '57.5 ± 2.1', '42.5 ± 2.1', '6.5 ± 0.7', '36.0, 39.0'
    ]  # fmt: skip
    assert guided[1] == '' and guided[5] == '2.0 ± 1.4'


def test_semantic_gains_are_over_both_references_and_shared_seeds(page):
    def method(title, scores):
        runs = {seed: dict(scores={'mIoU': s, 'pixel accuracy': 90.0}) for seed, s in scores}
        return dict(title=title, setting={'thr': 0.8, 'other': 0.8}, runs=runs)

    content = dict(
        task='semantic',
        seeds=[3, 4, 5],
        methods=dict(
            supervised=method('supervised', [('3', 40.0), ('4', 50.0), ('5', 60.0)]),
            mean_teacher=method('mean teacher', [('3', 44.0), ('4', 50.0)]),
            imas=method('iMAS', [('3', 45.0), ('4', 53.0)]),
            variant=method('variant', [('3', 41.0)]),
        ),
    )
    header, _, supervised, teacher, imas, variant = rows(page.score_table(content))
    assert header[2:] == [
        'mIoU', 'pixel accuracy', 'mIoU over supervised', 'mIoU over mean teacher',
        'mIoU of seeds 3, 4, 5',
    ]  # fmt: skip
    assert supervised[4:] == ['', '-2.0 ± 2.8', '40.0, 50.0, 60.0']  # 40 - 44 and 50 - 50
    assert teacher[4:] == ['2.0 ± 2.8', '', '44.0, 50.0, –']
    assert imas[1:] == [
        '0.8',
        '49.0 ± 5.7',
        '90.0 ± 0.0',
        '4.0 ± 1.4',
        '2.0 ± 1.4',
        '45.0, 53.0, –',
    ]
    assert variant[2:] == ['41.0', '90.0', '1.0', '-3.0', '41.0, –, –']


def test_training_time_counts_burn_in_and_a_teacher(page, content):
    content['measured'] = [1000, 2000]
    _, _, supervised, pldc, guided = rows(page.cost_table(content))
    assert supervised[1:] == ['300', '1.00 (1.00 to 1.00)', '1.00', '10.0', '1.50']
    # 0.3 of the steps cost 1, 0.7 of them 1.5
    assert pldc[1:] == ['450', '1.50 (1.50 to 1.50)', '1.35', '13.5', '1.50']
    # 2.1 a step, and the teacher's whole training
    assert guided[1:] == ['640', '2.10 (2.00 to 2.20)', '3.10', '31.0', '1.50']


def test_pseudo_labels_are_of_the_step_and_of_methods_that_make_some(page, content):
    header, _, pldc, guided = rows(page.pseudo_label_table(content, '10'))
    assert pldc[:2] == ['PL-DC', '1.55 ± 0.07'] and guided[0] == 'Guided Distillation'
    assert rows(page.pseudo_label_table(content, '5'))[2][1] == '1.50 ± 0.00'
    assert pldc[header.index('class right, corrected')] == '0.910 ± 0.071'


def test_best_threshold_is_marked(page, content):
    header, _, pldc = rows(page.threshold_table(content))
    assert header[1:] == ['0.5', '0.85'] and pldc == ['PL-DC', '35.0', '**36.1**']


def test_one_seed_has_no_deviation(page):
    assert page.mean_and_deviation([30.0], 1) == '30.0'


def test_text_around_the_tables_stays(page, content, tmp_path):
    path = tmp_path / 'comparison.md'
    path.write_text('# Title\n\n<!-- ap -->\noutdated\n<!-- /ap -->\n\nWhat it means.\n')
    page.write_page(content, path)
    written = path.read_text()
    assert written.startswith('# Title') and written.endswith('What it means.\n')
    assert 'outdated' not in written and page.score_table(content) in written
    assert 'ms a step' not in written  # the page has no place for it
    changed = copy.deepcopy(content)
    changed['methods']['pldc']['title'] = 'another'
    page.write_page(changed, path)
    assert '| another |' in path.read_text() and '| PL-DC |' not in path.read_text()
    assert (tmp_path / 'images/comparison.png').stat().st_size > 10_000


def test_new_page_has_all_tables(page, content, tmp_path):
    path = tmp_path / 'new/comparison.md'
    page.write_page(content, path)
    written = path.read_text()
    for table in (
        page.score_table(content),
        page.threshold_table(content),
        page.cost_table(content),
    ):
        assert table in written
    assert 'After 5 steps' in written and 'After 10 steps' in written
