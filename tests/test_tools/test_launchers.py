"""The shell tools: what they start, with stand-ins for python and srun."""

import socket
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
SHELL_TOOLS = sorted([*TOOLS.glob('**/*.sh'), *TOOLS.glob('**/*.sbatch')])

# Like srun: drops its own options, and starts the rest as a task of a job.
SRUN = """#!/usr/bin/env bash
printf 'srun %s\\n' "$@"
while [[ $1 == -* ]]; do shift; done
SLURM_JOB_ID=${TEST_JOB_ID:-4711} SLURM_STEP_ID=${TEST_STEP_ID:-0} exec "$@"
"""


def torchrun(*, tool: str, nnodes='1', rank='0', address='127.0.0.1', port='29500', gpus: str):
    return [
        *('python', '-m', 'torch.distributed.run'),
        *(f'--nnodes={nnodes}', f'--node-rank={rank}'),
        *(f'--master-addr={address}', f'--master-port={port}', f'--nproc-per-node={gpus}'),
        str(TOOLS / tool),
    ]


@pytest.mark.parametrize('path', SHELL_TOOLS, ids=lambda path: path.name)
def test_syntax(path):
    assert subprocess.run(['bash', '-n', path]).returncode == 0


@pytest.mark.parametrize('name', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_help_for_too_few_arguments(shell, name):
    shell.add('python')
    shell.add('srun')
    result = shell.run(name, 'config.py')
    assert result.code == 2 and result.lines == []
    assert f'bash tools/{name} ' in result.error and '#' not in result.error


# ---------------------------------------------------------------- torchrun


def test_dist_train_starts_torchrun_on_this_machine(shell):
    shell.add('python')
    result = shell.run('dist_train.sh', 'config.py', '4')
    *command, environment = result.lines
    assert command == [
        *torchrun(tool='train.py', gpus='4'),
        *('config.py', '--launcher', 'pytorch'),
    ]
    assert environment == f'PYTHONPATH={TOOLS.parent} MASTER_PORT='
    assert result.code == 0


def test_dist_train_passes_options_on_word_by_word(shell):
    shell.add('python')
    options = ['--work-dir', 'a b', '--cfg-options', 'key="[1,2]"', '--resume']
    result = shell.run('dist_train.sh', 'my config.py', '2', *options, PYTHONPATH='/elsewhere')
    *command, environment = result.lines
    expected = torchrun(tool='train.py', gpus='2')
    assert command == [*expected, 'my config.py', *options, '--launcher', 'pytorch']
    assert environment.startswith(f'PYTHONPATH={TOOLS.parent}:/elsewhere ')


def test_dist_train_on_several_machines(shell):
    shell.add('python')
    settings = dict(NNODES='3', NODE_RANK='1', MASTER_ADDR='10.0.0.7', PORT='29555')
    *command, _ = shell.run('dist_train.sh', 'config.py', '8', **settings).lines
    expected = torchrun(
        tool='train.py', nnodes='3', rank='1', address='10.0.0.7', port='29555', gpus='8'
    )
    assert command == [*expected, 'config.py', '--launcher', 'pytorch']


def test_dist_test_takes_the_checkpoint_before_the_gpus(shell):
    shell.add('python')
    args = ('config.py', 'last.pth', '2', '--out', 'predictions.pkl')
    *command, _ = shell.run('dist_test.sh', *args, PORT='29501').lines
    assert command == [
        *torchrun(tool='test.py', gpus='2', port='29501'),
        *('config.py', 'last.pth', '--out', 'predictions.pkl', '--launcher', 'pytorch'),
    ]


@pytest.mark.parametrize('name', ['dist_train.sh', 'dist_test.sh'])
def test_failure_is_passed_on(shell, name):
    shell.add('python', '#!/bin/sh\nexit 3\n')
    assert shell.run(name, 'config.py', '2', '2').code == 3


def test_a_taken_port_is_named(shell):
    shell.add('python')
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = str(other.getsockname()[1])
        result = shell.run('dist_train.sh', 'config.py', '2', PORT=port)
    assert result.code == 1 and result.lines == []
    assert f'port {port}' in result.error and 'set PORT to a free one' in result.error
    assert shell.run('dist_train.sh', 'config.py', '2', PORT=port).code == 0


def test_torchrun_takes_these_options():
    """The real parser, so that an option of ours that is renamed shows here."""
    from torch.distributed.run import parse_args

    module, *args = torchrun(tool='train.py', gpus='4', nnodes='2', rank='1', port='1234')[2:]
    parsed = parse_args([*args, 'config.py', '--launcher', 'pytorch'])
    assert module == 'torch.distributed.run'
    assert (parsed.nnodes, parsed.node_rank, parsed.nproc_per_node) == ('2', 1, '4')
    assert (parsed.master_addr, parsed.master_port) == ('127.0.0.1', 1234)
    assert parsed.training_script == str(TOOLS / 'train.py')
    assert parsed.training_script_args == ['config.py', '--launcher', 'pytorch']


def test_torchrun_passes_the_signal_of_batch_systems_on(shell, monkeypatch):
    """It would die of SIGUSR1 and leave its processes behind."""
    from torch.distributed.run import parse_args

    shell.add('python', '#!/bin/sh\necho "$PET_SIGNALS_TO_HANDLE"\n')
    (setting,) = shell.run('dist_train.sh', 'config.py', '2').lines
    monkeypatch.setenv('PET_SIGNALS_TO_HANDLE', setting)
    handled = parse_args(['train.py']).signals_to_handle.split(',')
    assert set(handled) == {'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1'}


# ---------------------------------------------------------------- Slurm

ARGS = ('part', 'job', 'config.py', 'work_dirs/a')


def slurm(shell, *options: str, **environment: str) -> tuple[list, list, str]:
    """Options of srun, the task's Python command, and the port that the task sees."""
    shell.add('srun', SRUN)
    shell.add('python')
    result = shell.run('slurm_train.sh', *ARGS, *options, **environment)
    assert result.code == 0, result.error
    srun = [line.removeprefix('srun ') for line in result.lines if line.startswith('srun -')]
    start = result.lines.index('python')
    *task, seen = result.lines[start:]
    return srun[: srun.index('-c')], task, seen.split('MASTER_PORT=')[1]


def test_slurm_train_starts_a_task_per_gpu(shell):
    options, task, _ = slurm(shell)
    assert options == [
        *('--partition=part', '--job-name=job', '--gres=gpu:8', '--ntasks=8'),
        *('--ntasks-per-node=8', '--cpus-per-task=5', '--kill-on-bad-exit=1'),
    ]
    tool = str(TOOLS / 'train.py')
    expected = ['python', '-u', tool, 'config.py', '--work-dir=work_dirs/a', '--launcher=slurm']
    assert task == expected


def test_slurm_train_takes_mmdetections_variables(shell):
    settings = dict(
        GPUS='16',
        GPUS_PER_NODE='4',
        CPUS_PER_TASK='2',
        SRUN_ARGS='--quotatype=reserved --time=1:00',
        PY_ARGS='--amp --auto-scale-lr',
    )
    options, task, _ = slurm(shell, '--cfg-options', 'key="a b"', **settings)
    assert options[2:] == [
        *('--gres=gpu:4', '--ntasks=16', '--ntasks-per-node=4', '--cpus-per-task=2'),
        *('--kill-on-bad-exit=1', '--quotatype=reserved', '--time=1:00'),
    ]
    assert task[6:] == ['--amp', '--auto-scale-lr', '--cfg-options', 'key="a b"']


@pytest.mark.parametrize(('gpus', 'per_node'), [('1', '1'), ('8', '8'), ('32', '8')])
def test_slurm_train_asks_for_no_more_gpus_than_it_uses(shell, gpus, per_node):
    options, _, _ = slurm(shell, GPUS=gpus)
    expected = [f'--gres=gpu:{per_node}', f'--ntasks={gpus}', f'--ntasks-per-node={per_node}']
    assert options[2:5] == expected


@pytest.mark.parametrize(
    ('gres', 'expected'),
    [('gpu:a100:4', ['--gres=gpu:a100:4']), ('', []), ('none', ['--gres=none'])],
)
def test_slurm_train_asks_for_what_it_is_told_to(shell, gres, expected):
    options, _, _ = slurm(shell, GPUS='4', GRES=gres)
    assert [option for option in options if option.startswith('--gres')] == expected


def test_slurm_train_derives_the_port_from_the_job(shell):
    ports = [
        int(slurm(shell, TEST_JOB_ID=job, TEST_STEP_ID=step)[2])
        for job, step in [
            ('4711', '0'),
            ('4711', '0'),
            ('4712', '0'),
            ('4711', '1'),
            ('98765432', '0'),
        ]
    ]
    assert ports[0] == ports[1]  # all tasks of a run agree
    assert len(set(ports)) == 4
    assert all(1024 < port < 32768 for port in ports)


def test_slurm_train_keeps_a_given_port(shell):
    assert slurm(shell, MASTER_PORT='23456')[2] == '23456'


# ---------------------------------------------------------------- a batch job

SBATCH_ENVIRONMENT = dict(
    SLURM_SUBMIT_DIR=str(TOOLS.parent),
    SLURM_JOB_ID='4711',
    SLURM_JOB_PARTITION='part',
    SLURM_JOB_NAME='job',
    SLURM_NTASKS='16',
    SLURM_JOB_NUM_NODES='2',
    SLURM_JOB_GPUS='0,1,2,3,4,5,6,7',
    SLURM_CPUS_PER_TASK='6',
)
BATCH_SCRIPT = ('slurm/train.sbatch', 'config.py', 'work_dirs/a', '--amp')


@pytest.mark.parametrize(
    ('code', 'is_requeued'), [(0, False), (1, False), (75, True), (143, False)]
)
def test_batch_job_is_requeued_upon_code_75_alone(shell, code, is_requeued):
    shell.add('srun', f'#!/bin/sh\necho "$@"\nexit {code}\n')
    shell.add('scontrol')
    result = shell.run(*BATCH_SCRIPT, **SBATCH_ENVIRONMENT)
    assert result.code == code
    assert ('requeue' in result.lines) == is_requeued
    started = result.lines[0]
    for option in ('--gres=gpu:8', '--ntasks=16', '--ntasks-per-node=8', '--cpus-per-task=6'):
        assert f'{option} ' in started
    assert started.endswith('config.py --work-dir=work_dirs/a --launcher=slurm --amp --resume')


def test_batch_job_without_gpus(shell):
    shell.add('srun')
    environment = {k: v for k, v in SBATCH_ENVIRONMENT.items() if k != 'SLURM_JOB_GPUS'}
    result = shell.run(*BATCH_SCRIPT, **environment)
    assert result.code == 0 and not any('gres' in line for line in result.lines)


def test_batch_job_asks_for_the_signal_that_the_run_handles():
    from mmpldc.engine.hooks import PreemptionHook

    options = (TOOLS / 'slurm/train.sbatch').read_text()
    assert '#SBATCH --signal=USR1@120\n' in options and '#SBATCH --requeue\n' in options
    assert 'SIGUSR1' in {number.name for number in PreemptionHook().signals}
