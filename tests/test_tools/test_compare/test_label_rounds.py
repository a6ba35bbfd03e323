"""Rounds of labelling: the tables by hand, and a whole study of a few steps."""

import json

import pytest
from mmengine.config import Config


def outcome(strategy, seed, number, ap, **changes):
    from label_rounds_page import Outcome

    counts = dict(kept=2, moved=3, class_changed=1, deleted=0, added=4, images=10)
    one = Outcome(
        *(strategy, seed, number, 40 + 40 * number, 100 * (1 + number), ap),
        corrections=counts if number else None,
    )
    return one._replace(**changes)


def test_page():
    from label_rounds_page import page

    outcomes = [
        *(outcome('start', seed, 0, ap) for seed, ap in ((0, 10.0), (1, 20.0))),
        *(outcome('random', seed, 1, ap) for seed, ap in ((0, 20.0), (1, 30.0))),
        *(outcome('random', seed, 2, ap) for seed, ap in ((0, 30.0), (1, 40.0))),
        *(outcome('diverse', seed, 1, ap) for seed, ap in ((0, 22.0), (1, 33.0))),
        *(outcome('diverse', seed, 2, ap) for seed, ap in ((0, 29.0), (1, 40.0))),
    ]
    lines = page(outcomes).splitlines()
    assert lines[0] == (
        '|  | AP, 40 images | AP, 80 images | AP, 120 images | images that random needs |'
    )
    # diverse ends at 34.5, which random reaches 9.5 of 10 of the way from 80 to 120
    assert lines[2] == ('| diverse | 15.0 ± 7.1 | 27.5 ± 7.8 | 34.5 ± 7.8 | 118 |')
    assert lines[3] == '| random | 15.0 ± 7.1 | 25.0 ± 7.1 | 35.0 ± 7.1 |  |'
    assert '| diverse | 2.5 ± 0.0 | 20% | 30% | 10% | 0% | 40% |' in lines
    assert lines[5:8:2] == [
        '|  | 80 images | 120 images | mean of the rounds |',
        '| diverse − random | +2.0 +3.0 (2.5 ± 0.7) | -1.0 +0.0 (-0.5 ± 0.7) | '
        '+0.5 +1.5 (1.0 ± 0.7) |',
    ]
    assert 'Seeds: 0, 1.' in lines[-1]


def test_page_of_a_part():
    """What is not done yet is left out, and pairs are of the seeds that both strategies have."""
    from label_rounds_page import page

    done = [
        *(outcome('start', seed, 0, 10.0) for seed in (0, 1)),
        *(outcome('random', seed, 1, 20.0 + seed) for seed in (0, 1)),
        outcome('random', 0, 2, 30.0),
        outcome('uncertain', 0, 1, 24.0),
    ]
    lines = page(done).splitlines()
    assert '| uncertain | 10.0 ± 0.0 | 24.0 |  | 95 |' in lines
    assert '| uncertain − random | +4.0 (4.0) |  |  |' in lines
    lines = page([one for one in done if one.strategy != 'random']).splitlines()
    assert '| uncertain | 10.0 ± 0.0 | 24.0 |  |' in lines


@pytest.mark.parametrize(
    ('ap', 'expected'), [(10, 40), (15, 60), (20, 80), (19, 76), (25, 140), (30, None), (5, None)]
)
def test_images_for_an_ap(ap, expected):
    from label_rounds_page import labels_for

    assert labels_for([(40, 10), (80, 20), (120, 18), (160, 32 - 4)], ap) == (
        pytest.approx(120 + 40 * 7 / 10) if ap == 25 else expected
    )


def test_the_annotator_is_exact():
    from label_rounds import annotate

    hidden = dict(
        images=[dict(id=n) for n in (1, 2, 3)],
        annotations=[dict(id=n, image_id=1 + n % 3) for n in range(6)],
        categories=[dict(id=1, name='disc')],
    )
    found = annotate(dict(images=[dict(id=3), dict(id=1)], annotations=[]), hidden)
    assert [image['id'] for image in found['images']] == [3, 1]
    assert {one['image_id'] for one in found['annotations']} == {1, 3}
    assert len(found['annotations']) == 4 and found['categories'] == hidden['categories']


@pytest.mark.parametrize('later', [None, 5])
def test_later_rounds_start_where_the_one_before_ended(later, tmp_path, monkeypatch):
    import label_rounds

    words = [str(tmp_path), '--steps', '20', *(['--later-steps', str(later)] if later else [])]
    monkeypatch.setattr('sys.argv', ['label_rounds.py', *words])
    study = label_rounds.Study(label_rounds.parse_args())
    labels = label_rounds.Labels(tmp_path / 'labeled.json', tmp_path / 'unlabeled.json')
    labels.labeled.write_text(json.dumps(dict(images=[], annotations=[])))
    trained = []

    def call(tool, config, *words, seed):
        folder = words[words.index('--work-dir') + 1]
        if tool == 'train.py':
            trained.append((Config.fromfile(config).train_cfg.max_iters, words[4:]))
            folder.mkdir(parents=True)
            (folder / 'last_checkpoint').write_text(f'{folder.name}.pth')
        else:
            (folder / 'one').mkdir(parents=True)
            (folder / 'one' / 'metrics.json').write_text(json.dumps({label_rounds.AP: 0.5}))

    monkeypatch.setattr(study, 'call', call)
    for strategy, number in (('start', 0), ('random', 1), ('random', 2)):
        assert study.train(strategy, 0, number, labels).ap == 50
    assert [steps for steps, _ in trained] == [20, later or 20, later or 20]
    started = [
        [one for one in options if 'load_from' in one or 'burn' in one] for _, options in trained
    ]
    then = [[f'load_from={name}.pth', 'model.burn_in_iters=0'] for name in ('start', 'random1')]
    assert started == [[], *(then if later else [[], []])]


@pytest.mark.long  # ten programs
def test_a_study_of_a_few_steps(run_tool, tmp_path):
    root = tmp_path / 'rounds'
    config = 'configs/comparison/supervised.py'
    sizes = dict(first=24, train=40, tuning=4, test=6, rounds=1, steps=4)
    words = [word for name, value in sizes.items() for word in (f'--{name}', value)]
    words += ['--per-round', 5, '--seeds', 0, '--strategies', 'diverse']
    from label_rounds import ROOT

    def study():
        return run_tool(
            'compare/label_rounds.py', root, '--config', ROOT / config, *words, cwd=tmp_path
        )

    printed = study()
    outcomes = json.loads((root / 'rounds.json').read_text())
    assert [(one['strategy'], one['round'], one['images']) for one in outcomes] == [
        ('start', 0, 24),
        ('diverse', 1, 29),
    ]
    for one in outcomes[1:]:
        labels = root / f'seed0/{one["strategy"]}1/labels'
        merged = json.loads((labels / 'labeled.json').read_text())
        everything = json.loads((root / 'data0/annotations/train_all.json').read_text())
        names = {image['id']: image['file_name'] for image in everything['images']}
        wanted = [a for a in everything['annotations'] if names[a['image_id']] in
                  {image['file_name'] for image in merged['images']}]  # fmt: skip
        assert len(merged['annotations']) == len(wanted) == one['objects']
        left = json.loads((labels / 'unlabeled.json').read_text())
        assert len(left['images']) == 40 - 29
        assert one['corrections']['images'] == 5
    assert '| diverse |' in printed
    assert 'train.py' not in study()  # everything is done
