"""A checkpoint cannot run a program, whichever way it comes in; our own are read all the same."""

import functools
import hashlib
import http.server
import os
import pickle
import re
import struct
import subprocess
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmdet.apis import init_detector
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.model import BaseModel, BaseModule
from mmengine.runner import CheckpointLoader, Runner, checkpoint, save_checkpoint

from mmpldc.models import ImageClassifierScorer, OpenCLIPScorer
from mmpldc.models.refiners.text_embeddings import cached_text_embeddings
from mmpldc.utils.checkpoint_loading import TRUST, UnsafeCheckpoint, safe_loading
from mmpldc.utils.checkpoints import read_checkpoint

ROOT = Path(__file__).parents[2]
CPU = torch.device('cpu')
REFUSED = r'was not loaded: it holds more than weights.*set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1'


class Payload:
    """Runs a shell command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f'touch {self.marker}',)


@pytest.fixture
def marker(tmp_path) -> Path:
    """Exists once a payload has run."""
    return tmp_path / 'executed'


@pytest.fixture
def malicious(tmp_path, marker) -> Path:
    """A checkpoint whose weights are good and whose meta runs a command."""
    path = tmp_path / 'files/model.pth'
    path.parent.mkdir()
    content = dict(state_dict=nn_weights(), meta=dict(payload=Payload(marker)))
    torch.save(content, path)
    return path


def nn_weights() -> dict:
    return Toy().state_dict()


@pytest.fixture
def serve(tmp_path, monkeypatch) -> Callable[[Path], str]:
    """The address of a file, by a server on this machine; torch's cache is empty."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))
    handler = functools.partial(Quiet, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield lambda path: f'http://127.0.0.1:{server.server_port}/{path.relative_to(tmp_path)}'
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args) -> None:
        pass


class Toy(BaseModel):
    """A network that mmengine's Runner takes."""

    def __init__(self, backbone: dict | None = None) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, inputs, mode='loss'):
        return dict(loss=self.layer(inputs).sum())


def by_runner(path: str, tmp_path: Path, *, resume: bool) -> None:
    runner = Runner(
        model=Toy(),
        work_dir=str(tmp_path / 'work_dir'),
        load_from=path,
        resume=resume,
        train_cfg=dict(by_epoch=False, max_iters=1),
        train_dataloader=dict(
            dataset=[torch.ones(2)], sampler=dict(type='DefaultSampler'), batch_size=1
        ),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        experiment_name=f'{tmp_path.name}_{resume}',
    )
    runner.train()


def by_init_cfg(path: str, tmp_path: Path) -> None:
    BaseModule(init_cfg=dict(type='Pretrained', checkpoint=path)).init_weights()


def by_init_detector(path: str, tmp_path: Path) -> None:
    config = Config(
        dict(model=dict(type=Toy, backbone=dict()), test_dataloader=dict(dataset=dict()))
    )
    init_detector(config, path, device='cpu', palette='random')


def by_classifier(path: str, tmp_path: Path) -> None:
    pytest.importorskip('mmpretrain')
    classifier = dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet', depth=18),
        head=dict(type='LinearClsHead', num_classes=2, in_channels=512),
    )
    scorer = ImageClassifierScorer(
        classifier=classifier, checkpoint=path, class_indices=dict(cat=[0])
    )
    scorer.prepare(['cat'], CPU)


def by_clip(path: str, tmp_path: Path) -> None:
    pytest.importorskip('open_clip')
    OpenCLIPScorer(model='RN50', pretrained=path, text_cache=tmp_path).prepare(['cat'], CPU)


def by_text_cache(path: str, tmp_path: Path) -> None:
    file = Path(path)
    cached_text_embeddings(
        ['cat'],
        file.stem,
        lambda texts: torch.ones(1, 2),
        file.rename(file.with_suffix('.pt')).parent,
    )


ROUTES = dict(
    load_from=functools.partial(by_runner, resume=False),
    resume=functools.partial(by_runner, resume=True),
    init_cfg=by_init_cfg,
    init_detector=by_init_detector,
    load_checkpoint=lambda path, _: checkpoint.load_checkpoint(Toy(), path),
    read_checkpoint=lambda path, _: read_checkpoint(path),
    classifier=by_classifier,
    text_cache=by_text_cache,
)
FROM_ADDRESS = ('load_from', 'init_cfg', 'init_detector', 'load_checkpoint', 'classifier')


@pytest.mark.parametrize('route', ROUTES)
def test_a_file_that_runs_a_command_is_refused(route, malicious, marker, tmp_path):
    with pytest.raises((UnsafeCheckpoint, ValueError, RuntimeError), match=REFUSED) as caught:
        ROUTES[route](str(malicious), tmp_path)
    assert 'model.pt' in str(caught.value) and 'posix.system' in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize('route', FROM_ADDRESS)
def test_a_download_that_runs_a_command_is_refused(route, malicious, marker, tmp_path, serve):
    url = serve(malicious)
    with pytest.raises((UnsafeCheckpoint, RuntimeError), match=REFUSED) as caught:
        ROUTES[route](url, tmp_path)
    assert url in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize('scheme', ['torchvision://', 'open-mmlab://', 'mmcls://'])
def test_names_of_published_models_are_no_way_around(scheme, malicious, marker, serve, monkeypatch):
    models = {'resnet': serve(malicious)}
    for table in 'get_torchvision_models', 'get_external_models', 'get_mmcls_models':
        monkeypatch.setattr(checkpoint, table, lambda: models)
    with pytest.raises(UnsafeCheckpoint, match=REFUSED):
        CheckpointLoader.load_checkpoint(f'{scheme}resnet')
    assert not marker.exists()


def test_clip_weights_that_run_a_command_are_refused(malicious, marker, tmp_path):
    with pytest.raises(RuntimeError, match='cannot load CLIP'):
        by_clip(str(malicious), tmp_path)
    assert not marker.exists()


def test_old_format(tmp_path, marker):
    path = tmp_path / 'old.pth'
    torch.save(dict(payload=Payload(marker)), path, _use_new_zipfile_serialization=False)
    with pytest.raises(UnsafeCheckpoint, match=REFUSED):
        CheckpointLoader.load_checkpoint(str(path))
    path.write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(UnsafeCheckpoint, match='was not loaded: it is damaged or not a checkpoint'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not marker.exists()


def test_attribute_access_alone_cannot_run_a_command(tmp_path, marker):
    """onedl-mmengine lets every checkpoint call ``getattr``, which is enough to reach any function.

    From ``getattr.__self__``, the builtins, to ``__import__``, put in the place of a function that
    rebuilds tensors, to ``os.spawnl``.
    """

    def text(value: str) -> bytes:
        return b'X' + struct.pack('<I', len(value)) + value.encode()

    def name(module: str, attribute: str) -> bytes:
        return f'c{module}\n{attribute}\n'.encode()

    def attribute(owner: bytes, attribute: str) -> bytes:
        return name('builtins', 'getattr') + owner + text(attribute) + b'\x86R'

    def call(function: bytes, arguments: bytes) -> bytes:  # four of them
        rebuild = name('torch._utils', '_rebuild_tensor_v2')
        replace = attribute(rebuild, '__globals__') + text('_rebuild_tensor') + function + b's'
        return replace + rebuild + b'(' + arguments + b'\x89}tR'

    imported = call(
        attribute(attribute(name('builtins', 'getattr'), '__self__'), '__import__'),
        text('os') + b'}}]',
    )
    command = b'K\x00' + b''.join(map(text, ('/usr/bin/touch', 'touch', str(marker))))
    program = imported + b'q\x01' + call(attribute(b'h\x01', 'spawnl'), command)
    path = tmp_path / 'model.pth'
    torch.save({}, path)
    replace_in_zip(path, lambda _: b'\x80\x02' + program + b'.')
    with pytest.raises(UnsafeCheckpoint, match=r'builtins\.getattr'):
        CheckpointLoader.load_checkpoint(str(path))
    assert not marker.exists()


def replace_in_zip(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the pickle in a checkpoint."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as file:
        for name, data in content.items():
            file.writestr(name, change(data) if name.endswith('data.pkl') else data)


@pytest.mark.parametrize('route', ['init_detector', 'read_checkpoint'])
def test_a_trusted_file_is_loaded(route, malicious, marker, tmp_path, monkeypatch):
    monkeypatch.setenv(TRUST, '1')
    ROUTES[route](str(malicious), tmp_path)
    assert marker.exists()  # so the payload works


def test_a_trusted_download_is_loaded(malicious, marker, tmp_path, monkeypatch, serve):
    monkeypatch.setenv(TRUST, '1')
    checkpoint.load_checkpoint(Toy(), serve(malicious))
    assert marker.exists()


@pytest.mark.parametrize('trust', ['0', '1'])
def test_the_config_in_a_checkpoint_is_not_executed(trust, marker, tmp_path, monkeypatch):
    """mmengine's Runner does so when it resumes from one that has its config as meta.config."""
    monkeypatch.setenv(TRUST, trust)
    meta = dict(epoch=0, iter=0, config=f"_ = __import__('os').system('touch {marker}')")
    hub = MessageHub('test_checkpoint_loading_config').state_dict()
    torch.save(dict(state_dict=nn_weights(), meta=meta, message_hub=hub), tmp_path / 'a.pth')
    by_runner(str(tmp_path / 'a.pth'), tmp_path, resume=True)
    assert marker.exists() == (trust == '1')


def test_nothing_else_is_changed(malicious, marker):
    """What else the user's program loads is its own affair."""
    before = os.environ.copy()
    for _ in range(2):
        with pytest.raises(UnsafeCheckpoint), safe_loading('a'):
            torch.load(malicious, weights_only=False)
        assert os.environ == before
    torch.load(malicious, weights_only=False)
    assert marker.exists()


@pytest.fixture
def training_state() -> dict:
    """What mmengine's Runner saves: weights, log and optimiser."""
    hub = MessageHub('test_checkpoint_loading')
    for step in range(5):
        hub.update_scalar('train/loss', step / 3)
    hub.update_info('best_score', torch.tensor(0.5).numpy())
    hub.update_info('keep_ckpt_ids', [1, 2])
    model = Toy()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2))['loss'].backward()
    optimizer.step()
    return dict(
        meta=dict(iter=5, dataset_meta=dict(classes=('cat',))),
        state_dict=model.state_dict(),
        message_hub=hub.state_dict(),
        optimizer=optimizer.state_dict(),
    )


@pytest.mark.parametrize('numpy', [b'numpy._core', b'numpy.core'])
def test_our_own_are_loaded_with_log_and_optimizer(training_state, tmp_path, numpy):
    path = tmp_path / 'iter_5.pth'
    save_checkpoint(training_state, str(path))
    # as written with numpy 2 or 1
    replace_in_zip(path, lambda data: data.replace(b'numpy._core', numpy))
    loaded = CheckpointLoader.load_checkpoint(str(path))
    hub = MessageHub('test_checkpoint_loading_resumed')
    hub.load_state_dict(loaded['message_hub'])
    assert hub.get_scalar('train/loss').data[0].tolist() == [step / 3 for step in range(5)]
    assert hub.get_scalar('train/loss').mean() == pytest.approx(2 / 3)
    assert hub.get_info('best_score') == 0.5
    torch.testing.assert_close(loaded['state_dict'], training_state['state_dict'])
    torch.testing.assert_close(loaded['optimizer'], training_state['optimizer'])


@pytest.mark.parametrize('digits', ['right', 'wrong', 'none', 'no hash'])
def test_the_hash_in_the_name_of_a_download_is_checked(digits, tmp_path, serve):
    path = tmp_path / 'model.pth'
    torch.save(dict(state_dict=nn_weights()), path)
    suffix = {
        'right': '-' + hashlib.sha256(path.read_bytes()).hexdigest()[:8],
        'wrong': '-0123abcd',
        'none': '',
        'no hash': '-d',
    }[digits]
    url = serve(path.rename(tmp_path / f'model{suffix}.pth'))
    if digits == 'wrong':
        with pytest.raises(RuntimeError, match='invalid hash value'):
            CheckpointLoader.load_checkpoint(url)
        assert not list((tmp_path / 'torch_home').rglob('*.pth'))
    else:
        assert 'state_dict' in CheckpointLoader.load_checkpoint(url)


def test_every_torch_load_of_ours_asks_for_weights_only():
    """Linting (ruff's S rules) finds pickle, eval, exec, shells and unsafe yaml, but not this."""
    calls = 0
    for folder in 'mmpldc', 'tools', 'demo', 'benchmarks':
        for path in (ROOT / folder).rglob('*.py'):
            text = path.read_text()
            assert 'allow_pickle=True' not in text, path
            found = re.findall(r'(?:with .*:\n\s+)?torch\.load\((?:[^()]|\([^()]*\))*\)', text)
            calls += len(found)
            assert all(re.search('weights_only=|with safe_loading', call) for call in found), path
    assert calls > 0


@pytest.mark.slow
def test_publishing_refuses_it(malicious, marker, python, tmp_path):
    config = ROOT / 'configs/pldc/pldc_mask2former_r50_coco_1pct.py'
    process = subprocess.run(
        [python, ROOT / 'tools/publish_model.py', malicious, 'out', '--config', config],
        cwd=tmp_path,
        env=os.environ | dict(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 1
    assert 'was not loaded: it holds more than weights' in process.stderr
    assert not marker.exists()
