"""Joining a process group without a GPU, from the variables of each launcher, and leaving it."""

import os
import socket
import subprocess
from datetime import timedelta

import pytest
import torch.distributed
from mmengine.config import Config

from mmpldc.engine.distributed import join_ranks_on_cpu

LAUNCHERS = {
    'pytorch': dict(RANK='3', WORLD_SIZE='8', LOCAL_RANK='1'),
    'slurm': dict(SLURM_PROCID='3', SLURM_NTASKS='8', SLURM_LOCALID='1'),
    'mpi': dict(OMPI_COMM_WORLD_RANK='3', OMPI_COMM_WORLD_SIZE='8', OMPI_COMM_WORLD_LOCAL_RANK='1'),
}
RENDEZVOUS = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')
SLURM_NODES = ('SLURM_NODELIST', 'SLURM_STEP_NODELIST')


@pytest.fixture
def join(monkeypatch):
    """Join with a launcher's variables; gives what ``torch.distributed`` finds and is given."""
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')
    for name in (*RENDEZVOUS, *SLURM_NODES, *(n for names in LAUNCHERS.values() for n in names)):
        monkeypatch.setenv(name, '')  # so that what is set below is undone
        monkeypatch.delenv(name)

    def join(cfg: Config, **environment: str):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        joined = []
        monkeypatch.setattr(
            torch.distributed, 'init_process_group', lambda **options: joined.append(options)
        )
        join_ranks_on_cpu(cfg)
        found = {name: os.environ[name] for name in RENDEZVOUS if name in os.environ}
        return found, joined

    return join


def config(launcher: str, **settings) -> Config:
    dist_cfg = dict(backend='nccl', timeout=1800)
    return Config(dict(launcher=launcher, env_cfg=dict(dist_cfg=dist_cfg)) | settings)


@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_launchers_variables(join, launcher):
    environment = LAUNCHERS[launcher] | dict(MASTER_ADDR='node7', MASTER_PORT='12345')
    cfg = config(launcher)
    found, joined = join(cfg, **environment)
    assert found == dict(
        RANK='3', WORLD_SIZE='8', LOCAL_RANK='1', MASTER_ADDR='node7', MASTER_PORT='12345'
    )
    assert joined == [dict(backend='gloo', timeout=timedelta(minutes=30))]
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=False,
    )
    assert cfg.env_cfg.dist_cfg.backend == 'nccl'  # a resumed run may have a GPU


def test_settings_of_the_config_stay(join):
    environment = LAUNCHERS['pytorch'] | dict(MASTER_ADDR='node7')
    cfg = config('pytorch', find_unused_parameters=True)
    join(cfg, **environment)
    assert cfg.model_wrapper_cfg.find_unused_parameters
    own = dict(type='Own')
    cfg = config('pytorch', model_wrapper_cfg=own)
    join(cfg, **environment)
    assert cfg.model_wrapper_cfg == own
    cfg = Config(dict(launcher='pytorch'))
    assert join(cfg, **environment)[1] == [dict(backend='gloo')]


@pytest.mark.parametrize('step_nodes', [None, 'b[1-2]'])
def test_slurm_names_the_first_node(join, step_nodes, tmp_path, monkeypatch):
    """Of the step where that is a part of the job."""
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text(
        '#!/bin/sh\n[ "$1 $2" = "show hostnames" ] && echo "first_of_$3" && echo x\n'
    )
    scontrol.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}:/usr/bin:/bin')
    nodes = dict(SLURM_NODELIST='a[1-4]')
    if step_nodes:
        nodes['SLURM_STEP_NODELIST'] = step_nodes
    found, _ = join(config('slurm'), **LAUNCHERS['slurm'], **nodes)
    assert found['MASTER_ADDR'] == f'first_of_{step_nodes or "a[1-4]"}'
    assert found['MASTER_PORT'] == '29500'


FAILING = {
    'missing': None,
    'failing': '#!/bin/sh\necho "slurm_load_node: no host" >&2\nexit 1\n',
    'empty': '#!/bin/sh\n',
}


@pytest.mark.parametrize('kind', FAILING)
@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_without_scontrol_the_address_is_asked_for(join, kind, device, tmp_path, monkeypatch):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', device)
    if FAILING[kind]:
        (tmp_path / 'scontrol').write_text(FAILING[kind])
        (tmp_path / 'scontrol').chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path) if kind == 'missing' else f'{tmp_path}:/usr/bin:/bin')
    with pytest.raises(SystemExit, match=r'scontrol .*: set MASTER_ADDR to .* of n1$'):
        join(config('slurm'), **LAUNCHERS['slurm'], SLURM_STEP_NODELIST='n1')


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_a_taken_port_is_named(join, device, monkeypatch):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', device)
    with socket.socket() as other:
        other.bind(('', 0))
        other.listen()
        port = str(other.getsockname()[1])
        environment = dict(
            MASTER_ADDR='localhost', MASTER_PORT=port, RANK='0', WORLD_SIZE='2', LOCAL_RANK='0'
        )
        with pytest.raises(SystemExit, match=f'port {port}, .*: another run may use it'):
            join(config('pytorch'), **environment)
        # torchrun's agent has opened it for its processes, and another rank opens none
        monkeypatch.setenv('TORCHELASTIC_USE_AGENT_STORE', 'True')
        join(config('pytorch'), **environment)
        monkeypatch.delenv('TORCHELASTIC_USE_AGENT_STORE')
        join(config('pytorch'), **environment | dict(RANK='1'))


@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_missing_variables_are_named(join, launcher):
    first, *_ = LAUNCHERS[launcher]
    with pytest.raises(SystemExit, match=f'--launcher {launcher}: {first}, .* not set'):
        join(config(launcher))


@pytest.mark.parametrize('launcher', ['pytorch', 'mpi'])
def test_missing_address_is_named(join, launcher):
    with pytest.raises(SystemExit, match='set MASTER_ADDR'):
        join(config(launcher), **LAUNCHERS[launcher])


def test_with_an_accelerator_it_is_left_to_mmengine(join, monkeypatch):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cuda')
    cfg = config('pytorch')
    assert join(cfg) == ({}, []) and 'model_wrapper_cfg' not in cfg


def test_a_single_process_joins_nothing(join):
    cfg = config('none')
    assert join(cfg) == ({}, []) and 'model_wrapper_cfg' not in cfg


RUN = """
import atexit, os, sys
import torch
from torch import distributed
from mmpldc.engine.distributed import leave_ranks_at_exit

def print_threads():
    print(len(os.listdir('/proc/self/task')))

def run(path, code):
    print_threads()
    distributed.init_process_group('gloo', rank=0, world_size=1, init_method=f'file://{path}')
    distributed.new_group(backend='gloo')
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    model.runner = dict(model=model)  # a cycle
    distributed.all_reduce(torch.zeros(1))
    print_threads()
    if code == 'error':
        raise ValueError('broken on purpose')
    sys.exit(int(code))

atexit.register(print_threads)
leave_ranks_at_exit()
run(*sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('code', 'left'), [('0', True), (str(os.EX_TEMPFAIL), True), ('error', False)]
)
def test_groups_and_their_threads_end_before_python_does(tmp_path, python, code, left):
    """A thread of gloo that outlives Python aborts the process; after an error nobody waits."""
    done = subprocess.run(
        [python, '-c', RUN, str(tmp_path / 'store'), code],
        # a rank, whose Python ends as it usually does
        env=os.environ | dict(RANK='0', CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
    )
    counts = [int(line) for line in done.stdout.splitlines() if line.isdecimal()]
    before, during, after = counts
    assert before < during
    assert after == (before if left else during)
    assert done.returncode == (1 if code == 'error' else int(code)), done.stderr
