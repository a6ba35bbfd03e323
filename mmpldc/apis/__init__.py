"""Functions behind the tools: train on own data, label images, write label files, publish."""

from mmpldc.utils.checkpoints import (
    check_weights,
    class_information,
    read_checkpoint,
    teacher_weights,
)

from .auto_train import AutoTrained, auto_train
from .images import folder_images, list_images, read_categories
from .label_files import label_studio_config, write_coco, write_label_studio
from .mask_encoding import (
    decode_mask,
    encode_mask,
    label_studio_rle,
    mask_to_polygons,
    polygons_to_rle,
)
from .pseudo_labels import (
    LabeledImage,
    PseudoLabel,
    UnreadableImage,
    finished_iters,
    label_images,
    load_labeler,
)
from .publish import PublishedModel, plain_config, plain_detector, publish_model, to_half

__all__ = [
    'AutoTrained',
    'LabeledImage',
    'PseudoLabel',
    'PublishedModel',
    'UnreadableImage',
    'auto_train',
    'check_weights',
    'class_information',
    'decode_mask',
    'encode_mask',
    'finished_iters',
    'folder_images',
    'label_images',
    'label_studio_config',
    'label_studio_rle',
    'list_images',
    'load_labeler',
    'mask_to_polygons',
    'plain_config',
    'plain_detector',
    'polygons_to_rle',
    'publish_model',
    'read_categories',
    'read_checkpoint',
    'teacher_weights',
    'to_half',
    'write_coco',
    'write_label_studio',
]
