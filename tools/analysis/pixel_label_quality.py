"""Measure a teacher's pseudo-labels of pixels on images with label maps.

Pixels are chosen by the config's rule at the iteration of the checkpoint. To choose thresholds, use
another split than the reported one.
"""

import argparse
import json
from pathlib import Path

from common import argument_parser, load_config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmpldc.apis.pseudo_labels import finished_iters
from mmpldc.evaluation.pixel_label_quality import compare_pixel_labels
from mmpldc.registry import MODELS
from mmpldc.utils.checkpoints import check_weights, read_checkpoint, teacher_weights
from mmpldc.utils.files import write_json


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument('--seg-map-prefix', help='folder of their label maps, below data_root')
    parser.add_argument('--out', type=Path, help='write the result as JSON')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    prefixes = cfg.val_dataloader.dataset.data_prefix
    if args.seg_map_prefix:
        prefixes.seg_map_path = args.seg_map_prefix
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    if cfg.model.get('backbone'):
        cfg.model.backbone.init_cfg = None  # the checkpoint has the weights
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    checkpoint = read_checkpoint(args.checkpoint)
    check_weights(teacher_weights(checkpoint['state_dict']), model.teacher)
    model.load_state_dict(checkpoint['state_dict'], strict=False)
    max_iters = cfg.train_cfg.max_iters
    model.set_progress(finished_iters(checkpoint, max_iters), max_iters)
    loader = Runner.build_dataloader(cfg.val_dataloader)
    result = compare_pixel_labels(model.to(args.device), loader).summary()
    print(json.dumps(result, indent=2))
    if args.out:
        write_json(args.out, result, indent=2)


if __name__ == '__main__':
    main()
