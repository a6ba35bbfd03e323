"""Compare dtypes and operators for deformable attention's sampling in the pixel decoder.

Under autocast values, offsets and weights arrive in half precision. The pixel decoder converts them
to float32 and uses mmcv's operator on a GPU, PyTorch's elsewhere. The alternatives: mmcv's operator
in float16 (it does not support bfloat16), PyTorch's in the given dtype and in float32. Forward and
backward; the error is the largest difference from float64 with the same inputs, in standard
deviations of the result.

    python benchmarks/deformable_attention.py --out DIR
"""

import argparse
from dataclasses import dataclass
from functools import partial

import torch
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch
from timing import argument_parser, compare, report, table
from torch import Tensor

from mmpldc.models.layers.ms_deform_attn_pixel_decoder import sample_levels

HEADS, POINTS, CHANNELS = 8, 4, 32  # of Mask2Former's pixel decoder; channels per head
STRIDES = (32, 16, 8)
FLOAT, HALF, BFLOAT = torch.float32, torch.float16, torch.bfloat16


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, runs=7, warm_up=2)
    parser.add_argument('--images', type=int, default=2)
    parser.add_argument('--size', type=int, default=512, help="images' side, a multiple of 32")
    return parser.parse_args()


@dataclass(frozen=True)
class Inputs:
    """Outputs of a layer's projections: values, offsets in pixels, and weights."""

    value: Tensor
    offsets: Tensor
    weights: Tensor

    def to(self, dtype: torch.dtype) -> 'Inputs':
        return Inputs(*(x.detach().to(dtype).requires_grad_() for x in self.tensors))

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.value, self.offsets, self.weights


class Sampling:
    """Sampling of one layer in images of one size."""

    def __init__(self, images: int, size: int, device: torch.device) -> None:
        self.sizes = [(size // stride, size // stride) for stride in STRIDES]
        counts = [height * width for height, width in self.sizes]
        self.shapes = torch.tensor(self.sizes, device=device)
        self.starts = torch.tensor([sum(counts[:i]) for i in range(len(counts))], device=device)
        self.centres = torch.rand(1, sum(counts), 1, len(STRIDES), 1, 2, device=device)
        per_query = (images, sum(counts), HEADS, len(STRIDES), POINTS)
        self.inputs = Inputs(
            torch.randn(images, sum(counts), HEADS, CHANNELS, device=device),
            2 * torch.randn(*per_query, 2, device=device),
            torch.rand(per_query, device=device) / (len(STRIDES) * POINTS),
        )
        self.gradient = torch.randn(images, sum(counts), HEADS * CHANNELS, device=device)

    def __call__(self, inputs: Inputs, dtype: torch.dtype, *, plain: bool) -> Tensor:
        """Return sampled values in ``dtype``; ``plain`` always uses PyTorch's operators."""
        value, offsets, weights = (x.to(dtype) for x in inputs.tensors)
        locations = self.centres.to(dtype) + offsets / self.shapes.flip(-1)[:, None].to(dtype)
        if plain:
            return multi_scale_deformable_attn_pytorch(value, self.sizes, locations, weights)
        return sample_levels(
            value,
            locations,
            weights,
            spatial_shapes=self.shapes,
            level_start_index=self.starts,
            level_sizes=self.sizes,
        )

    def train(self, inputs: Inputs, dtype: torch.dtype, *, plain: bool) -> None:
        for leaf in inputs.tensors:
            leaf.grad = None
        sampled = self(inputs, dtype, plain=plain)
        sampled.backward(self.gradient.to(sampled.dtype))

    @torch.no_grad()
    def error(self, inputs: Inputs, dtype: torch.dtype, *, plain: bool) -> float:
        exact = self(inputs, torch.float64, plain=True)
        difference = self(inputs, dtype, plain=plain).double() - exact
        return (difference.abs().max() / exact.std()).item()


def other_ways(given: torch.dtype, device: torch.device) -> dict[str, tuple[torch.dtype, bool]]:
    """Return by name the dtype to sample in, and whether to use PyTorch's operators."""
    in_its_dtype = {f"PyTorch's, {_name(given)}": (given, True)}
    if device.type != 'cuda':
        return in_its_dtype if given != FLOAT else {}  # which is ours
    ways = in_its_dtype | {"PyTorch's, float32": (FLOAT, True)}
    return ways if given == FLOAT else ways | {"mmcv's, float16": (HALF, False)}


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix('torch.')


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    torch.manual_seed(0)
    sampling = Sampling(args.images, args.size, device)
    rows = []
    for given in (FLOAT, HALF, BFLOAT):
        inputs = sampling.inputs.to(given)
        ours = partial(sampling.train, inputs, FLOAT, plain=False)
        own_error = sampling.error(inputs, FLOAT, plain=False)
        for name, (dtype, plain) in other_ways(given, device).items():
            comparison = compare(
                ours,
                partial(sampling.train, inputs, dtype, plain=plain),
                runs=args.runs,
                warm_up=args.warm_up,
                device=device,
            )
            error = sampling.error(inputs, dtype, plain=plain)
            rows.append(
                dict(
                    given=_name(given),
                    other=name,
                    comparison=comparison,
                    errors=[own_error, error],
                )
            )
    cells = [
        [
            row['given'],
            row['other'],
            row['comparison'].ours.text(1000),
            row['comparison'].theirs.text(1000),
            row['comparison'].ratio.text(digits=2),
            *(f'{error:.1g}' for error in row['errors']),
        ]
        for row in rows
    ]
    header = ['given', 'other way', 'ours, ms', 'other, ms', 'other / ours', 'our error', 'its']
    text = table(header, cells)
    text += f'\n\n{args.images} images of {args.size} x {args.size}.'
    report('deformable_attention', text, rows, device, args.out)


if __name__ == '__main__':
    main()
