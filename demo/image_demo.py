"""Segment images with a trained config and checkpoint (its teacher), by mmdet's inferencer.

python demo/image_demo.py IMAGE_OR_FOLDER CONFIG --weights CHECKPOINT --out-dir outputs
"""

import argparse

from mmdet.apis import DetInferencer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('inputs', help='image file, folder of images, or URL')
    parser.add_argument('model', help='config file')
    parser.add_argument('--weights', required=True, help='checkpoint file')
    parser.add_argument('--out-dir', default='outputs', help='pictures go to its vis/')
    parser.add_argument('--device', help="e.g. 'cpu' or 'cuda:0'; default: a GPU if there is one")
    parser.add_argument('--pred-score-thr', type=float, default=0.3, help='shown above this score')
    parser.add_argument('--batch-size', type=int, default=1)
    args = parser.parse_args()

    inferencer = DetInferencer(model=args.model, weights=args.weights, device=args.device)
    inferencer(
        args.inputs,
        out_dir=args.out_dir,
        batch_size=args.batch_size,
        pred_score_thr=args.pred_score_thr,
    )


if __name__ == '__main__':
    main()
