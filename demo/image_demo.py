"""Segment images or videos with a trained config and checkpoint (its teacher).

python demo/image_demo.py INPUT CONFIG --weights CHECKPOINT --out-dir outputs

INPUT is an image, a folder of images, the URL of an image, or a video. Images and videos with drawn
predictions go to the output folder's vis/, the predictions to its preds/, one file per image or
frame: of instance segmentation JSON with masks as COCO's RLE, as mmdet's demo of the same name
writes them, and of semantic segmentation a PNG label map.

Images much larger than those of the training are cut into overlapping tiles with --tile (instance
segmentation only); objects that lie across a seam are put together.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import mmpldc._mmdet  # noqa: F401

import cv2
import mmcv
import numpy as np
import torch
from mmcv import VideoReader
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmdet.structures import DetDataSample
from mmdet.visualization.palette import get_palette
from mmengine.config import Config
from mmengine.fileio import dump
from mmengine.fileio import get as read_bytes
from mmengine.structures import InstanceData, PixelData
from mmengine.visualization import Visualizer

from mmpldc._compat import check_extras
from mmpldc.apis import (
    DecodedMasks,
    as_plain,
    is_semantic,
    load_predictor,
    load_segmentor,
    predict,
    segment_images,
)
from mmpldc.datasets.label_maps import write_label_map
from mmpldc.utils.checkpoints import read_checkpoint
from mmpldc.visualization import draw_instances

VIDEO_EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
DEFAULT_FPS = 25.0  # for a video that does not specify it
MOST_PIXELS = 2**28  # of all masks of an image; more are drawn one at a time


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('inputs', help='image, folder of images, URL of an image, or video')
    parser.add_argument('model', help='config file')
    parser.add_argument('--weights', required=True, help='checkpoint file')
    parser.add_argument('--out-dir', type=Path, default=Path('outputs'))
    parser.add_argument('--device', help="e.g. 'cpu' or 'cuda:0'; default: a GPU if available")
    parser.add_argument('--pred-score-thr', type=float, default=0.3, help='draw instances above it')
    parser.add_argument('--batch-size', type=int, default=1, help='images, frames or tiles at once')
    parser.add_argument(
        '--tile',
        type=int,
        nargs='?',
        const=0,
        metavar='PIXELS',
        help='predict on tiles of this side; without a number, of the size that the config has',
    )
    parser.add_argument(
        '--overlap',
        type=float,
        default=0.2,
        help='share of a tile that the next one has, too; above the largest object (default: 0.2)',
    )
    parser.add_argument(
        '--palette',
        default='none',
        choices=['coco', 'voc', 'citys', 'random', 'none'],
        help="colours; none: the config's or checkpoint's",
    )
    parser.add_argument('--show', action='store_true', help='show drawn predictions in a window')
    parser.add_argument('--no-save-vis', action='store_true', help='draw nothing')
    parser.add_argument('--no-save-pred', action='store_true', help='write no predictions')
    return parser.parse_args()


def is_url(path: str) -> bool:
    return '://' in path


def is_video(path: str) -> bool:
    return not is_url(path) and Path(path).suffix.lower() in VIDEO_EXTENSIONS


def read_images(inputs: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield names and ``(H, W, 3)`` uint8 BGR pixels of an image, or of a folder's images."""
    paths = [inputs]
    if not is_url(inputs) and Path(inputs).is_dir():
        paths = sorted(
            str(path)
            for path in Path(inputs).iterdir()
            if path.suffix.lower() in IMG_EXTENSIONS and not path.name.startswith('.')
        )
        if not paths:
            raise ValueError(f'{inputs} has no image: looked for *{", *".join(IMG_EXTENSIONS)}')
    for path in paths:
        content = read_bytes(path)
        image = mmcv.imfrombytes(content) if content else None  # OpenCV fails on no bytes
        if image is None:
            known = ', '.join((*IMG_EXTENSIONS, *VIDEO_EXTENSIONS))
            raise ValueError(
                f'{path} cannot be read: it is damaged or cut off, or of another kind than {known}'
            )
        yield path.split('?')[0].rsplit('/', 1)[-1], image


def read_frames(video: VideoReader, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a video's frames as :func:`read_images` does."""
    for number, frame in enumerate(video):
        yield f'{name}_{number:06d}', frame


class PictureFiles:
    """Draw predictions into one file per image.

    Args:
        folder: folder of the files; None writes none.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def paint(self, visualizer: Visualizer, name: str, image: np.ndarray, **what) -> None:
        """Draw on ``(H, W, 3)`` uint8 RGB pixels."""
        out_file = None if self.folder is None else str(self.folder / name)
        visualizer.add_datasample(name, image, out_file=out_file, **what)

    def write(self, name: str, drawn: np.ndarray) -> None:
        """Write ``(H, W, 3)`` uint8 RGB pixels that are drawn already."""
        if self.folder is not None:
            mmcv.imwrite(np.ascontiguousarray(drawn[..., ::-1]), str(self.folder / name))

    def close(self) -> None:
        if self.folder is not None:
            print(f'images are in {self.folder}')


class VideoFile:
    """Draw predictions into the frames of a video.

    Args:
        path: file to write; None writes none.
        fps: frames per second.
    """

    def __init__(self, path: Path | None, fps: float) -> None:
        self.path = path
        self.fps = fps
        self.frames = 0
        self.writer: cv2.VideoWriter | None = None

    def paint(self, visualizer: Visualizer, name: str, image: np.ndarray, **what) -> None:
        """Draw as :meth:`PictureFiles.paint`; the first frame sets the size of the video."""
        visualizer.add_datasample(name, image, **what)
        self.write(name, visualizer.get_image())

    def write(self, name: str, drawn: np.ndarray) -> None:
        """Append a frame, as :meth:`PictureFiles.write`."""
        if self.path is None:
            return
        frame = drawn[..., ::-1]
        if self.writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            code = cv2.VideoWriter_fourcc(*'mp4v')
            height, width = frame.shape[:2]
            self.writer = cv2.VideoWriter(str(self.path), code, self.fps, (width, height))
            if not self.writer.isOpened():
                raise OSError(f'cannot write {self.path}: OpenCV has no encoder for it')
        self.writer.write(np.ascontiguousarray(frame))
        self.frames += 1

    def close(self) -> None:
        if self.writer is not None:
            self.writer.release()
            print(f'{self.path}: {self.frames} frames')


class Instances:
    """Instance segmentation by mmdet's inferencer.

    Args:
        args: of the command line.

    Raises:
        ValueError: if the checkpoint does not fit the config.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.inferencer = load_predictor(
            args.model, args.weights, device=args.device, palette=args.palette
        )

    def __call__(self, images: Sequence[np.ndarray]) -> Iterator[InstanceData]:
        """Predict ``(H, W, 3)`` uint8 BGR images, tile by tile if that was asked for."""
        size = len(images) if self.args.tile is None else self.args.batch_size
        how = dict(batch_size=size, tile=self.args.tile, overlap=self.args.overlap)
        return predict(self.inferencer, images, **how)

    def draw(
        self,
        sink: PictureFiles | VideoFile,
        name: str,
        image: np.ndarray,
        instances: InstanceData,
    ) -> None:
        """Draw predictions above the wanted score into BGR pixels."""
        rgb = np.ascontiguousarray(image[..., ::-1])
        visualizer = self.inferencer.visualizer
        shown = instances[instances.scores > self.args.pred_score_thr]
        masks = DecodedMasks(shown.get('masks') or [])
        if len(masks) * image.shape[0] * image.shape[1] > MOST_PIXELS:
            # mmdet's visualizer holds all masks, and several copies of the image
            meta = visualizer.dataset_meta
            drawn = draw_instances(
                rgb,
                masks,
                shown.labels.numpy(),
                classes=meta['classes'],
                palette=get_palette(meta.get('palette') or 'random', len(meta['classes'])),
                scores=shown.scores.numpy(),
            )
            sink.write(name, drawn)
            if self.args.show:
                visualizer.show(drawn, win_name=name)
            return
        if 'masks' in shown:
            height, width = image.shape[:2]
            empty = torch.zeros(0, height, width, dtype=torch.bool)
            shown.masks = masks.tensor() if len(masks) else empty
        sample = DetDataSample(pred_instances=shown)
        style = dict(draw_gt=False, show=self.args.show, pred_score_thr=self.args.pred_score_thr)
        sink.paint(visualizer, name, rgb, data_sample=sample, **style)

    def write(self, path: Path, instances: InstanceData) -> None:
        """Write an image's predictions, as mmdet's demo does; ``path`` has no ending."""
        dump(as_plain(instances), path.with_name(f'{path.name}.json'))


class Classes:
    """Semantic segmentation: the methods of :class:`Instances`."""

    def __init__(self, args: argparse.Namespace, cfg: Config) -> None:
        from mmseg.structures import SegDataSample
        from mmseg.visualization import SegLocalVisualizer

        if args.tile is not None:
            raise ValueError(
                "--tile is for instance segmentation: mmsegmentation cuts tiles with the config's "
                "model.test_cfg=dict(mode='slide', crop_size=..., stride=...)"
            )
        device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
        self.model = load_segmentor(cfg, read_checkpoint(args.weights), device=device)
        meta = self.model.dataset_meta
        if args.palette != 'none' or 'palette' not in meta:
            kind = 'random' if args.palette == 'none' else args.palette
            meta['palette'] = get_palette(kind, len(meta['classes']))
        self.sample = SegDataSample
        self.visualizer = SegLocalVisualizer(alpha=0.5)
        self.visualizer.dataset_meta = meta
        self.style = dict(draw_gt=False, show=args.show)

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Label maps ``(H, W)`` of ``(H, W, 3)`` uint8 BGR images."""
        return segment_images(self.model, images, batch_size=len(images))

    def draw(
        self, sink: PictureFiles | VideoFile, name: str, image: np.ndarray, labels: np.ndarray
    ) -> None:
        """Draw a label map over BGR pixels."""
        sample = self.sample(pred_sem_seg=PixelData(data=torch.from_numpy(labels)[None]))
        sink.paint(self.visualizer, name, image[..., ::-1], data_sample=sample, **self.style)

    def write(self, path: Path, labels: np.ndarray) -> None:
        """Write a label map as a PNG with the classes' colours."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(
            path.with_name(f'{path.name}.png'), labels, self.model.dataset_meta['palette']
        )


def main() -> None:
    args = parse_args()
    for path in (args.inputs, args.model, args.weights):
        if not is_url(path) and not Path(path).exists():
            raise FileNotFoundError(f'there is no file {path}')
    folder = None if args.no_save_vis else args.out_dir / 'vis'
    if is_video(args.inputs):
        video = VideoReader(args.inputs)
        name = Path(args.inputs).stem
        items = read_frames(video, name)
        sink = VideoFile(folder and folder / f'{name}.mp4', video.fps or DEFAULT_FPS)
    else:
        items = read_images(args.inputs)
        sink = PictureFiles(folder)
    first = next(items, None)
    if first is None:
        raise ValueError(f'{args.inputs} has no readable frame')
    items = chain([first], items)

    cfg = Config.fromfile(args.model)
    check_extras(cfg)
    network = Classes(args, cfg) if is_semantic(cfg) else Instances(args)
    # Batch by batch: the inferencer's own call keeps all results and does not accept a video.
    while batch := list(islice(items, 1 if args.tile is not None else args.batch_size)):
        names, images = zip(*batch, strict=True)
        for name, image, prediction in zip(names, images, network(images), strict=True):
            if not args.no_save_pred:
                network.write(args.out_dir / 'preds' / Path(name).stem, prediction)
            if args.show or not args.no_save_vis:
                network.draw(sink, name, image, prediction)
    sink.close()
    if not args.no_save_pred:
        print(f'predictions are in {args.out_dir / "preds"}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'image_demo.py: {error}') from None
