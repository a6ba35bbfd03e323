"""What a dump of a step brings back, and what it refuses to."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData, PixelData

from mmpldc.engine.step_dump import load_step, save_step
from mmpldc.structures import PackedMasks, TrainingSample

SQUARE = np.array([1.0, 1.0, 6.0, 1.0, 6.0, 5.0, 1.0, 5.0])


def make_masks(kind: str):
    polygons = PolygonMasks([[SQUARE]], 8, 10)
    if kind == 'polygons':
        return polygons
    bitmaps = BitmapMasks(polygons.to_ndarray(), 8, 10)
    return bitmaps if kind == 'bitmaps' else PackedMasks.pack(bitmaps)


def make_batch(sample_type=DetDataSample, kind='bitmaps') -> dict:
    """As a data loader gives it: two branches, each with one of the two images."""
    sample = sample_type(
        metainfo=dict(
            img_id=3,
            img_path='a.jpg',
            img_shape=(8, 10),
            scale_factor=np.array([0.5, 0.25], np.float32),
            flip=np.bool_(True),
            flip_direction=None,
            homography_matrix=np.eye(3, dtype=np.float32),
            ratio=np.float64(0.5),
        ),
        gt_instances=InstanceData(
            labels=torch.tensor([2]),
            bboxes=HorizontalBoxes(torch.tensor([[1.0, 1.0, 6.0, 5.0]])),
            masks=make_masks(kind),
        ),
    )
    image = torch.arange(3 * 8 * 10, dtype=torch.uint8).view(3, 8, 10)
    return dict(
        inputs=dict(sup_weak=[image, None], unsup_weak=[None, image]),
        data_samples=dict(sup_weak=[sample, None], unsup_weak=[None, sample]),
    )


def make_runner() -> SimpleNamespace:
    model = torch.nn.Linear(2, 1)
    wrapper = OptimWrapper(torch.optim.AdamW(model.parameters()))
    wrapper.update_params(model(torch.ones(1, 2)).sum())
    return SimpleNamespace(
        model=model,
        optim_wrapper=wrapper,
        cfg=Config(dict(model=dict(type='Linear'), betas=(0.9, 0.999))),
        train_dataloader=SimpleNamespace(
            dataset=SimpleNamespace(metainfo=dict(classes=['a', 'b']))
        ),
        iter=6,
        max_iters=10,
        seed=5,
    )


@pytest.mark.parametrize('kind', ['bitmaps', 'polygons', 'packed'])
@pytest.mark.parametrize('sample_type', [DetDataSample, TrainingSample])
def test_batches_come_back(tmp_path, sample_type, kind):
    path = tmp_path / 'step.pth'
    batch = make_batch(sample_type, kind)
    save_step(path, make_runner(), batch)
    (found,) = load_step(path)['batches']
    assert found['inputs']['sup_weak'][0].equal(batch['inputs']['sup_weak'][0])
    assert found['inputs']['sup_weak'][1] is None
    sample, expected = (b['data_samples']['unsup_weak'][1] for b in (found, batch))
    assert type(sample) is sample_type
    assert sample.metainfo.keys() == expected.metainfo.keys()
    for name, value in expected.metainfo.items():
        np.testing.assert_array_equal(sample.metainfo[name], value)
    instances, wanted = sample.gt_instances, expected.gt_instances
    assert instances.labels.equal(wanted.labels)
    assert instances.bboxes.tensor.equal(wanted.bboxes.tensor)
    dense = [
        masks.unpack().numpy() if kind == 'packed' else masks.to_ndarray()
        for masks in (instances.masks, wanted.masks)
    ]
    np.testing.assert_array_equal(*dense)
    assert dense[0].sum() > 0


def test_a_batch_of_label_maps_comes_back(tmp_path):
    pytest.importorskip('mmseg')
    from mmpldc.structures.seg_training_sample import SegTrainingSample

    labels = torch.arange(12, dtype=torch.uint8).view(1, 3, 4)
    sample = SegTrainingSample(metainfo=dict(img_path='a.jpg', img_shape=(3, 4)))
    sample.gt_sem_seg = PixelData(data=labels)
    batch = dict(inputs=dict(sup_weak=[labels]), data_samples=dict(sup_weak=[sample]))
    save_step(tmp_path / 'step.pth', make_runner(), batch)
    (found,) = load_step(tmp_path / 'step.pth')['batches']
    (found,) = found['data_samples']['sup_weak']
    assert type(found) is SegTrainingSample and found.metainfo == sample.metainfo
    assert found.gt_sem_seg.data.equal(labels)


def test_everything_else_comes_back(tmp_path):
    path, runner = tmp_path / 'step.pth', make_runner()
    save_step(path, runner, [make_batch(), make_batch()])
    step = load_step(path)
    assert len(step['batches']) == 2
    for name, tensor in runner.model.state_dict().items():
        assert step['state_dict'][name].equal(tensor)
    torch.testing.assert_close(step['optimizer'], runner.optim_wrapper.state_dict())
    assert Config.fromstring(step['config'], '.py').betas == (0.9, 0.999)
    keys = ('classes', 'iteration', 'max_iters', 'seed', 'rank', 'world_size')
    assert [step[key] for key in keys] == [('a', 'b'), 6, 10, 5, 0, 1]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(step, file):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(torch, 'save', full)
    with pytest.raises(OSError, match='No space left'):
        save_step(tmp_path / 'step.pth', make_runner(), make_batch())
    assert not list(tmp_path.iterdir())


class Payload:
    def __init__(self, marker) -> None:
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), 'w')


def test_code_in_a_dump_is_not_run(tmp_path):
    torch.save(dict(batches=[Payload(tmp_path / 'marker')]), tmp_path / 'step.pth')
    with pytest.raises(pickle.UnpicklingError):
        load_step(tmp_path / 'step.pth')
    assert not (tmp_path / 'marker').exists()
