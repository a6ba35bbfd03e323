"""Compare ground-truth masks packed in bits with mmdet's BitmapMasks, from worker to loss.

Workers send prepared batches of labelled views, so that the measured time covers packing, sending,
receiving, padding and the loss's targets.

    python benchmarks/mask_targets.py --out DIR
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from mmdet.structures.mask import BitmapMasks
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from timing import argument_parser, compare, report, table
from torch.utils.data import DataLoader, Dataset

from mmpldc.models.dense_heads import MaskTargets
from mmpldc.structures import PackedMasks, TrainingSample

BATCHES = 4  # per run


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=7, warm_up=1)
    parser.add_argument('--images', type=int, default=16, help='labelled views per batch')
    parser.add_argument('--instances', type=int, default=7, help='per image; COCO has 7')
    parser.add_argument('--size', type=int, default=1024, help='side of an image')
    return parser.parse_args()


class Views(Dataset):
    """A repeated labelled view, with its masks in one of the two forms."""

    def __init__(self, masks: BitmapMasks, prepare: Callable, length: int) -> None:
        self.masks, self.prepare, self.length = masks, prepare, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> TrainingSample:
        instances = InstanceData(
            labels=torch.arange(len(self.masks)), masks=self.prepare(self.masks)
        )
        return TrainingSample(gt_instances=instances)


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    rng = np.random.default_rng(0)
    shape = (args.size, args.size)
    masks = BitmapMasks(rng.integers(0, 2, (args.instances, *shape), np.uint8), *shape)

    def loading(prepare: Callable) -> Callable[[], None]:
        loader = DataLoader(
            Views(masks, prepare, BATCHES * args.images),
            batch_size=args.images,
            num_workers=1,
            persistent_workers=True,
            pin_memory=device.type == 'cuda',
            collate_fn=pseudo_collate,
        )

        def load() -> None:
            for batch in loader:
                samples = [sample.to(device, non_blocking=True) for sample in batch]
                instances = [sample.gt_instances for sample in samples]
                for own in instances:
                    own.masks = own.masks.pad(shape, pad_val=0)
                MaskTargets.from_instances(instances, device)

        return load

    found = compare(
        loading(PackedMasks.pack),
        loading(lambda masks: masks),
        runs=args.runs,
        warm_up=args.warm_up,
        device=device,
    )
    per_batch = 1000 / BATCHES
    text = table(
        ['', 'packed, ms', 'BitmapMasks, ms', 'BitmapMasks / packed'],
        [
            [
                f'{args.images} views x {args.instances} instances',
                found.ours.text(per_batch, 0),
                found.theirs.text(per_batch, 0),
                found.ratio.text(1, 2),
            ]
        ],
    )
    report('mask_targets', text, [dict(comparison=found)], device, args.out)


if __name__ == '__main__':
    main()
