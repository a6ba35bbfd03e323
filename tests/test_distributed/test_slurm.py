"""A batch job on a real Slurm: two nodes, interrupted by a signal, queued again, finished.

Slurm's daemons run on this machine as two nodes of one core each. That takes root, and Debian's
packages, which are installed if they are absent.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STEPS = 400
PROGRAMS = ('sbatch', 'slurmctld', 'slurmd', 'munged')
CONFIG = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobRequeue=1
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1 RealMemory=1000
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1 RealMemory=1000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def wait_for(what: str, is_true: Callable[[], object], seconds: float) -> object:
    """What ``is_true`` gives once it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := is_true():
            return found
        time.sleep(0.5)
    raise AssertionError(f'{what}: not within {seconds} seconds')


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def install() -> None:
    """Debian's packages, or skip the test and say why."""
    if os.geteuid() != 0:
        pytest.skip('a Slurm of its own needs root')
    if all(map(shutil.which, PROGRAMS)):
        return
    if not shutil.which('apt-get'):
        pytest.skip(f'needs {", ".join(PROGRAMS)}, and there is no apt-get to install them')
    environment = os.environ | dict(DEBIAN_FRONTEND='noninteractive')
    packages = ('--no-install-recommends', 'slurm-wlm', 'munge')
    for command in (['apt-get', 'update'], ['apt-get', 'install', '-y', *packages]):
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.returncode != 0:
            pytest.skip(f'{" ".join(command)} failed: {result.stderr[-500:]}')


@pytest.fixture(scope='module')
def slurm() -> Iterator[Callable[..., str]]:
    """Start a cluster of two nodes; gives a function that runs Slurm's commands."""
    install()
    # not pytest's folder: sockets have short names, and munge wants a path that all may enter
    folder = Path(tempfile.mkdtemp(prefix='slurm-'))
    folder.chmod(0o755)
    (folder / 'state').mkdir()
    (folder / 'munge.key').write_bytes(os.urandom(128))
    (folder / 'munge.key').chmod(0o600)
    host = socket.gethostname().split('.')[0]
    (folder / 'slurm.conf').write_text(CONFIG.format(host=host, folder=folder, ports=free_ports(3)))
    environment = os.environ | dict(SLURM_CONF=str(folder / 'slurm.conf'))
    daemons = []

    def start(*command: str) -> None:
        log = (folder / f'{len(daemons)}.log').open('w')
        daemons.append(
            subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        )

    def run(*command: str, cwd: Path | None = None, **variables: str) -> str:
        result = subprocess.run(
            command,
            env=environment | variables,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, (command, result.stdout, result.stderr)
        return result.stdout

    def are_idle() -> bool:
        assert all(daemon.poll() is None for daemon in daemons), 'a daemon has ended'
        states = subprocess.run(
            ['sinfo', '-h', '-N', '-o', '%T'], env=environment, capture_output=True, text=True
        )
        return states.stdout.split() == ['idle', 'idle']

    def logs() -> str:
        return '\n'.join(path.read_text()[-2000:] for path in sorted(folder.glob('*.log')))

    try:
        names = ('key-file=munge.key', 'socket=munge.sock', 'pid-file=munge.pid')
        options = [f'--{name.replace("=", f"={folder}/")}' for name in names]
        options += [f'--log-file={folder}/munge.log', f'--seed-file={folder}/munge.seed']
        start('munged', '--foreground', '--force', *options)
        wait_for('munge', (folder / 'munge.sock').exists, 20)
        start('slurmctld', '-D')
        for node in ('n1', 'n2'):
            start('slurmd', '-D', '-N', node)
        try:
            wait_for('two idle nodes', are_idle, 60)
        except AssertionError as error:
            raise AssertionError(logs()) from error
        yield run
        subprocess.run(['scancel', '--user=root'], env=environment)
        time.sleep(3)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)


class Job:
    """A job of tools/slurm/train.sbatch on two nodes, on the CPU."""

    def __init__(self, slurm: Callable[..., str], config: Path, work_dir: Path) -> None:
        self.slurm = slurm
        self.output = work_dir.with_suffix('.txt')
        self.id = slurm(
            *('sbatch', '--parsable', '--nodes=2', '--ntasks-per-node=1', '--cpus-per-task=1'),
            *('--gres=none', f'--output={self.output}', '--time=00:30:00'),
            *('tools/slurm/train.sbatch', str(config), str(work_dir)),
            cwd=ROOT,
            PATH=f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
            PYTHONPATH=str(HERE),
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            MASTER_ADDR='127.0.0.1',  # these nodes' names are known to Slurm alone
        ).strip()

    def printed(self) -> str:
        return self.output.read_text() if self.output.exists() else ''

    def field(self, name: str) -> str:
        """One of the fields that ``scontrol show job`` prints."""
        shown = self.slurm('scontrol', 'show', 'job', self.id)
        return re.search(rf'\b{name}=(\S+)', shown).group(1)

    def steps(self) -> list[int]:
        """The training steps in the log."""
        return [int(step) for step in re.findall(r'Iter\(train\) \[ *(\d+)/', self.printed())]

    def has_ended(self) -> bool:
        return self.field('JobState') in ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT')

    def wait_for(self, what: str, is_true: Callable[[], object], seconds: float) -> None:
        try:
            wait_for(what, is_true, seconds)
        except AssertionError as error:
            raise AssertionError(f'{error}; {self.printed()[-8000:]}') from error


def test_interrupted_job_is_queued_again_and_finishes(slurm, write_config, tmp_path):
    config = write_config(
        **{
            'train_cfg': dict(max_iters=STEPS, val_interval=STEPS),
            'default_hooks.checkpoint.interval': STEPS,  # so that the signal alone saves another
            'train_dataloader.num_workers': 1,
        }
    )
    work_dir = tmp_path / 'work_dir'
    job = Job(slurm, config, work_dir)
    job.wait_for('the fifth step', lambda: job.has_ended() or len(job.steps()) >= 5, 180)
    slurm('scancel', '--signal=USR1', job.id)  # to the steps, as sbatch's --signal does
    job.wait_for('requeueing', lambda: job.has_ended() or job.field('Restarts') == '1', 90)
    (saved,) = (int(path.stem.split('_')[1]) for path in work_dir.glob('iter_*.pth'))
    assert 5 <= saved < STEPS
    assert f'requeueing job {job.id}' in job.printed()

    # A job in the queue again waits for two minutes.
    job.wait_for('the queue', lambda: job.field('JobState') == 'PENDING', 60)
    # A script that has not been cleared away yet would be taken for the second run's end.
    job.wait_for('free nodes', lambda: set(slurm('sinfo', '-hNo', '%T').split()) == {'idle'}, 60)
    slurm('scontrol', 'update', f'JobId={job.id}', 'StartTime=now')
    job.wait_for('the end', job.has_ended, 300)
    assert job.field('JobState') == 'COMPLETED', job.printed()[-8000:]
    assert job.steps() == list(range(1, STEPS + 1))
    assert f'resumed epoch: 0, iter: {saved}' in job.printed()
    assert 'teacher/coco/segm_mAP' in job.printed()
    assert (work_dir / f'iter_{STEPS}.pth').exists()


def test_an_error_on_one_rank_ends_the_job_with_its_traceback(slurm, write_config, tmp_path):
    """Although the other rank does not answer to signals."""
    fault = dict(type='FaultOnRank', at_iter=2)
    hooks = [dict(fault, rank=1), dict(fault, rank=0, hang=True), dict(type='NoteTime')]
    job = Job(slurm, write_config(hooks=hooks), tmp_path / 'work_dir')
    job.wait_for('the end', job.has_ended, 240)
    ended = time.time()
    assert job.field('JobState') == 'FAILED' and job.field('Restarts') == '0'
    assert ended - float((tmp_path / 'work_dir/last_step.txt').read_text()) < 60
    assert '[rank1]: ValueError: broken on purpose' in job.printed()
