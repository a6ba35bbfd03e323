"""Peak memory of a training step of Mask2Former R50 at 1024 x 1024, 4 + 4 images.

On a GPU it is measured. On a CPU it is counted: what autograd saves between forward and backward
for one labelled and one unlabelled image, times four, and weights, gradients, optimiser state and
teacher. The CPU's deformable attention saves more than mmcv's CUDA operator.

    python benchmarks/memory.py --out DIR
"""

import argparse
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from step import Step, paper_config
from timing import report, table

IMAGES = 4
GIB = 2**30


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, default=1024, help='side of an image')
    parser.add_argument('--instances', type=int, default=7, help='in an image; COCO has 7')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--out', type=Path)
    return parser.parse_args()


class SavedBytes:
    """Counts the storages that autograd keeps, each once, the model's own apart."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.known = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self.sizes: dict[int, int] = {}
        self.tensors = []  # alive, so that no address is used twice

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.known:
            self.sizes[storage.data_ptr()] = storage.nbytes()
            self.tensors.append(tensor)
        return tensor

    @property
    def total(self) -> int:
        return sum(self.sizes.values())


def measured(args: argparse.Namespace, device: torch.device) -> list[tuple[str, float]]:
    step = Step(paper_config(), num_labeled=IMAGES, num_unlabeled=IMAGES, **common(args, device))
    step()
    torch.cuda.reset_peak_memory_stats(device)
    step()
    return [('peak of a step, measured', torch.cuda.max_memory_allocated(device) / GIB)]


def counted(args: argparse.Namespace, device: torch.device) -> list[tuple[str, float]]:
    step = Step(paper_config(), num_labeled=1, num_unlabeled=1, **common(args, device))
    step.optimiser()
    saved = SavedBytes(step.model)
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor):
        step.student()
    trained = sum(p.nbytes for p in step.model.student.parameters() if p.requires_grad)
    frozen = sum(p.nbytes for p in step.model.student.parameters() if not p.requires_grad)
    # student, gradient, two moments, teacher; the frozen backbone once for both
    state = 5 * trained + frozen
    return [
        ('saved for backward, one labelled and one unlabelled image', saved.total / GIB),
        (f'the same for {IMAGES} + {IMAGES} images', IMAGES * saved.total / GIB),
        ('weights, gradients, optimiser, teacher', state / GIB),
        ('sum', (IMAGES * saved.total + state) / GIB),
    ]


def common(args: argparse.Namespace, device: torch.device) -> dict:
    return dict(instances=args.instances, size=args.size, device=device)


def main() -> None:
    args = parse_args()
    device = torch.device(args.device)
    init_default_scope('mmdet')
    found = (measured if device.type == 'cuda' else counted)(args, device)
    text = table(['', 'GiB'], [[name, f'{value:.2f}'] for name, value in found])
    rows = [dict(name=name, gib=value) for name, value in found]
    report('memory', text, rows, device, args.out)


if __name__ == '__main__':
    main()
