"""A checkpoint that does not fit the config is refused in a line, whatever its kind."""

import copy

import pytest
import torch
from mmdet.registry import MODELS

from mmpldc.apis import check_checkpoint


@pytest.fixture
def save(tmp_path):
    def save(checkpoint: dict) -> str:
        path = tmp_path / 'model.pth'
        torch.save(checkpoint, path)
        return str(path)

    return save


def test_what_fits(tiny_test_cfg, tiny_checkpoint, save):
    model = MODELS.build(copy.deepcopy(tiny_test_cfg.model))
    plain = {
        name.removeprefix('student.'): value
        for name, value in tiny_checkpoint['state_dict'].items()
        if name.startswith('student.')
    }
    pair = tiny_checkpoint['state_dict']
    ddp = {f'module.{name}': value for name, value in pair.items()}
    cases = [(pair, model), (plain, model), (plain, model.student), (ddp, model)]
    for weights, network in cases:
        check_checkpoint(save(dict(state_dict=weights)), network, tiny_test_cfg)
        # without any class layer, which each of the networks has, none of them fits
        fewer = {name: value for name, value in weights.items() if 'cls_embed' not in name}
        assert len(fewer) < len(weights)
        with pytest.raises(ValueError, match='cls_embed'):
            check_checkpoint(save(dict(state_dict=fewer)), network, tiny_test_cfg)


@pytest.mark.parametrize('predict_on', ['teacher', 'student'])
def test_what_does_not_fit_is_named(tiny_test_cfg, tiny_checkpoint, save, predict_on):
    tiny_test_cfg.model.semi_test_cfg = dict(predict_on=predict_on)
    model = MODELS.build(copy.deepcopy(tiny_test_cfg.model))
    path = save(tiny_checkpoint)
    check_checkpoint(path, model, tiny_test_cfg)
    tiny_test_cfg.model.num_classes = 8
    other = MODELS.build(copy.deepcopy(tiny_test_cfg.model))
    with pytest.raises(ValueError, match=r'model\.pth: the checkpoint is not of this config: of '):
        check_checkpoint(path, other, tiny_test_cfg)
    del tiny_checkpoint['state_dict'][f'{predict_on}.panoptic_head.query_embed.weight']
    with pytest.raises(ValueError, match=r'1 missing \(panoptic_head\.query_embed\.weight\)'):
        check_checkpoint(save(tiny_checkpoint), model, tiny_test_cfg)
    with pytest.raises(FileNotFoundError):
        check_checkpoint('none.pth', model, tiny_test_cfg)


def test_classes_in_another_order_are_refused(tiny_test_cfg, tiny_checkpoint, save):
    model = MODELS.build(copy.deepcopy(tiny_test_cfg.model))
    classes = tiny_test_cfg.test_dataloader.dataset.metainfo.classes
    tiny_test_cfg.test_dataloader.dataset.metainfo.classes = tuple(reversed(classes))
    with pytest.raises(ValueError, match='classes of the config in another order'):
        check_checkpoint(save(tiny_checkpoint), model, tiny_test_cfg)
    tiny_test_cfg.test_dataloader.dataset.metainfo.classes = ('a', 'b', 'c')
    check_checkpoint(save(tiny_checkpoint), model, tiny_test_cfg)  # renamed: only a warning
