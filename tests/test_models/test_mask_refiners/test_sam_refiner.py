"""SAM as a refiner equals transformers' own processor and model; weights are random."""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmpldc.models import SAMRefiner
from mmpldc.utils.checkpoint_loading import MissingWeights

SIDE = 64  # of SAM's images
FRAME, STRIDE = 96, 4
SIZES = [(96, 80), (60, 96)]
CPU = torch.device('cpu')


def tiny_sam(transformers):
    """SAM with a ViT of two layers."""
    config = transformers.SamConfig(
        vision_config=dict(
            hidden_size=16,
            output_channels=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIDE,
            patch_size=16,
            mlp_dim=32,
            window_size=2,
            num_pos_feats=8,
            global_attn_indexes=[1],
        ),
        prompt_encoder_config=dict(
            hidden_size=16, image_size=SIDE, patch_size=16, image_embedding_size=SIDE // 16
        ),
        mask_decoder_config=dict(
            hidden_size=16,
            mlp_dim=32,
            num_attention_heads=2,
            num_hidden_layers=2,
            iou_head_hidden_dim=16,
        ),
    )
    processor = transformers.SamProcessor(
        transformers.SamImageProcessor(
            size=dict(longest_edge=SIDE), pad_size=dict(height=SIDE, width=SIDE)
        )
    )
    return transformers.SamModel(config), processor


def tiny_sam2(transformers):
    """SAM 2 with a Hiera of five blocks."""
    config = transformers.Sam2Config(
        vision_config=dict(
            backbone_config=dict(
                hidden_size=16,
                num_attention_heads=1,
                blocks_per_stage=[1, 1, 2, 1],
                embed_dim_per_stage=[16, 32, 64, 128],
                num_attention_heads_per_stage=[1, 2, 4, 8],
                window_size_per_stage=[4, 4, 4, 4],
                global_attention_blocks=[3],
                image_size=[SIDE, SIDE],
                model_type='sam2_hiera_det_model',
            ),
            backbone_channel_list=[128, 64, 32, 16],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=32,
        ),
        prompt_encoder_config=dict(hidden_size=32, image_size=SIDE),
        mask_decoder_config=dict(
            hidden_size=32,
            mlp_dim=32,
            num_attention_heads=2,
            num_hidden_layers=2,
            iou_head_hidden_dim=16,
        ),
    )
    processor = transformers.Sam2Processor(
        transformers.Sam2ImageProcessor(size=dict(height=SIDE, width=SIDE))
    )
    return transformers.Sam2Model(config), processor


@pytest.fixture(scope='module', params=[tiny_sam, tiny_sam2], ids=['SAM', 'SAM 2'])
def sam(request, tmp_path_factory):
    """Folder, model and processor."""
    transformers = pytest.importorskip('transformers', minversion='5.0')
    torch.manual_seed(0)
    network, processor = request.param(transformers)
    for name, parameter in network.named_parameters():
        if 'mask_decoder' in name:  # so that masks are not flat
            parameter.data.normal_(std=0.3)
    folder = tmp_path_factory.mktemp('sam')
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder, network.eval(), processor


@pytest.fixture
def batch():
    """Two images of different sizes in a padded batch, with three boxes as masks."""
    pixels = torch.randint(0, 256, (2, 3, FRAME, FRAME), generator=torch.Generator().manual_seed(1))
    boxes = [(0, (8, 8, 40, 32)), (0, (40, 20, 72, 92)), (1, (12, 4, 60, 56))]
    masks = torch.full((3, FRAME // STRIDE, FRAME // STRIDE), -3.0)
    for mask, (_, (left, top, right, bottom)) in zip(masks, boxes, strict=True):
        mask[top // STRIDE : bottom // STRIDE, left // STRIDE : right // STRIDE] = 3.0
    return pixels.byte(), masks, torch.tensor([index for index, _ in boxes]), boxes


@torch.no_grad()
def by_transformers(network, processor, pixels, boxes):
    """Logits at full size and IoUs of one image, as transformers' documentation does it."""
    image = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
    inputs = processor(images=image, input_boxes=[boxes], return_tensors='pt')
    outputs = network(
        pixel_values=inputs['pixel_values'],
        input_boxes=inputs['input_boxes'].float(),
        multimask_output=False,
    )
    sizes = [inputs[key] for key in ('original_sizes', 'reshaped_input_sizes') if key in inputs]
    masks = processor.post_process_masks(outputs.pred_masks, *sizes, binarize=False)
    return masks[0][:, 0], outputs.iou_scores[0, :, 0]


def test_equals_transformers_own_pipeline(sam, batch):
    folder, network, processor = sam
    pixels, masks, index, boxes = batch
    refiner = SAMRefiner(model=str(folder))
    refiner.prepare(('cat',), CPU)
    found = refiner.propose(pixels / 255, SIZES, masks, index)
    row = 0
    for image, (height, width) in enumerate(SIZES):
        own = [list(map(float, box)) for owner, box in boxes if owner == image]
        logits, iou = by_transformers(network, processor, pixels[image, :, :height, :width], own)
        assert logits.std() > 0.01
        whole = F.pad(logits.sigmoid(), (0, FRAME - width, 0, FRAME - height))
        expected = F.avg_pool2d(whole[None], STRIDE)[0]
        rows = slice(row, row + len(own))
        torch.testing.assert_close(found.probabilities[rows], expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(found.quality[rows], iou.clamp(0, 1), atol=1e-5, rtol=1e-4)
        row += len(own)
    assert found.valid.all()


def test_an_empty_mask_has_no_box(sam, batch):
    folder, _, _ = sam
    pixels, masks, index, _ = batch
    masks[1] = -3.0
    refiner = SAMRefiner(model=str(folder))
    refiner.prepare(('cat',), CPU)
    found = refiner.propose(pixels / 255, SIZES, masks, index)
    assert found.valid.tolist() == [True, False, True]


def test_a_folder_without_weights(tmp_path):
    pytest.importorskip('transformers', minversion='5.0')
    with pytest.raises(MissingWeights, match=r'(?s)model.mask_refiner.model=.*HF_HOME'):
        SAMRefiner(model=str(tmp_path)).prepare(('cat',), CPU)


def test_without_the_package_one_line_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(ImportError, match=r"pip install '.\[sam\]'"):
        SAMRefiner(model='any').prepare(('cat',), CPU)


def test_it_has_to_be_prepared(batch):
    pixels, masks, index, _ = batch
    with pytest.raises(RuntimeError, match='prepare'):
        SAMRefiner(model='any').propose(pixels / 255, SIZES, masks, index)
