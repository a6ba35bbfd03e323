"""Join and leave the process groups of a distributed run where mmengine does not.

mmengine's launchers do not support machines without a GPU, and mmengine never destroys the process
groups.
"""

import atexit
import gc
import os
import socket
import subprocess
import sys
from datetime import timedelta

import torch.distributed.nn  # noqa: F401  imported later, its functions' defaults would keep a group alive
from mmengine.config import Config
from mmengine.device import get_device
from torch import distributed

# Variables of each launcher: a process's rank, the number of processes, its rank on its machine.
VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
    'mpi': (
        'OMPI_COMM_WORLD_RANK',
        'OMPI_COMM_WORLD_SIZE',
        'OMPI_COMM_WORLD_LOCAL_RANK',
    ),
}
DEFAULT_PORT = '29500'


def join_ranks_on_cpu(cfg: Config) -> None:
    """Join the process group on a machine without an accelerator; otherwise leave it to mmengine.

    mmengine's launchers always select a CUDA device. Call this function before the Runner is built:
    the Runner uses an existing process group.

    Args:
        cfg: ``launcher`` and ``env_cfg.dist_cfg`` are read, except ``backend``, which is gloo;
            ``model_wrapper_cfg`` is set unless the config has one.

    Raises:
        SystemExit: if the launcher's variables are missing, Slurm's nodes have no known address, or
            the port for the ranks to meet at is taken.
    """
    if cfg.launcher == 'none' or distributed.is_initialized():
        return
    if get_device() != 'cpu':
        check_rendezvous(cfg.launcher)
        return
    os.environ.update(_rendezvous(cfg.launcher))
    _refuse_taken_port()
    options = dict(cfg.get('env_cfg', {}).get('dist_cfg', {}), backend='gloo')
    if 'timeout' in options:
        options['timeout'] = timedelta(seconds=options['timeout'])
    distributed.init_process_group(**options)
    if cfg.get('model_wrapper_cfg') is None:
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )


def leave_ranks_at_exit() -> None:
    """Destroy all process groups before Python shuts down, unless an error ends the run.

    A thread of gloo lets go of a collective's tensors a moment after the collective. For that it
    needs Python. If Python shuts down within that moment, torch 2.10 aborts the process (SIGABRT),
    and the launcher reports a run that ended well as failed. Destroying a group waits for its
    threads. After an error it could wait for a rank that never answers, so groups are left alone.
    """
    atexit.register(_leave_ranks)


def _leave_ranks() -> None:
    failed = getattr(sys, 'last_value', None) is not None
    if distributed.is_initialized() and not failed:
        gc.collect()  # the groups live as long as the model, which the Runner holds in cycles
        distributed.destroy_process_group()


def check_rendezvous(launcher: str) -> None:
    """Refuse what mmengine would fail on later, with an accelerator.

    Raises:
        SystemExit: as :func:`join_ranks_on_cpu`.
    """
    if launcher == 'slurm' and 'SLURM_PROCID' in os.environ:
        os.environ.update(_rendezvous(launcher))
    _refuse_taken_port()


def _refuse_taken_port() -> None:
    """End with one line if rank 0 cannot open the port; torchrun's agent has opened its own."""
    rank = os.environ.get('RANK', os.environ.get('OMPI_COMM_WORLD_RANK', '0'))
    if rank != '0' or 'TORCHELASTIC_USE_AGENT_STORE' in os.environ:
        return
    port = int(os.environ.get('MASTER_PORT', DEFAULT_PORT))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('', port))
        except OSError as error:
            raise SystemExit(
                f'port {port}, at which the ranks meet, cannot be opened ({error.strerror}): '
                'another run may use it. Set MASTER_PORT to a free one, the same on all ranks'
            ) from None


def _first_host(nodes: str) -> str:
    """Name of the first of Slurm's nodes, a text such as ``'node[3-7]'``."""
    try:
        hosts = subprocess.run(
            ['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True
        ).stdout.split()
        problem = '' if hosts else 'it names no host'
    except FileNotFoundError:
        problem = 'there is no such command here, as in a container'
    except (subprocess.CalledProcessError, PermissionError) as error:
        problem = (getattr(error, 'stderr', '') or str(error)).strip().splitlines()[-1]
    if problem:
        raise SystemExit(
            f"--launcher slurm: 'scontrol show hostnames {nodes}' failed ({problem}): set "
            f'MASTER_ADDR to the address of the first node of {nodes or "the job"}'
        )
    return hosts[0]


def _rendezvous(launcher: str) -> dict[str, str]:
    """Translate a launcher's variables to those of ``torch.distributed``."""
    names = VARIABLES[launcher]
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise SystemExit(
            f'--launcher {launcher}: {", ".join(missing)} not set. Was this process started by '
            'torchrun (tools/dist_train.sh), srun (tools/slurm_train.sh) or mpirun?'
        )
    rank, world_size, local_rank = (os.environ[name] for name in names)
    found = dict(RANK=rank, WORLD_SIZE=world_size, LOCAL_RANK=local_rank)
    found['MASTER_PORT'] = os.environ.get('MASTER_PORT', DEFAULT_PORT)
    if 'MASTER_ADDR' in os.environ:
        return found
    if launcher != 'slurm':
        raise SystemExit(f'--launcher {launcher}: set MASTER_ADDR, the address of rank 0')
    nodes = os.environ.get('SLURM_STEP_NODELIST', os.environ.get('SLURM_NODELIST', ''))
    return found | dict(MASTER_ADDR=_first_host(nodes))
