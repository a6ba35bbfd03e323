from .auto_training import AutoTrained, auto_train
from .fitting import check_checkpoint
from .images import folder_images, list_images, read_categories
from .label_files import (
    label_studio_config,
    label_studio_prediction,
    local_files_prefix,
    write_coco,
    write_label_studio,
)
from .labelling import LabelCounts, pseudo_label
from .launch import open_config
from .mask_encoding import (
    decode_mask,
    encode_mask,
    label_studio_rle,
    mask_to_polygons,
    polygons_to_rle,
)
from .next_images import NextImages, label_next
from .onnx_export import Preparation, export_onnx
from .options import add_cfg_options, add_labeling_arguments, merge_options, read_config
from .plain_detector import plain_config, plain_detector
from .plain_segmentor import plain_segmentor, plain_segmentor_config
from .prediction import load_predictor, predict
from .pseudo_labels import (
    LabeledImage,
    PseudoLabel,
    UnreadableImage,
    finished_iters,
    label_images,
    load_labeler,
)
from .publish import PublishedModel, publish_model, to_half
from .run_lengths import DecodedMasks, as_plain, with_run_lengths
from .runs import evaluate, train
from .segmentation import is_semantic, load_segmentor, segment_images
from .tiling import predict_tiles, tile_windows

__all__ = [
    'AutoTrained',
    'DecodedMasks',
    'as_plain',
    'predict_tiles',
    'tile_windows',
    'with_run_lengths',
    'LabelCounts',
    'LabeledImage',
    'Preparation',
    'PseudoLabel',
    'PublishedModel',
    'UnreadableImage',
    'add_cfg_options',
    'add_labeling_arguments',
    'check_checkpoint',
    'auto_train',
    'decode_mask',
    'encode_mask',
    'evaluate',
    'export_onnx',
    'finished_iters',
    'folder_images',
    'is_semantic',
    'NextImages',
    'label_next',
    'label_images',
    'label_studio_config',
    'label_studio_prediction',
    'label_studio_rle',
    'list_images',
    'load_labeler',
    'local_files_prefix',
    'load_predictor',
    'load_segmentor',
    'mask_to_polygons',
    'merge_options',
    'open_config',
    'plain_config',
    'plain_detector',
    'plain_segmentor',
    'plain_segmentor_config',
    'polygons_to_rle',
    'predict',
    'pseudo_label',
    'publish_model',
    'read_categories',
    'segment_images',
    'read_config',
    'to_half',
    'train',
    'write_coco',
    'write_label_studio',
]
