"""docs/custom_data.md on real photographs, shrunk: its config, training, resuming and inference.

Skips where the photographs are absent: the project neither ships nor needs them.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmdet.apis import inference_detector, init_detector

ROOT = Path(__file__).parents[2]
ANIMALS = ROOT.parent / 'shared/data/animals'
SMALL = [
    'model.backbone.init_cfg=None',
    'model.burn_in_iters=0',
    'model.pseudo_label_filter.class_thr=0.0',
    'model.pseudo_label_filter.mask_thr=0.0',
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
    'default_hooks.logger.interval=1',
]


@pytest.mark.slow
@pytest.mark.skipif(not ANIMALS.exists(), reason=f'{ANIMALS} is absent')
def test_guide_for_custom_data(tmp_path):
    guide = (ROOT / 'docs/custom_data.md').read_text()
    config = re.search(r'```python\n(_base_.*?)```', guide, re.DOTALL).group(1)
    (tmp_path / 'my_config.py').write_text(config.replace("'configs/", f"'{ROOT}/configs/"))
    (tmp_path / 'animals').symlink_to(ANIMALS)

    def run(tool, *arguments):
        command = [sys.executable, str(ROOT / 'tools' / tool), *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr[-3000:]
        return result.stdout + result.stderr

    split = 'animals/instances_train.json'
    run('dataset/split.py', split, '--percent', '10', '--out-dir', 'data/animals')
    train = ['my_config.py', '--work-dir', 'work']
    log = run('train.py', *train, '--cfg-options', *SMALL, 'train_cfg.max_iters=2')
    kept = [float(count) for count in re.findall(r'pseudo_per_image: ([\d.]+)', log)]
    assert len(kept) == 2 and max(kept) > 0
    resumed = run('train.py', *train, '--resume', '--cfg-options', *SMALL, 'train_cfg.max_iters=3')
    assert re.findall(r'Iter\(train\) \[ *(\d+)/3\]', resumed) == ['3']
    assert 'teacher/coco/segm_mAP' in resumed

    model = init_detector(
        str(tmp_path / 'work/my_config.py'), str(tmp_path / 'work/iter_3.pth'), device='cpu'
    )
    photograph = sorted((ANIMALS / 'val').iterdir())[0]
    instances = inference_detector(model, str(photograph)).pred_instances
    assert len(instances.masks) == len(instances.labels) > 0
    assert model.dataset_meta['classes'][0] == 'bear'
