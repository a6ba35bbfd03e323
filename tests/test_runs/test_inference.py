"""mmdet's own inference interfaces take our configs and checkpoints, and use the teacher."""

import json
from pathlib import Path

import mmcv
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope
from mmengine.runner import save_checkpoint

from mmpldc.datasets.shapes import CLASSES


@pytest.fixture(scope='module')
def files(load_config, shapes_root, tmp_path_factory) -> dict[str, Path]:
    """A config, a checkpoint whose teacher and student differ, and an image."""
    folder = tmp_path_factory.mktemp('inference')
    cfg = load_config()
    cfg.dump(folder / 'config.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    for parameter in model.student.panoptic_head.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    for name, value in dict(checkpoint=model, plain=model.student).items():
        meta = dict(dataset_meta=dict(classes=CLASSES))
        save_checkpoint(dict(state_dict=value.state_dict(), meta=meta), str(folder / f'{name}.pth'))
    image = min((shapes_root / 'images/test').iterdir())
    return dict(
        config=folder / 'config.py',
        checkpoint=folder / 'checkpoint.pth',
        plain=folder / 'plain.pth',
        image=image,
    )


def predict(files: dict, checkpoint: str = 'checkpoint', **options):
    path = str(files[checkpoint])
    model = init_detector(str(files['config']), path, device='cpu', **options)
    return inference_detector(model, str(files['image'])).pred_instances, model


def assert_same(first, second) -> None:
    for name in 'scores', 'labels', 'masks', 'bboxes':
        torch.testing.assert_close(first[name], second[name])


def test_inference_detector_uses_the_teacher(files):
    prediction, model = predict(files)
    assert not model.training and tuple(model.dataset_meta['classes']) == CLASSES
    height, width = mmcv.imread(files['image']).shape[:2]
    assert prediction.masks.shape == (len(prediction), height, width)
    assert prediction.masks.dtype == torch.bool and len(prediction) == 20

    state_dict = torch.load(files['checkpoint'])['state_dict']
    for name, weights in model.teacher.state_dict().items():
        assert torch.equal(weights, state_dict[f'teacher.{name}'])
    model.student.load_state_dict(model.teacher.state_dict())  # now both are the teacher
    model.semi_test_cfg['predict_on'] = 'student'
    assert_same(inference_detector(model, str(files['image'])).pred_instances, prediction)


def test_inference_detector_uses_the_student_if_told_so(files):
    teacher, _ = predict(files)
    options = {'model.semi_test_cfg.predict_on': 'student'}
    student, _ = predict(files, cfg_options=options)
    assert not torch.allclose(teacher.scores, student.scores)
    # a plain Mask2Former checkpoint of the student makes it the teacher
    plain, _ = predict(files, checkpoint='plain')
    assert_same(plain, student)


def test_inference_detector_takes_arrays_and_lists(files):
    path = str(files['image'])
    expected, model = predict(files)
    results = inference_detector(model, [mmcv.imread(path), mmcv.imread(path)[:40, :50]])
    assert_same(results[0].pred_instances, expected)
    assert results[1].pred_instances.masks.shape[1:] == (40, 50)


def test_det_inferencer_writes_predictions_and_a_picture(files, tmp_path):
    inferencer = DetInferencer(
        model=str(files['config']),
        weights=str(files['checkpoint']),
        device='cpu',
        show_progress=False,
    )
    result = inferencer(
        str(files['image']), out_dir=str(tmp_path), no_save_pred=False, pred_score_thr=0
    )
    expected, _ = predict(files)
    (prediction,) = result['predictions']
    assert prediction['scores'] == pytest.approx(expected.scores.tolist())
    assert len(prediction['masks']) == len(expected)

    drawn = mmcv.imread(tmp_path / 'vis' / files['image'].name)
    assert drawn.shape == mmcv.imread(files['image']).shape
    assert (drawn != mmcv.imread(files['image'])).any()
    saved = json.loads((tmp_path / 'preds' / f'{files["image"].stem}.json').read_text())
    assert saved['labels'] == expected.labels.tolist()
