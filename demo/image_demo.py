"""Segment images or videos with a trained config and checkpoint (its teacher).

python demo/image_demo.py INPUT CONFIG --weights CHECKPOINT --out-dir outputs

INPUT is an image, a folder of images, the URL of an image, or a video. Images and videos with drawn
predictions go to the output folder's vis/, the predictions to its preds/, one file per image or
frame: of instance segmentation JSON with masks as COCO's RLE, as mmdet's demo of the same name
writes them, and of semantic segmentation a PNG label map.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmcv import VideoReader
from mmdet.apis import DetInferencer
from mmdet.apis.det_inferencer import IMG_EXTENSIONS
from mmdet.visualization import get_palette
from mmengine.config import Config
from mmengine.fileio import get as read_bytes
from mmengine.structures import PixelData
from mmengine.visualization import Visualizer

from mmpldc._compat import check_extras
from mmpldc.apis import is_semantic, load_segmentor, read_checkpoint, segment_images
from mmpldc.datasets.label_maps import write_label_map

VIDEO_EXTENSIONS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
DEFAULT_FPS = 25.0  # for a video that does not specify it


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
    parser.add_argument('--batch-size', type=int, default=1, help='images or frames at once')
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
            raise ValueError(f'{path} cannot be read; supported are images and videos: {known}')
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
        if self.path is None:
            return
        frame = visualizer.get_image()[..., ::-1]
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
    """Instance segmentation by mmdet's inferencer."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.inferencer = DetInferencer(
            model=args.model,
            weights=args.weights,
            device=args.device,
            palette=args.palette,
            show_progress=False,
        )
        self.visualizer = self.inferencer.visualizer
        self.style = dict(draw_gt=False, show=args.show, pred_score_thr=args.pred_score_thr)

    def predict(self, images: Sequence[np.ndarray]) -> list:
        """Data samples with predictions for ``(H, W, 3)`` uint8 BGR images."""
        # Batch by batch: the inferencer's own call keeps all results and does not accept a video.
        ((_, data),) = self.inferencer.preprocess(images, batch_size=len(images))
        return self.inferencer.forward(data)

    def write(self, out_dir: Path, names: Sequence[str], predictions: Sequence[Any]) -> None:
        """Write a file of predictions for each image."""
        for name, prediction in zip(names, predictions, strict=True):
            prediction.set_metainfo(dict(img_path=name))  # names the JSON
        self.inferencer.postprocess(predictions, pred_out_dir=str(out_dir))


class Classes:
    """Semantic segmentation."""

    def __init__(self, args: argparse.Namespace, cfg: Config) -> None:
        from mmseg.structures import SegDataSample
        from mmseg.visualization import SegLocalVisualizer

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

    def predict(self, images: Sequence[np.ndarray]) -> list:
        """As :meth:`Instances.predict`."""
        maps = segment_images(self.model, images, batch_size=len(images))
        return [self.sample(pred_sem_seg=PixelData(data=torch.from_numpy(m)[None])) for m in maps]

    def write(self, out_dir: Path, names: Sequence[str], predictions: Sequence[Any]) -> None:
        """As :meth:`Instances.write`."""
        folder = out_dir / 'preds'
        folder.mkdir(parents=True, exist_ok=True)
        for name, prediction in zip(names, predictions, strict=True):
            path = folder / f'{Path(name).stem}.png'
            values = prediction.pred_sem_seg.data[0].numpy()
            write_label_map(path, values, self.model.dataset_meta['palette'])


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
    while batch := list(islice(items, args.batch_size)):
        names, images = zip(*batch, strict=True)
        predictions = network.predict(images)
        for image_name, image, prediction in zip(names, images, predictions, strict=True):
            if args.show or not args.no_save_vis:
                rgb = image[..., ::-1]
                what = dict(data_sample=prediction, **network.style)
                sink.paint(network.visualizer, image_name, rgb, **what)
        if not args.no_save_pred:
            network.write(args.out_dir, names, predictions)
    sink.close()
    if not args.no_save_pred:
        print(f'predictions are in {args.out_dir / "preds"}')


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError) as error:
        raise SystemExit(f'image_demo.py: {error}') from None
