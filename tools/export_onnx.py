"""Export a published model (mmdet's Mask2Former) to ONNX, and compare the file with PyTorch.

    python tools/publish_model.py CHECKPOINT published/mine --config CONFIG
    python tools/export_onnx.py published/mine.py published/mine-HASH.pth mine.onnx --images photos

The status is 0 only if on every image the masks have an IoU of at least 0.99 and the scores are
within 0.001. demo/onnx_demo.py uses the file with numpy, Pillow and onnxruntime alone.
"""

import argparse
from pathlib import Path
from statistics import median

from mmpldc.apis import export_onnx, folder_images
from mmpldc.apis.onnx_check import Agreement, check_onnx
from mmpldc.apis.onnx_export import OPSET, require_onnx


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='published config')
    parser.add_argument('checkpoint', help='published weights')
    parser.add_argument('out', type=Path, help='ONNX file to write')
    parser.add_argument(
        '--images', type=Path, required=True, help='image or folder of images to compare on'
    )
    parser.add_argument(
        '--num-images', type=int, default=10, help='of the folder, evenly chosen; default: 10'
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='fix the size of padded images, for programs that cannot take free sizes',
    )
    return parser.parse_args()


def chosen_images(images: Path, number: int) -> list[Path]:
    """The image, or so many of a folder, evenly chosen.

    Raises:
        FileNotFoundError: if there is none.
    """
    if images.is_file():
        return [images]
    names = [entry['file_name'] for entry in folder_images(images)]
    number = max(1, min(number, len(names)))
    return [images / names[place * len(names) // number] for place in range(number)]


def describe(agreements: list[Agreement]) -> str:
    """What was found, in two lines."""
    torch_seconds = median(one.torch_seconds for one in agreements)
    onnx_seconds = median(one.onnx_seconds for one in agreements)
    return (
        f'{sum(one.instances for one in agreements)} instances on {len(agreements)} images: '
        f'lowest mask IoU {min(one.iou for one in agreements):.4f}, largest difference of scores '
        f'{max(one.difference for one in agreements):.1e}\n'
        f'seconds an image (median): PyTorch {torch_seconds:.3f}, onnxruntime {onnx_seconds:.3f}'
    )


def main() -> None:
    args = parse_args()
    require_onnx()
    images = chosen_images(args.images, args.num_images)
    prepared = export_onnx(args.config, args.checkpoint, args.out, size=args.size)
    megabytes = args.out.stat().st_size / 1e6
    sides = f'of {args.size[0]} x {args.size[1]}' if args.size else 'of any size'
    print(
        f'{args.out} ({megabytes:.1f} MB): opset {OPSET}, {len(prepared.classes)} classes, any '
        f'number of images {sides} padded to multiples of {prepared.divisor}'
    )
    agreements = check_onnx(args.config, args.checkpoint, args.out, images)
    print(describe(agreements))
    failed = [one for one in agreements if not one.holds]
    if failed:
        listed = '\n'.join(f'  {x.image}: IoU {x.iou:.4f}, {x.difference:.1e}' for x in failed)
        raise SystemExit(f'{len(failed)} images differ from PyTorch:\n{listed}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'export_onnx.py: {error}') from None
