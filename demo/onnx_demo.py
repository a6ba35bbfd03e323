"""Segment instances with an exported model: numpy, Pillow and onnxruntime are all it needs.

python demo/onnx_demo.py MODEL.onnx IMAGE [OUT.png]
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def prepare(image: Image.Image, about: dict, sides=()) -> tuple[np.ndarray, tuple[int, int]]:
    """Fit into the scale, normalise, and pad; returns ``(1, 3, H, W)`` float32, height and width.

    Bilinear without a filter against aliasing, as OpenCV does: an affine map of pixel centres.
    ``sides`` are those of the model's input; names instead of numbers are free.
    """
    width, height = image.size
    if about['scale']:
        (short, long), limits = sorted(image.size), sorted(about['scale'])
        ratio = min(limits[0] / short, limits[1] / long)
        size = int(width * ratio + 0.5), int(height * ratio + 0.5)
        matrix = (width / size[0], 0, 0, 0, height / size[1], 0)
        if size != image.size:
            image = image.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        width, height = size
    pixels = np.asarray(image, np.float32)
    if about['channels'] == 'BGR':
        pixels = pixels[..., ::-1]
    pixels = (pixels - np.float32(about['mean'])) / np.float32(about['std'])
    pad = [(0, -side % about['divisor']) for side in (height, width)]
    if sides and all(isinstance(side, int) for side in sides):
        pad = [(0, sides[0] - height), (0, sides[1] - width)]
    return np.pad(pixels, [*pad, (0, 0)]).transpose(2, 0, 1)[None], (height, width)


def main(model: str, path: str, out: str = 'instances.png', min_score: float = 0.3) -> None:
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    metadata = session.get_modelmeta().custom_metadata_map
    about = {name: json.loads(metadata[name]) for name in metadata}
    image = ImageOps.exif_transpose(Image.open(path)).convert('RGB')
    pixels, (height, width) = prepare(image, about, session.get_inputs()[0].shape[2:])
    feed = dict(images=pixels, sizes=np.array([[height, width]]))
    scores, labels, masks = (output[0] for output in session.run(None, feed))
    colours = np.random.default_rng(0).integers(64, 256, (len(about['classes']), 3))
    for index in np.argsort(scores):  # the best is drawn last
        if scores[index] >= min_score:
            print(f'{about["classes"][labels[index]]} {scores[index]:.3f}')
            mask = Image.fromarray(masks[index, :height, :width]).convert('L')
            mask = mask.resize(image.size, Image.Resampling.BILINEAR).point(
                lambda v: 128 * (v > 127)
            )
            image.paste(tuple(colours[labels[index]].tolist()), mask=mask)
    image.save(out)


if __name__ == '__main__':
    main(*sys.argv[1:4])
