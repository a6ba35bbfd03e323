"""Fixtures: a Mask2Former small enough that a training step takes a fraction of a second, and a
function run by several processes that are ranks of one another."""

import gc
import multiprocessing
import os
import shlex
import shutil
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import count
from pathlib import Path

import mmpldc._mmdet  # noqa: F401

import pytest
import torch
import torch.distributed as dist
from headless_browser import Page, chromium
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from shortcuts import take_shortcuts

from mmpldc.datasets.shapes import CLASSES, ShapesSpec, make_dataset
from mmpldc.models.detectors.complete_detector import complete_detector

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
NUM_CLASSES = 3
TEST_CLASSES = ('cat', 'dog', 'owl')
NUM_QUERIES = 8
CHANNELS = 16
TIMEOUT = 240  # seconds, on a busy machine; a rank that waits for ever ends the test
take_shortcuts()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first, so that no worker is left alone with one at the end."""

    def is_longest(item: pytest.Item) -> bool:
        slow = item.get_closest_marker('slow')
        return slow is not None and slow.kwargs.get('longest', False)

    items.sort(key=lambda item: not is_longest(item))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is imported and collected: mmengine calls it often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _reproducible():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _mmdet_scope():
    """Bare type names mean mmdet's, as ``default_scope = 'mmdet'`` makes them in a config."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture(scope='session', autouse=True)
def _configs_are_read_once() -> Iterator[None]:
    """Reading a config of this repository takes 20 times as long as copying it."""
    from_file, known = Config.fromfile, {}

    def read(filename: str | Path, *args, **kwargs) -> Config:
        if args or kwargs or not Path(filename).absolute().is_relative_to(CONFIGS):
            return from_file(filename, *args, **kwargs)
        own = {name: text for name, text in os.environ.items() if name.startswith('MMPLDC_')}
        key = str(filename), os.getcwd(), *sorted(own.items())
        if key not in known:
            known[key] = from_file(filename)
        return deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, 'fromfile', staticmethod(read))
        yield


@pytest.fixture(scope='session')
def browser(tmp_path_factory) -> Iterator[Page]:
    """A tab of a headless Chromium; without one the test is skipped."""
    names = ('chromium', 'chromium-browser', 'google-chrome', 'chrome')
    binary = next(filter(None, map(shutil.which, names)), None)
    if binary is None:
        pytest.skip(f'no browser: none of {", ".join(names)} is on PATH')
    with chromium(binary, tmp_path_factory.mktemp('profile')) as page:
        yield page


@pytest.fixture(scope='session')
def python(tmp_path_factory) -> Iterator[Path]:
    """A ``python`` that starts programs in a fifth of the time; see python_server.py.

    Where Linux's ``pidfd_open`` is absent it is the usual one.
    """
    if not hasattr(os, 'pidfd_open'):
        yield Path(sys.executable)
        return
    folder = tmp_path_factory.mktemp('bin')
    script, address = folder / 'python', folder / 'socket'
    server = [Path(__file__).with_name('python_server.py'), address]
    command = shlex.join(map(str, [sys.executable, '-IS', *server, 'run']))
    script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    script.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    with subprocess.Popen(
        [sys.executable, *server, script],
        env=environment | dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1'),
        stdin=subprocess.PIPE,  # closed at the end, or with this process
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == b'ready\n'
        yield script
        # Not by the closed input alone: a loader's worker that a failed run has left holds it open.
        process.terminate()


@pytest.fixture(scope='session')
def run_tool(python) -> Callable[..., str]:
    """Run a Python tool as a user does, and return what it prints; it must succeed."""

    def run_tool(name: str, *args, cwd, gpu: bool = False) -> str:
        environment = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
        if not gpu:
            environment['CUDA_VISIBLE_DEVICES'] = ''
        process = subprocess.run(
            [python, ROOT / 'tools' / name, *map(str, args)],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.returncode == 0, process.stdout[-5000:]
        return process.stdout

    return run_tool


@pytest.fixture(scope='session')
def free_port() -> Callable[[], int]:
    """Finds a port that is free now."""

    def find() -> int:
        with socket.socket() as found:
            found.bind(('127.0.0.1', 0))
            return found.getsockname()[1]

    return find


@pytest.fixture(scope='session')
def make_scenes(tmp_path_factory) -> Callable[..., Path]:
    """Generate scenes of three to five objects, each class alike, in a folder of their own.

    Takes the sizes that ``make_dataset`` takes. The folder has annotations/{labeled,unlabeled,
    tuning,test}.json and images/{train,tuning,test}.
    """

    def make_scenes(image_size: int = 64, **sizes: int) -> Path:
        root = tmp_path_factory.mktemp('data') / 'shapes'
        spec = ShapesSpec(
            image_size=image_size,
            objects_per_image=(3, 5),
            class_frequencies=(1 / len(CLASSES),) * len(CLASSES),
        )
        make_dataset(root, seed=0, spec=spec, workers=1, **sizes)
        return root

    return make_scenes


SMALL_BACKBONES = {  # by type: settings, channels of its levels
    'ResNet': (dict(depth=18, base_channels=8, stem_channels=8), [8, 16, 32, 64]),
    'mmpldc.SwinTransformer': (
        dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4),
        [8, 16, 32, 64],
    ),
    'mmpldc.TimmBackbone': (  # a transformer with ViTDet's pyramid
        dict(embed_dim=16, depth=4, num_heads=2, img_size=28, out_indices=(3,)),
        [CHANNELS] * 4,
    ),
}
SMALL_CONVNEXT = dict(dims=(8, 8, 16, 16), depths=(1, 1, 1, 1)), [8, 8, 16, 16]


def _shrink(cfg: Config) -> Config:
    """Give the model few channels, layers, queries and points, in place; frozen stays frozen."""
    backbone, in_channels = SMALL_BACKBONES[cfg.model.backbone.type]
    if cfg.model.backbone.get('name', '').startswith('convnext'):
        backbone, in_channels = SMALL_CONVNEXT
    cfg.model.backbone.update(init_cfg=None, **backbone)
    attention = dict(embed_dims=CHANNELS, num_heads=2)
    ffn = dict(embed_dims=CHANNELS, feedforward_channels=32)
    cfg.merge_from_dict(
        {
            'model.detector': dict(
                panoptic_head=dict(
                    in_channels=in_channels,
                    feat_channels=CHANNELS,
                    out_channels=CHANNELS,
                    num_queries=NUM_QUERIES,
                    pixel_decoder=dict(
                        norm_cfg=dict(num_groups=4),
                        encoder=dict(
                            num_layers=1, layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)
                        ),
                        positional_encoding=dict(num_feats=CHANNELS // 2),
                    ),
                    positional_encoding=dict(num_feats=CHANNELS // 2),
                    transformer_decoder=dict(
                        num_layers=2,
                        layer_cfg=dict(
                            self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn
                        ),
                    ),
                ),
                train_cfg=dict(num_points=64),
                test_cfg=dict(max_per_image=NUM_QUERIES),
            ),
        }
    )
    if 'neck' in cfg.model.detector:
        cfg.model.detector.neck.update(in_channels=CHANNELS, out_channels=CHANNELS)
    return cfg


@pytest.fixture(scope='session')
def shrink() -> Callable[[Config], Config]:
    """Makes the model of a config small enough for steps that take a fraction of a second."""
    return _shrink


def _tiny(base: Config) -> ConfigDict:
    """The base model made small, all of it trained."""
    _shrink(base).merge_from_dict(
        {
            'model.backbone': dict(
                frozen_stages=-1, norm_cfg=dict(type='BN', requires_grad=True), norm_eval=False
            ),
            'model.num_classes': NUM_CLASSES,
            'model.joint_forward': False,  # batch norms train
            'model.data_preprocessor.data_preprocessor.batch_augments': None,
            # an untrained teacher's labels pass, so that every loss is exercised
            'model.pseudo_label_filter': dict(class_thr=0.0, mask_thr=0.0, min_area=0),
            'model.burn_in_iters': 2,
        }
    )
    return base.model


@pytest.fixture
def tiny_model_cfg() -> ConfigDict:
    """``mmpldc.SemiMask2Former`` around ``tiny_detector_cfg``, with a burn-in of 2 steps.

    Built by ``mmdet.registry.MODELS.build``. Inputs of 64 x 64 give mask logits of 16 x 16.
    """
    return _tiny(Config.fromfile(CONFIGS / '_base_/models/mask2former_r50.py'))


@pytest.fixture
def tiny_detector_cfg(tiny_model_cfg: ConfigDict) -> ConfigDict:
    """``Mask2Former`` with ``mmpldc.SemiMask2FormerHead``: 3 classes, 8 queries, 3 layers."""
    return complete_detector(
        tiny_model_cfg.detector, tiny_model_cfg.backbone, tiny_model_cfg.num_classes
    )


@pytest.fixture
def tiny_test_cfg(tiny_model_cfg) -> Config:
    """With a test set, whose images are resized to fit 64 x 64 and padded to a multiple of 32."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(
            type='PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
    ]
    dataset = dict(
        type='CocoDataset',
        ann_file='missing.json',
        metainfo=dict(classes=TEST_CLASSES),
        pipeline=pipeline,
        test_mode=True,
    )
    return Config(
        dict(
            default_scope='mmdet',
            model=deepcopy(tiny_model_cfg),
            test_dataloader=dict(
                batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset
            ),
            test_evaluator=dict(type='CocoMetric', ann_file='missing.json', metric='segm'),
            test_cfg=dict(type='TestLoop'),
            vis_backends=[dict(type='TensorboardVisBackend')],
        )
    )


@pytest.fixture
def tiny_checkpoint(tiny_test_cfg) -> dict:
    """A checkpoint of a model whose teacher and student differ."""
    torch.manual_seed(1)
    model = MODELS.build(deepcopy(tiny_test_cfg.model))
    for parameter in model.teacher.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    meta = dict(dataset_meta=dict(classes=TEST_CLASSES, palette=[(1, 2, 3), (4, 5, 6), (7, 8, 9)]))
    return dict(state_dict=model.state_dict(), meta=meta, optimizer=dict(state={0: 1}))


def _run_rank(rank, world_size, store, function, arguments, connection) -> None:
    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    os.environ['LOCAL_RANK'] = str(rank)
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=world_size)
    try:
        outcome = function(rank, *arguments)
    except Exception as error:
        traceback.print_exc()
        outcome = error
    connection.send(outcome)
    dist.destroy_process_group()


@pytest.fixture
def run_on_ranks(tmp_path) -> Callable[..., list]:
    """Call ``function(rank, *arguments)`` on each of ``world_size`` gloo ranks on the CPU.

    Returns what it returned, or the exception that it raised, in the order of ranks. Processes are
    forked, which costs no import; functions may be closures, outcomes must be picklable.
    """

    stores = (tmp_path / f'store_{call}' for call in count())

    def run_on_ranks(function, *arguments, world_size: int = 2) -> list:
        store = next(stores)
        fork = multiprocessing.get_context('fork')
        ranks = []
        for rank in range(world_size):
            mine, theirs = fork.Pipe(duplex=False)
            process = fork.Process(
                target=_run_rank,
                args=(rank, world_size, store, function, arguments, theirs),
            )
            process.start()
            theirs.close()
            ranks.append((process, mine))
        try:
            for rank, (_, connection) in enumerate(ranks):
                assert connection.poll(TIMEOUT), f'rank {rank} hangs'
            return [connection.recv() for _, connection in ranks]
        finally:
            for process, _ in ranks:
                process.join(timeout=5)
                process.kill()

    return run_on_ranks
