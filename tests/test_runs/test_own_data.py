"""Commands of docs/own_data.md, shrunk: on generated scenes and on real photographs.

The photographs are skipped where they are absent: the project neither ships nor needs them.
"""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from mmdet.apis import inference_detector, init_detector

ROOT = Path(__file__).parents[2]
ANIMALS = ROOT.parent / 'shared/data/animals'
SMALL = [
    'model.backbone.init_cfg=None',
    'model.burn_in_iters=0',
    'model.class_thresholds.share=20',
    'model.class_thresholds.floor=0.0',
    'model.class_thresholds.window=1',
    'model.pseudo_label_filter.min_area=0',
    'model.detector.train_cfg.num_points=256',
    "model.sup_views=['sup_weak']",
    'train_dataloader.batch_size=2',
    'train_dataloader.sampler.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'val_dataloader.dataset.indices=2',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
    'test_dataloader.dataset.indices=2',
    'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1',
]


def scenes(request) -> tuple[Path, Path]:
    """14 annotated of 22 images."""
    root = request.getfixturevalue('shapes_root')
    return root / 'annotations/labeled.json', root / 'images/train'


def photographs(request) -> tuple[Path, Path]:
    """50 annotated of 700 images."""
    if not ANIMALS.exists():
        pytest.skip(f'{ANIMALS} is absent')
    out = request.getfixturevalue('tmp_path') / 'split'
    request.getfixturevalue('run_tool')(
        'dataset/split.py',
        ANIMALS / 'instances_train.json',
        '--count',
        50,
        '--min-instances',
        2,
        '--out-dir',
        out,
        cwd=ROOT,
    )
    return out / 'instances_train.1@50images.json', ANIMALS / 'train'


def commands_of_the_guide() -> tuple[list[str], list[str]]:
    """Of the first step, and of the training of PL-DC, without what it continues from."""
    guide = (ROOT / 'docs/own_data.md').read_text()
    prepare = re.search(r'### 1\..*?```bash\n(python .*?)\n```', guide, re.DOTALL)[1]
    train = re.search(
        r'### 4\..*?(python tools/train.py data/mine/pldc.py .*?)\\', guide, re.DOTALL
    )[1]
    return shlex.split(prepare)[1:], shlex.split(train)[1:]


@pytest.mark.slow(longest=True)
@pytest.mark.parametrize(
    ('source', 'num_labeled', 'num_unlabeled', 'num_val', 'num_classes'),
    [(scenes, 12, 8, 2, 8), (photographs, 40, 649, 10, 7)],  # one is another one mirrored
    ids=['scenes', 'photographs'],
)
def test_commands_of_the_guide(
    source, num_labeled, num_unlabeled, num_val, num_classes, request, python, tmp_path
):
    labels, images = source(request)
    shutil.copy(labels, tmp_path / 'labels.json')
    (tmp_path / 'photos').symlink_to(images)
    prepare, train = commands_of_the_guide()
    work_dir = train[-1]
    test = ['tools/test.py', train[1], f'{work_dir}/iter_3.pth']

    def run(command, *arguments) -> str:
        tool, *options = command
        result = subprocess.run(
            [python, ROOT / tool, *options, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout + result.stderr

    report = run(prepare)
    assert '0 errors' in report
    sizes = {'labeled': num_labeled, 'unlabeled': num_unlabeled, 'val': num_val}
    found = {name: json.loads((tmp_path / f'data/mine/{name}.json').read_text()) for name in sizes}
    counts = {name: len(content['images']) for name, content in found.items()}
    assert counts['unlabeled'] == num_unlabeled
    assert counts['labeled'] + counts['val'] == num_labeled + num_val
    assert abs(counts['val'] - num_val) <= 3 * (num_val * 0.8) ** 0.5  # each is drawn by itself
    names = [{image['file_name'] for image in content['images']} for content in found.values()]
    assert len(set.union(*names)) == sum(sizes.values())
    assert found['unlabeled']['annotations'] == []

    log = run(train, '--cfg-options', *SMALL, 'train_cfg.max_iters=2')
    kept = [float(count) for count in re.findall(r'pseudo_per_image: ([\d.]+)', log)]
    assert len(kept) == 2 and max(kept) > 0
    resumed = run(train, '--resume', '--cfg-options', *SMALL, 'train_cfg.max_iters=3')
    assert re.findall(r'Iter\(train\) \[ *(\d+)/3\]', resumed) == ['3']
    assert 'teacher/coco/segm_mAP' in resumed
    assert 'coco/segm_mAP' in run(test, '--cfg-options', *SMALL)

    model = init_detector(
        str(tmp_path / work_dir / 'pldc.py'), str(tmp_path / test[2]), device='cpu'
    )
    instances = inference_detector(model, str(sorted(images.iterdir())[0])).pred_instances
    assert len(instances.masks) == len(instances.labels) > 0
    assert len(model.dataset_meta['classes']) == num_classes
