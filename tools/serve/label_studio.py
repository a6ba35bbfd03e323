"""Serve a teacher to Label Studio, which then shows its labels on each task that is opened.

    python tools/serve/label_studio.py CONFIG CHECKPOINT --images PHOTOS

Connect it in the project's Settings, Model, Connect Model, or by Label Studio's API. Labels are
those of tools/export_pseudo_labels.py. docs/inference.md says how Label Studio has to be started.
"""

import argparse
from pathlib import Path

from mmengine.device import get_device

from mmpldc.apis import (
    add_cfg_options,
    add_labeling_arguments,
    folder_images,
    label_images,
    load_labeler,
    read_config,
)
from mmpldc.apis.label_studio_backend import Backend, serve
from mmpldc.utils.checkpoints import read_checkpoint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument(
        '--images', type=Path, required=True, help='folder of the photos that the tasks are about'
    )
    add_labeling_arguments(parser)
    parser.add_argument(
        '--model-version', help="name of the predictions in Label Studio; default: the checkpoint's"
    )
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at')
    parser.add_argument('--port', type=int, default=9090, help='default: 9090')
    parser.add_argument('--batch-size', type=int, default=1)
    parser.add_argument('--device', default=get_device(), help='default: a GPU if available')
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    count = len(folder_images(args.images))
    cfg = read_config(args.config, args.cfg_options)
    model = load_labeler(
        cfg, read_checkpoint(args.checkpoint), refiner_weight=args.refine, device=args.device
    )
    model.set_thresholds(class_thr=args.class_thr, mask_thr=args.mask_thr)
    backend = Backend(
        predict=lambda images: [
            *label_images(model, cfg, images, args.images, batch_size=args.batch_size)
        ],
        classes=model.dataset_meta['classes'],
        folder=args.images,
        model_version=args.model_version or Path(args.checkpoint).stem,
        say=lambda line: print(line, flush=True),
    )
    with serve(backend, args.host, args.port) as server:
        host, port = server.server_address[:2]
        backend.say(
            f'{backend.model_version} labels the {count} photos of {args.images} for Label Studio '
            f'at http://{host}:{port}; Ctrl+C ends it'
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'label_studio.py: {error}') from None
