"""Train the quickstart's small CLIP on generated images with captions.

It replaces a CLIP trained on web data where no weights can be downloaded: an open_clip model with
open_clip's contrastive loss, stored as a folder that open_clip opens as 'local-dir:FOLDER'.
"""

import argparse
import gzip
import time
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save
from torch import Tensor

from mmpldc.datasets.shapes import parallel_map
from mmpldc.datasets.shapes.captions import WORDS, generate_captioned_image
from mmpldc.utils.files import atomic_write, write_json

IMAGE_SIZE = 64
STREAM = 1_000_003  # no image of a detection data set uses this number in its seed
MODEL = dict(
    embed_dim=64,
    vision_cfg=dict(
        image_size=IMAGE_SIZE, layers=[1, 1, 1, 1], width=8, head_width=64, patch_size=None
    ),
    text_cfg=dict(context_length=16, width=64, heads=4, layers=2),
)

TEMPLATES = [
    'a {}',
    'a photo of a small {}',
    'a photo of a large {}',
    'a {} on fog',
    'a {} in front of tiles',
]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('out', type=Path, help='folder of the model')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--pairs', type=int, default=12000, help='images with captions')
    parser.add_argument('--steps', type=int, default=450)
    parser.add_argument('--batch-size', type=int, default=256)
    parser.add_argument('--wrong-words', type=float, default=0.15, help='share of wrong words')
    return parser.parse_args()


def write_vocabulary(path: Path) -> None:
    """Write byte-pair merges that give one token per caption word, in CLIP's file format."""
    merges = {}  # an ordered set
    for word in WORDS:
        parts = [*word[:-1], word[-1] + '</w>']
        for end in range(1, len(parts)):
            merges[f'{"".join(parts[:end])} {parts[end]}'] = None
    with gzip.open(path, 'wt', encoding='utf-8') as file:
        file.write('\n'.join(['#version: 0.2', *merges]))


def make_pairs(args: argparse.Namespace) -> tuple[Tensor, list[str]]:
    """Generate images ``(pairs, 3, H, W)`` uint8 RGB and their captions."""
    draw = partial(_draw, seed=args.seed, wrong_words=args.wrong_words)
    images, captions = zip(*parallel_map(draw, args.pairs), strict=True)
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2), list(captions)


def _draw(index: int, *, seed: int, wrong_words: float) -> tuple[np.ndarray, str]:
    rng = np.random.default_rng([STREAM, seed, index])
    return generate_captioned_image(rng, image_size=IMAGE_SIZE, wrong_words=wrong_words)


def train(model: torch.nn.Module, tokenizer, images: Tensor, captions: list[str], args) -> None:
    """Train with a contrastive loss and a one-cycle learning rate."""
    mean, std = (
        torch.tensor(values).view(3, 1, 1)
        for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    tokens = tokenizer(captions)
    loss = open_clip.ClipLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, args.steps, pct_start=0.1)
    start = time.monotonic()
    for step in range(args.steps):
        chosen = torch.randint(len(images), (args.batch_size,))
        batch = (images[chosen].float() / 255 - mean) / std
        if step % 2:
            batch = batch.flip(-1)
        value = loss(*model(batch, tokens[chosen])[:3])
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, np.log(100))
        if (step + 1) % 100 == 0:
            print(
                f'step {step + 1}/{args.steps}  loss {value.item():.3f}  '
                f'{time.monotonic() - start:.0f} s',
                flush=True,
            )


def main() -> None:
    args = parse_args()
    torch.manual_seed(args.seed)
    out = args.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    write_vocabulary(out / 'vocabulary.txt.gz')
    tokenizer = open_clip.SimpleTokenizer(str(out / 'vocabulary.txt.gz'))
    text = dict(
        vocab_size=tokenizer.vocab_size,
        tokenizer_kwargs=dict(bpe_path=str(out / 'vocabulary.txt.gz')),
    )
    config = dict(
        model_cfg=MODEL | dict(text_cfg=MODEL['text_cfg'] | text),
        preprocess_cfg=dict(mean=open_clip.OPENAI_DATASET_MEAN, std=open_clip.OPENAI_DATASET_STD),
    )
    write_json(out / 'open_clip_config.json', config, indent=2)
    write_json(out / 'templates.json', TEMPLATES, indent=2)
    name = f'local-dir:{out}'
    model = open_clip.create_model(name, load_weights=False)
    tokenizer = open_clip.get_tokenizer(name)
    print(f'{sum(p.numel() for p in model.parameters()):,} parameters')
    images, captions = make_pairs(args)
    train(model, tokenizer, images, captions, args)
    # last: this file completes the model
    with atomic_write(out / 'open_clip_model.safetensors', 'wb') as file:
        file.write(save(model.state_dict()))


if __name__ == '__main__':
    main()
