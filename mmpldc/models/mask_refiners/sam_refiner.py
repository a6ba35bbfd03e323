"""Ask a Segment Anything model for the mask inside each pseudo-label's box."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpldc.functional import context_boxes, mask_boxes
from mmpldc.registry import MODELS
from mmpldc.utils.checkpoint_loading import MissingWeights
from mmpldc.utils.rank_zero_first import load_first_on_one_rank

from .mask_refiner import MaskProposals, MaskRefiner


@MODELS.register_module()
class SAMRefiner(MaskRefiner):
    """SAM, by transformers: the box of each mask is its prompt, one mask is its answer.

    Takes every model of transformers' ``AutoModelForMaskGeneration`` that answers to boxes:
    ``SamModel``, ``Sam2Model``, ``SamHQModel`` and ``Sam3TrackerModel``. Image by image it does
    what transformers' own processor and model do with the same boxes.

    Args:
        model: a name on the Hugging Face hub, such as ``'facebook/sam-vit-base'``, or a folder
            that ``save_pretrained`` of model and processor wrote.
        context: factor on the sides of a mask's box.
        **acceptance: see :class:`MaskRefiner`; the quality is SAM's own estimate of the IoU.

    Note:
        SAM's prompts may also be points and masks; here it gets boxes alone.
    """

    def __init__(self, *, model: str, context: float = 1.0, **acceptance: Any) -> None:
        super().__init__(**acceptance)
        self.model, self.context = model, context
        self.network: Any = None
        self.processor: Any = None

    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """See the parent; the classes do not matter to SAM."""
        del classes
        network, self.processor = load_first_on_one_rank(self._load)
        self.network = network.eval().requires_grad_(False).to(device)

    def propose(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> MaskProposals:
        """See the parent. Images pass through SAM one by one, with all boxes of each."""
        if self.network is None:
            raise RuntimeError('SAMRefiner is not loaded: call prepare(classes, device) first')
        frame, shape = images.shape[-2:], mask_logits.shape[-2:]
        boxes = mask_boxes(mask_logits > 0)
        stride = boxes.new_tensor([frame[1] / shape[1], frame[0] / shape[0]]).repeat(2)
        boxes = context_boxes(boxes * stride, square=False, context=self.context)
        probabilities = torch.zeros_like(mask_logits, dtype=torch.float32)
        quality = probabilities.new_zeros(len(boxes))
        # Host syncs: transformers' processors take boxes as lists.
        host_boxes, host_index = boxes.tolist(), image_index.tolist()
        for index in dict.fromkeys(host_index):
            rows = [row for row, own in enumerate(host_index) if own == index]
            height, width = sizes[index]
            logits, scores = self._segment(
                images[index, :, :height, :width], [host_boxes[row] for row in rows]
            )
            # Beyond the content is nothing; at the masks' stride a pixel is inside by its share.
            inside = F.pad(logits.sigmoid(), (0, frame[1] - width, 0, frame[0] - height))
            first, last = rows[0], rows[-1] + 1  # sorted by image
            probabilities[first:last] = F.interpolate(inside[None], shape, mode='area')[0]
            quality[first:last] = scores.clamp(0, 1)
        valid = boxes[:, 2] > boxes[:, 0]
        return MaskProposals(probabilities, quality, valid)

    def _segment(self, image: Tensor, boxes: list[list[float]]) -> tuple[Tensor, Tensor]:
        """Run SAM on one image.

        Args:
            image: ``(3, h, w)`` float32 RGB in [0, 1].
            boxes: k boxes x1, y1, x2, y2 in its pixels.

        Returns:
            Mask logits ``(k, h, w)`` float32 and predicted IoU ``(k,)`` float32.
        """
        pixels = (255 * image).round().clamp(0, 255).byte()
        inputs = self.processor(images=[pixels], input_boxes=[boxes], return_tensors='pt')
        device = next(self.network.parameters()).device
        output = self.network(
            pixel_values=inputs['pixel_values'].to(device),
            input_boxes=inputs['input_boxes'].to(device, torch.float32),
            multimask_output=False,
        )
        padded = {key: inputs[key] for key in ('reshaped_input_sizes',) if key in inputs}  # SAM 1
        masks = self.processor.post_process_masks(
            [output.pred_masks[0].float()], inputs['original_sizes'], binarize=False, **padded
        )[0]
        return masks[:, 0].to(image.device), output.iou_scores[0, :, 0].float().to(image.device)

    def _load(self) -> tuple[Any, Any]:
        """Return model and processor, on the CPU."""
        try:
            from transformers import AutoModelForMaskGeneration, AutoProcessor
        except ImportError as error:
            raise ImportError(
                "SAMRefiner needs transformers 5: pip install '.[sam]', or transformers itself"
            ) from error
        try:
            network = AutoModelForMaskGeneration.from_pretrained(self.model)
            return network, AutoProcessor.from_pretrained(self.model)
        except ImportError:  # of a package that this model needs; the message names it
            raise
        except Exception as error:  # transformers raises many types, from as many libraries
            raise MissingWeights(
                f'cannot load model.mask_refiner.model={self.model!r}: {error}\n'
                'Without a network, load it once on a machine that has one and copy the cache '
                '($HF_HOME, by default ~/.cache/huggingface), or give the folder that '
                'save_pretrained wrote. Training with mask_refiner=None keeps the '
                "teacher's masks."
            ) from error
