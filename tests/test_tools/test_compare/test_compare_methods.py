"""Which runs a comparison makes, from what they start, and what it does when called again."""

import fcntl
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpldc.datasets.shapes import ShapesSpec, make_dataset

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / 'tools/compare/compare_methods.py'
BURN_IN, STEPS = 2, 6
BEST = 0.7  # the threshold that the stand-in rewards
TIMEOUT = 240  # seconds, on a busy machine


@pytest.fixture
def base(tmp_path, shrink, monkeypatch) -> Path:
    """The quickstart's PL-DC without CLIP, small and short; its scenes are another fixture."""
    monkeypatch.setenv('MMPLDC_SHAPES', f'{tmp_path}/shapes/')
    cfg = shrink(Config.fromfile(ROOT / 'configs/quickstart/pldc.py'))
    cfg.model.refiner = None
    batch_size = dict(batch_size=4)
    cfg.merge_from_dict(
        {
            'model.burn_in_iters': BURN_IN,
            'train_cfg': dict(max_iters=STEPS, val_interval=3),
            'param_scheduler': None,
            'default_hooks.logger.interval': 1,
            'default_hooks.checkpoint.interval': 1,
            'train_dataloader': dict(**batch_size, sampler=batch_size),
        }
    )
    path = tmp_path / 'base.py'
    cfg.dump(path)
    return path


@pytest.fixture
def scenes(tmp_path) -> None:
    spec = ShapesSpec(image_size=64, objects_per_image=(3, 5))
    sizes = dict(num_labeled=40, num_train=48, num_tuning=4, num_test=3)
    make_dataset(tmp_path / 'shapes', seed=0, spec=spec, workers=1, **sizes)


@pytest.fixture
def script():
    import compare_methods

    return compare_methods


@pytest.fixture
def arguments(base, tmp_path):
    return ['--base', str(base), '--work-dir', str(tmp_path / 'work'), '--out', str(tmp_path / 'o')]


@pytest.fixture
def stand_in(script, monkeypatch):
    """Commands are not run, but noted, and leave the files that they would leave.

    Nothing is drawn: test_comparison_page.py does.
    """
    commands = []
    monkeypatch.setattr('comparison_page.draw', lambda content, path: None)

    def call(self, command, log, seed, threads):
        tool, *words = map(str, command)
        tool = tool.removeprefix(f'{ROOT}/')
        commands.append((tool, words))
        if tool == 'tools/train.py':
            work_dir = Path(words[words.index('--work-dir') + 1])
            options = dict(word.split('=', 1) for word in words[words.index('--cfg-options') + 1 :])
            (work_dir / 'log/vis_data').mkdir(parents=True, exist_ok=True)
            ap = 0.3 - abs(BEST - threshold(options))
            records = [{'step': STEPS, self.task.validated: ap}]
            records += [dict(step=step, loss=1.0, time=0.1) for step in range(60)]
            lines = '\n'.join(map(json.dumps, records))
            (work_dir / 'log/vis_data/scalars.json').write_text(lines)
            (work_dir / 'last_checkpoint').write_text('')
            for step in range(1, STEPS + 1):
                (work_dir / f'iter_{step}.pth').touch()
        elif tool == 'tools/test.py':
            test = Path(words[words.index('--work-dir') + 1]) / 'time'
            test.mkdir(parents=True, exist_ok=True)
            metrics = {key: 0.3 for key, _ in self.task.metrics.values()}
            (test / 'time.json').write_text(json.dumps(metrics))
        elif tool.endswith('label_quality.py'):
            Path(words[words.index('--out') + 1]).write_text(
                json.dumps(dict.fromkeys(self.task.qualities, 0.5))
            )
        return 2**30

    monkeypatch.setattr(script.Study, 'call', call)
    return commands


def threshold(options: dict) -> float:
    for key, value in options.items():
        if key.endswith(('class_thr', 'score_thr', 'reliability.threshold')):
            return float(value)
        if key.endswith('unreliable_share.start'):  # U2PL's: 1 - the share that counts
            return 1 - float(value)
        if key.endswith('class_range'):  # 0.10 above its lower end
            return float(value[1:5]) + 0.10
    return BEST


def run(script, monkeypatch, arguments) -> None:
    monkeypatch.setattr(sys, 'argv', ['compare_methods.py', *map(str, arguments)])
    script.main()


def trainings(commands, root: Path) -> dict[str, list[str]]:
    """By folder below the study's, the words of the call."""
    found = {}
    for tool, words in commands:
        if tool == 'tools/train.py':
            folder = str(Path(words[words.index('--work-dir') + 1]).relative_to(root))
            assert folder not in found
            found[folder] = words
    return found


# ---------------------------------------------------------------- which runs


def test_each_method_is_tuned_on_the_grid_and_run_with_its_best(
    script, stand_in, arguments, tmp_path, monkeypatch
):
    methods = ['mean_teacher', 'pldc', 'pais']
    variants = ['pldc_aaai', 'pldc_without_ddtf', 'pldc_without_pmua']
    options = ['--seeds', 1, '--grid', 0.5, 0.7, 0.85, '--cost-rounds', 1]
    options += ['--methods', *methods, *variants]
    run(script, monkeypatch, [*arguments, *options])
    runs = trainings(stand_in, tmp_path / 'work')
    tuned = {f'seed0/{name}@{t}' for name in methods for t in (0.5, 0.7, 0.85)}
    reported = {f'seed1/{name}@{BEST}' for name in (*methods, *variants)}
    costs = {f'cost/{name}@{BEST}_0' for name in (*methods, *variants)} | {'cost/supervised_0'}
    assert set(runs) == tuned | reported | costs | {'seed0/supervised', 'seed1/supervised'}
    content = json.loads((tmp_path / 'work/comparison.json').read_text())
    assert {chosen['best'] for chosen in content['chosen'].values()} == {BEST}
    setting = {name: words[-1] for name, words in runs.items()}
    assert setting[f'seed1/pldc_without_ddtf@{BEST}'] == 'model.pseudo_label_filter.score_thr=0.7'
    assert setting[f'seed1/pldc_without_pmua@{BEST}'] == 'model.pseudo_label_filter.class_thr=0.7'
    expected = 'model.class_thresholds.class_range=(0.60,0.75)'
    assert setting[f'seed1/pldc_aaai@{BEST}'] == expected
    table = (tmp_path / 'o').read_text()
    assert '| PL-DC, AAAI-26 (DF-ACAT) | 0.60 to 0.75 |' in table
    assert '| PL-DC − DDTF | 0.7 |' in table


def test_of_a_single_threshold_nothing_is_tuned(script, stand_in, arguments, tmp_path, monkeypatch):
    options = ['--methods', 'pais', '--seeds', 1, '--grid', 0.6, '--cost-rounds', 1]
    run(script, monkeypatch, [*arguments, *options])
    runs = trainings(stand_in, tmp_path / 'work')
    assert {name for name in runs if 'cost' not in name} == {'seed1/supervised', 'seed1/pais@0.6'}
    page = (tmp_path / 'o').read_text()
    assert '| PAIS | 0.6 |' in page and 'on the tuning split' not in page


def test_what_a_run_starts_from(script, stand_in, arguments, tmp_path, monkeypatch):
    methods = ['guided_distillation', 'pais', 'pldc', 'pldc_predicted_iou', 'pldc_polite_gate']
    options = ['--methods', *methods, '--seeds', 1, '--grid', BEST, '--cost-rounds', 1]
    run(script, monkeypatch, [*arguments, *options])
    runs = trainings(stand_in, tmp_path / 'work')
    supervised = tmp_path / 'work/seed1/supervised'
    resumed = {name for name, words in runs.items() if '--resume' in words and 'seed1' in name}
    assert resumed == {f'seed1/pldc@{BEST}', f'seed1/pldc_polite_gate@{BEST}'}
    boundary = str(supervised / f'iter_{BURN_IN}.pth')
    for name in resumed:
        assert runs[name][runs[name].index('--resume') + 1] == boundary
    teacher = f'default_hooks.mean_teacher.teacher_checkpoint={supervised}/iter_{STEPS}.pth'
    assert teacher in runs[f'seed1/guided_distillation@{BEST}']
    assert not any('teacher_checkpoint' in word for word in runs[f'seed1/pldc@{BEST}'])
    for words in runs.values():
        seed = re.search(r'seed(\d)', ' '.join(words)).group(1)
        assert f'randomness.seed={seed}' in words or 'cost' in ' '.join(words)
    content = json.loads((tmp_path / 'work/comparison.json').read_text())
    burn_in = {name: method['burn_in'] for name, method in content['methods'].items()}
    assert burn_in == {
        'supervised': 1.0,
        'guided_distillation': 0.0,
        'pais': 0.0,
        'pldc': BURN_IN / STEPS,
        'pldc_predicted_iou': BURN_IN / STEPS,
        'pldc_polite_gate': BURN_IN / STEPS,
    }
    needs = [name for name, method in content['methods'].items() if method['needs_teacher']]
    assert needs == ['guided_distillation']


def test_called_again_only_what_is_not_done_is_done(
    script, stand_in, arguments, tmp_path, monkeypatch
):
    options = ['--methods', 'pldc', '--seeds', 1, '--grid', BEST, '--cost-rounds', 1]
    run(script, monkeypatch, [*arguments, *options])
    work_dir = tmp_path / f'work/seed1/pldc@{BEST}'
    assert {p.name for p in work_dir.glob('iter_*')} == {'iter_2.pth', 'iter_3.pth', 'iter_6.pth'}
    first = (tmp_path / 'work/comparison.json').read_text()
    stand_in.clear()
    run(script, monkeypatch, [*arguments, *options])
    assert stand_in == [] and (tmp_path / 'work/comparison.json').read_text() == first
    (work_dir / 'finished').unlink()  # killed before it was done
    run(script, monkeypatch, [*arguments, *options])
    (words,) = trainings(stand_in, tmp_path / 'work').values()
    assert words[words.index('--resume') + 1] == '--cfg-options'  # from its own last checkpoint


def test_semantic_methods_are_run_by_the_same_rule(script, stand_in, tmp_path, monkeypatch):
    methods = ['mean_teacher', 'u2pl', 'imas', 'u2pl_without_contrast', 'imas_without_weights']
    arguments = ['--task', 'semantic', '--steps', 300, '--work-dir', tmp_path / 'work']
    arguments += ['--out', tmp_path / 'o', '--seeds', 1, 2, '--variant-seeds', 1]
    arguments += ['--grid', 0.5, BEST, '--cost-rounds', 1, '--methods', *methods]
    monkeypatch.setattr('test_compare_methods.STEPS', 300)
    run(script, monkeypatch, arguments)
    runs = trainings(stand_in, tmp_path / 'work')
    tuned = {f'seed0/{name}@{t}' for name in methods[:3] for t in (0.5, BEST)}
    reported = {f'seed{seed}/{name}@{BEST}' for name in methods[:3] for seed in (1, 2)}
    reported |= {f'seed1/{name}@{BEST}' for name in methods[3:]}
    supervised = {f'seed{seed}/supervised' for seed in (0, 1, 2)}
    costs = {f'cost/{name}@{BEST}_0' for name in methods} | {'cost/supervised_0'}
    assert set(runs) == tuned | reported | supervised | costs
    # the base's half of the steps; U2PL has another head
    boundary = str(tmp_path / 'work/seed1/supervised/iter_150.pth')
    for name in methods:
        assert (boundary in runs[f'seed1/{name}@{BEST}']) == (name != 'u2pl')
    last = {name: words[-2:] for name, words in runs.items()}
    start = 'model.reliability.unreliable_share.start=0.3'
    assert last[f'seed2/u2pl@{BEST}'][-1] == start
    assert last[f'seed2/imas@{BEST}'] == [
        f'model.reliability.threshold={BEST}', f'model.ease.threshold={BEST}'
    ]  # fmt: skip
    measured = [words for tool, words in stand_in if tool.endswith('pixel_label_quality.py')]
    assert len(measured) == 3 * 2 + 2 and all(
        words[-6:]
        == [
            '--ann-file', 'lists/unlabeled.txt', '--img-prefix', 'images/train',
            '--seg-map-prefix', 'labels/train',
        ]
        for words in measured
    )  # fmt: skip
    assert not any('clip' in ' '.join(words) for _, words in stand_in)
    page = (tmp_path / 'o').read_text()
    assert f'| iMAS | {BEST} | 0.3 ± 0.0 | 0.3 ± 0.0 |' in page  # mmsegmentation's are percent
    assert 'After 300 steps' in page and '| iMAS | 0.500 ± 0.000 |' in page
    assert 'ms a step' in page
    assert '--task semantic' in page and '--steps 300' in page
    monkeypatch.undo()
    import comparison_page

    figure = tmp_path / 'images/semantic_comparison.png'
    comparison_page.draw(json.loads((tmp_path / 'work/comparison.json').read_text()), figure)
    assert figure.exists()


def test_the_page_is_there_before_the_last_run(script, stand_in, arguments, tmp_path, monkeypatch):
    evaluate = script.Study.evaluate

    def breaks(self, work_dir, name, seed):
        if (name, seed) == ('pais', 2):
            raise SystemExit('out of time')
        return evaluate(self, work_dir, name, seed)

    monkeypatch.setattr(script.Study, 'evaluate', breaks)
    options = ['--methods', 'pais', '--seeds', 1, 2, '--grid', BEST, '--jobs', 1]
    with pytest.raises(SystemExit, match='out of time'):
        run(script, monkeypatch, [*arguments, *options])
    page = (tmp_path / 'o').read_text()
    assert '| PAIS | 0.7 | 30.0 |' in page and '| 30.0, – |' in page
    assert 'ms a step' not in page and '<!-- cost -->' in page  # not measured yet


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--seeds', '0', '1', '--tuning-seeds', '1'], 'each seed once'),
        (['--seeds', '3', '3'], 'each seed once'),
        (['--cost-steps', '5'], '--cost-steps must be at least'),
        (['--base', 'mine.py'], 'needs its own --work-dir'),
        (['--variant-seeds', '7'], 'must be some of --seeds'),
        (['--hidden', 'a.json'], '--hidden takes 2 paths here: ann-file img-prefix'),
        (['--task', 'semantic', '--hidden', 'a', 'b'], '--hidden takes 3 paths here'),
    ],
)
def test_arguments_that_make_no_sense(script, options, message, capsys):
    with pytest.raises(SystemExit):
        script.parse_args(options)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            {'model.class_thresholds': dict(type='mmpldc.ClassAwareThresholds')},
            'label_share',
        ),
        ({'default_hooks.checkpoint.interval': 4}, 'must be a multiple of'),
        (
            {'default_hooks.early_stopping': dict(type='mmpldc.EarlyStoppingHook', patience=3)},
            'early_stopping = None',
        ),
    ],
)
def test_bases_that_do_not_fit(script, arguments, base, change, message):
    cfg = Config.fromfile(base)
    cfg.merge_from_dict(change)
    cfg.dump(base)
    with pytest.raises(SystemExit, match=message):
        script.Study(script.parse_args(arguments))


def test_a_burn_in_with_weak_labels_is_not_the_supervised_runs(script, arguments, base):
    study = script.Study(script.parse_args(arguments))
    supervised = study.configs['supervised']
    assert study.task.shares_burn_in(study.configs['pldc'], supervised)
    for config in study.configs['pldc'], supervised:
        config.model.weak_labels = dict(type='mmpldc.WeakLabels')
    assert not study.task.shares_burn_in(study.configs['pldc'], supervised)


def test_base_without_clip_leaves_out_what_is_about_it(script, arguments):
    study = script.Study(script.parse_args(arguments))
    by_default = {name for name, method in study.task.methods.items() if not method.folder}
    assert by_default - set(study.methods) == {'pldc_without_dicc', 'pldc_plepi'}
    with pytest.raises(SystemExit, match=r'pldc_plepi: the base does not set model.refiner'):
        script.Study(script.parse_args([*arguments, '--methods', 'pldc_plepi']))


def test_a_part_is_compared_if_named_and_the_base_has_what_it_needs(script, arguments, base):
    study = script.Study(script.parse_args([*arguments, '--methods', 'grab_cut', 'copy_paste']))
    assert study.methods == ['supervised', 'grab_cut', 'copy_paste']
    assert study.paths['grab_cut'].parent == study.root / 'configs'
    assert study.tuned == ['pldc']  # they use its threshold
    supervised = study.configs['supervised']
    assert all(study.task.shares_burn_in(found, supervised) for found in study.configs.values())
    with base.open('a') as file:
        file.write('\nhidden = None\n')
    with pytest.raises(
        SystemExit, match='oracle_masks: the base does not set hidden, which is needed'
    ):
        script.Study(script.parse_args([*arguments, '--methods', 'oracle_masks']))


def test_a_base_of_the_other_task_and_unknown_methods(script, arguments):
    with pytest.raises(SystemExit, match='a SemiMask2Former, not a SemiSegmentor: choose another'):
        script.Study(script.parse_args([*arguments, '--task', 'semantic']))
    with pytest.raises(SystemExit, match='no such method: u2pl; there are supervised, mean_teach'):
        script.Study(script.parse_args([*arguments, '--methods', 'u2pl']))


def test_folder_of_another_base_or_of_two_processes(script, arguments, base):
    args = script.parse_args(arguments)
    args.work_dir.mkdir(parents=True)
    with (args.work_dir / '.lock').open('w') as of_other:
        fcntl.flock(of_other, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match='another comparison is running'):
            script.Study(args)
    script.Study(script.parse_args(arguments))
    with pytest.raises(
        SystemExit, match=r'started with other settings \(num_images is 3 now, was 500\)'
    ):
        script.Study(script.parse_args([*arguments, '--num-images', '3']))
    cfg = Config.fromfile(base)
    cfg.model.unsup_weight = 3.0
    cfg.dump(base)
    with pytest.raises(SystemExit, match=r'started with other settings \(model\.'):
        script.Study(script.parse_args(arguments))


def test_runs_of_another_config_are_not_taken_for_this_ones(
    script, stand_in, arguments, monkeypatch
):
    options = ['--methods', 'pais', '--seeds', 1, '--grid', BEST, '--cost-rounds', 1]
    run(script, monkeypatch, [*arguments, *options])
    import study

    experiment = study.experiment

    def changed(config: Config) -> dict:
        found = experiment(config)
        if config.model.burn_in_iters == 0:  # PAIS's
            found['model'] = dict(found['model'], unsup_weight=3.0)
        return found

    monkeypatch.setattr(study, 'experiment', changed)
    with pytest.raises(
        SystemExit, match=rf'pais@{BEST} was started with other settings \(model\.unsup_weight is 3'
    ):
        run(script, monkeypatch, [*arguments, *options])


def test_a_test_set_that_is_the_tuning_split_is_said(script, stand_in, arguments, base, tmp_path):
    def written() -> str:
        with pytest.MonkeyPatch.context() as patch:
            options = ['--methods', 'pldc', '--seeds', 1, '--grid', BEST, 0.9, '--cost-rounds', 1]
            run(script, patch, [*arguments, *options])
        return (tmp_path / 'o').read_text()

    assert 'chosen on what is reported' not in written()
    cfg = Config.fromfile(base)
    cfg.test_evaluator = cfg.val_evaluator
    cfg.dump(base)
    shutil.rmtree(tmp_path / 'work')
    (tmp_path / 'o').unlink()
    assert 'chosen on what is reported' in written()


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize(
    ('grid', 'option'), [(0.05, '(0.00,0.10)'), (0.7, '(0.60,0.75)'), (0.97, '(0.87,1.00)')]
)
def test_range_of_moving_thresholds_stays_legal(script, grid, option):
    task = script.TASKS['instance']
    assert task.setting('pldc_aaai', grid) == {'model.class_thresholds.class_range': option}
    assert task.setting('supervised', grid) == task.setting('pldc', None) == {}


def test_cost_is_of_training_steps_after_the_first():
    from run_records import step_cost

    records = [dict(step=step, loss=1.0, time=9.0, memory=9000) for step in range(5)]
    records += [dict(step=5, loss=1.0, time=0.2, memory=300)]
    records += [dict(step=6, loss=1.0, time=0.4, memory=100)]
    records += [{'step': 6, 'time': 50.0, 'teacher/coco/segm_mAP': 0.1}]
    found = step_cost(records, resident=7)
    assert found == dict(step=pytest.approx(0.3), memory=300 * 2**20)
    for record in records:
        record.pop('memory', None)
    assert step_cost(records, resident=7)['memory'] == 7


def test_command_leaves_out_folders_and_defaults(script):
    options = ['--work-dir', 'w', '--out', 'o', '--jobs', '1', '--seeds', '3', '4', '5']
    assert script.command_line(script.parse_args(options)) == script.COMMAND
    options += ['--methods', 'pldc', 'pais', '--base', 'b.py', '--grid', '0.5', '0.3']
    expected = f'{script.COMMAND} --methods pldc pais --grid 0.3 0.5 --base b.py'
    assert script.command_line(script.parse_args(options)) == expected


# ---------------------------------------------------------------- for real


def test_memory_is_that_of_the_command(script, arguments, tmp_path):
    study = script.Study(script.parse_args(arguments))
    # A process starts with the pages of the one that forks it: the command must need more.
    own = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = own + 2**28
    used = study.call(['-c', f"print(len(b'x' * {size}))"], tmp_path / 'log', 0, 1)
    assert size < used < size + 2**28
    assert (tmp_path / 'log').read_text() == f'{size}\n'


@pytest.fixture
def start(python):
    """Start the comparison, whose commands run by the same Python."""

    def start(arguments) -> subprocess.Popen:
        return subprocess.Popen(
            [python, SCRIPT, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


@pytest.mark.slow(longest=True)
@pytest.mark.usefixtures('scenes')
def test_comparison(start, arguments, tmp_path):
    options = ['--methods', 'guided_distillation', 'pldc', '--seeds', 1, '--grid', 0.01]
    options += ['--num-images', 4, '--jobs', 1, '--cost-steps', 10, '--cost-rounds', 1]
    process = start([*arguments, *options])
    output = process.communicate()[0]
    assert process.returncode == 0, output[-3000:]
    work_dir = tmp_path / 'work'
    for name in ('supervised', 'guided_distillation@0.01', 'pldc@0.01'):
        log = (work_dir / f'seed1/{name}/stdout.log').read_text()
        steps = [int(step) for step in re.findall(r'Iter\(train\) \[(\d)/6\]', log)]
        first = BURN_IN + 1 if name.startswith('pldc') else 1
        assert steps == list(range(first, STEPS + 1))
    found = json.loads((work_dir / 'comparison.json').read_text())
    for name, method in found['methods'].items():
        (result,) = method['runs'].values()
        assert all(-100 <= ap <= 100 for ap in result['scores'].values())
        measured = set() if name == 'supervised' else {'3', '6'}
        assert set(result.get('pseudo_labels', {})) == measured
        assert 0.001 < method['cost']['step'][0] < 60 and method['cost']['memory'] > 0
        (scalars,) = (work_dir / 'cost').glob(f'{name}*/*/vis_data/scalars.json')
        records = [json.loads(line) for line in scalars.read_text().splitlines()]
        assert [record['step'] for record in records] == list(range(STEPS + 1, STEPS + 11))
    guided = found['methods']['guided_distillation']['runs']['1']['pseudo_labels']['6']
    assert guided['kept_per_image'] > 0
    assert '| Guided Distillation | 0.01 |' in (tmp_path / 'o').read_text()


@pytest.mark.slow(longest=True)
@pytest.mark.usefixtures('scenes')
def test_told_to_stop_it_ends_its_runs_and_they_go_on(start, arguments, base, tmp_path):
    steps = 20  # of which some are left when the signal arrives
    cfg = Config.fromfile(base)
    cfg.train_cfg.update(max_iters=steps, val_interval=steps)
    cfg.dump(base)
    options = ['--methods', 'supervised', '--seeds', 1, '--jobs', 1, '--cost-steps', 10]
    process = start([*arguments, *options])
    work_dir = tmp_path / 'work/seed1/supervised'
    deadline = time.monotonic() + TIMEOUT
    while not list(work_dir.glob('iter_*.pth')):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == 128 + signal.SIGTERM
    assert not (work_dir / 'finished').exists()
    mine = [f'{work_dir}' in command for command in commands_that_run()]
    assert not any(mine)
    done = max(int(path.stem[5:]) for path in work_dir.glob('iter_*.pth'))
    assert done < steps
    process = start([*arguments, *options, '--cost-rounds', 1])
    output = process.communicate()[0]
    assert process.returncode == 0, output[-3000:]
    made = re.findall(r'Iter\(train\) \[ *(\d+)/20\]', (work_dir / 'stdout.log').read_text())
    assert [int(step) for step in made] == list(range(1, steps + 1))


def commands_that_run() -> list[str]:
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        try:
            found.append(path.read_bytes().replace(b'\0', b' ').decode(errors='replace'))
        except OSError:  # it has ended
            continue
    return found


@pytest.mark.slow
@pytest.mark.usefixtures('scenes')
def test_a_failing_run_ends_the_comparison_with_its_error(start, arguments, base):
    base.write_text(base.read_text().replace('/labeled.json', '/missing.json'))
    process = start([*arguments, '--methods', 'pldc'])
    output = process.communicate()[0]
    assert process.returncode == 1
    assert 'missing.json' in output and 'the full log is' in output
