"""Inference by mmdet's own interfaces, the demo and the tools for users; all use the teacher."""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.fileio import load
from mmengine.registry import DefaultScope
from mmengine.runner import save_checkpoint
from pycocotools.coco import COCO

from mmpldc.datasets.shapes import CLASSES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def files(load_config, shapes_root, tmp_path_factory) -> dict[str, Path]:
    """A config, a checkpoint whose teacher and student differ, and an image."""
    folder = tmp_path_factory.mktemp('inference')
    cfg = load_config(small=False)
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


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Call a program's main in this process, in an empty folder, with arguments as from a shell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')

    def call(program: str, *args) -> None:
        monkeypatch.setattr(sys, 'argv', [program, *map(str, args)])
        spec = importlib.util.spec_from_file_location('program', ROOT / program)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main()

    return call


# ---------------------------------------------------------------- demo/image_demo.py


@pytest.fixture
def demo(call, files):
    """Call the demo with the config and checkpoint."""

    def demo(inputs, *args) -> None:
        arguments = (files['config'], '--weights', files['checkpoint'], '--device', 'cpu')
        call('demo/image_demo.py', inputs, *arguments, *args)

    return demo


def saved(path: Path) -> dict:
    return json.loads(path.read_text())


def test_demo_paints_and_saves_as_the_inferencer_does(demo, files, tmp_path, capsys):
    np.random.seed(0)  # of the colours, which mmdet varies a little
    demo(files['image'], '--pred-score-thr', 0)
    assert 'predictions are in outputs/preds' in capsys.readouterr().out
    inferencer = DetInferencer(
        str(files['config']), str(files['checkpoint']), device='cpu', show_progress=False
    )
    np.random.seed(0)
    inferencer(str(files['image']), out_dir='theirs', no_save_pred=False, pred_score_thr=0)
    name = files['image'].stem
    assert saved(tmp_path / f'outputs/preds/{name}.json') == saved(
        tmp_path / f'theirs/preds/{name}.json'
    )
    ours, theirs = (mmcv.imread(f'{out}/vis/{name}.jpg') for out in ('outputs', 'theirs'))
    assert (ours == theirs).all() and (ours != mmcv.imread(files['image'])).any()


def test_demo_takes_a_folder_in_batches(demo, files, shapes_root):
    demo(shapes_root / 'images/test', '--batch-size', 2, '--out-dir', 'painted')
    names = sorted(path.stem for path in (shapes_root / 'images/test').iterdir())
    assert len(names) == 3
    assert sorted(path.stem for path in Path('painted/vis').iterdir()) == names
    assert sorted(path.stem for path in Path('painted/preds').iterdir()) == names
    expected, _ = predict(files)
    first = saved(Path(f'painted/preds/{files["image"].stem}.json'))
    assert first['scores'] == pytest.approx(expected.scores.tolist(), abs=1e-5)


@pytest.mark.parametrize('option', ['--no-save-vis', '--no-save-pred'])
def test_demo_writes_what_it_is_told(demo, files, option):
    demo(files['image'], option)
    (written,) = Path('outputs').iterdir()
    assert written.name == ('preds' if option == '--no-save-vis' else 'vis')


@pytest.fixture
def video(tmp_path) -> Path:
    """Five frames of 64 x 48 pixels, 10 a second."""
    path = tmp_path / 'input.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    for number in range(5):
        frame = np.full((48, 64, 3), 50 * number, np.uint8)
        writer.write(cv2.circle(frame, (10 + 8 * number, 24), 9, (20, 200, 90), -1))
    writer.release()
    return path


def test_demo_paints_a_video_frame_by_frame(demo, video, files, capsys):
    demo(video, '--batch-size', 2, '--pred-score-thr', 0, '--palette', 'random')
    assert 'outputs/vis/input.mp4: 5 frames' in capsys.readouterr().out
    original, painted = (mmcv.VideoReader(str(p)) for p in (video, 'outputs/vis/input.mp4'))
    assert (painted.resolution, painted.fps, painted.frame_cnt) == ((64, 48), 10, 5)
    names = sorted(path.name for path in Path('outputs/preds').iterdir())
    assert names == [f'input_{number:06d}.json' for number in range(5)]
    model = init_detector(str(files['config']), str(files['checkpoint']), device='cpu')
    for number, frame in enumerate(original):
        assert (painted[number] != frame).any()
        expected = inference_detector(model, frame).pred_instances
        found = saved(Path(f'outputs/preds/input_{number:06d}.json'))
        assert found['scores'] == pytest.approx(expected.scores.tolist(), abs=1e-5)


def test_demo_keeps_the_colours_of_a_video(demo, video):
    """Nothing is painted above a score of 1: what comes out is what went in, but for coding."""
    demo(video, '--pred-score-thr', 1, '--no-save-pred')
    original, painted = (mmcv.VideoReader(str(p)) for p in (video, 'outputs/vis/input.mp4'))
    for before, after in zip(original, painted, strict=True):
        difference = np.abs(before.astype(int) - after)
        # red and blue of the disc, half of the rows in its middle, differ by 110
        assert np.median(difference) < 10 and (difference[20:28] < 50).mean() > 0.9


def test_demo_says_what_it_cannot_read(demo, call, files, tmp_path):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'notes.txt').write_text('no image')
    (tmp_path / 'broken.jpg').write_text('no image')
    (tmp_path / 'zero.png').touch()
    (tmp_path / 'broken.mp4').write_text('no video')
    for inputs, message in {
        'missing.jpg': 'there is no file missing.jpg',
        'empty': 'empty has no image',
        'notes.txt': 'notes.txt cannot be read: it is damaged or cut off, or of another kind than',
        'broken.jpg': 'broken.jpg cannot be read',
        'zero.png': 'zero.png cannot be read',
        'broken.mp4': 'broken.mp4 has no readable frame',
    }.items():
        with pytest.raises((ValueError, OSError), match=message):
            demo(inputs)
    with pytest.raises(FileNotFoundError, match=r'there is no file lost\.pth'):
        call('demo/image_demo.py', files['image'], files['config'], '--weights', 'lost.pth')
    assert not Path('outputs').exists()


# ---------------------------------------------------------------- tools/export_pseudo_labels.py


@pytest.fixture
def export(call, files):
    """Call the tool with the config and checkpoint, on this process's images."""

    def export(images, *args, out: str = 'labels.json') -> dict | list:
        arguments = ('--out', out, '--num-workers', 0, '--device', 'cpu')
        program = 'tools/export_pseudo_labels.py'
        call(program, files['config'], files['checkpoint'], images, *arguments, *args)
        return saved(Path(out))

    return export


def test_export_labels_a_folder(export, shapes_root, capsys):
    folder = shapes_root / 'images/test'
    labels = export(folder)
    names = sorted(path.name for path in folder.iterdir())
    assert [image['file_name'] for image in labels['images']] == names
    assert labels['categories'] == [dict(id=i, name=n) for i, n in enumerate(CLASSES, start=1)]
    count = len(labels['annotations'])
    assert count > 3
    assert f'labels.json: {count} labels on 3 images, 0 of them without any' in (
        capsys.readouterr().out
    )
    coco = COCO('labels.json')
    for image in labels['images']:
        height, width = mmcv.imread(folder / image['file_name']).shape[:2]
        assert (image['height'], image['width']) == (height, width)
    for annotation in labels['annotations']:
        mask = coco.annToMask(annotation)
        rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
        box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
        assert annotation['bbox'] == box and annotation['area'] == mask.sum()
        quality = annotation['class_quality'] * annotation['mask_quality']
        assert annotation['score'] == pytest.approx(quality)

    fewer = export(folder, '--class-thr', 0.2, '--mask-thr', 0.6)
    kept = [a for a in labels['annotations'] if a['class_quality'] >= 0.2]
    kept = [a['area'] for a in kept if a['mask_quality'] >= 0.6]
    # The filter drops duplicates after the thresholds: more may be kept, never worse ones.
    assert len(fewer['annotations']) <= count
    assert all(a['class_quality'] >= 0.2 for a in fewer['annotations'])
    assert set(kept) <= {a['area'] for a in fewer['annotations']}


def test_export_keeps_the_ids_of_a_file(export, shapes_root):
    source = shapes_root / 'annotations/unlabeled_hidden.json'
    content = saved(source)
    for category in content['categories']:
        category['id'] = 100 - category['id']
    Path('renumbered.json').write_text(json.dumps(content))
    root = shapes_root / 'images/train'
    labels = export('renumbered.json', '--img-root', root, '--categories-of', 'renumbered.json')
    assert [image['id'] for image in labels['images']] == [i['id'] for i in content['images']]
    assert [category['name'] for category in labels['categories']] == list(CLASSES)
    assert labels['categories'] == content['categories']
    plain = export(source, '--img-root', root)
    assert [100 - a['category_id'] for a in labels['annotations']] == [
        a['category_id'] for a in plain['annotations']
    ]


def test_export_corrects_classes_by_the_refiner_only_if_told_so(export, shapes_root):
    folder = shapes_root / 'images/test'
    teacher = export(folder)
    for weight, same in ((0, True), (1, False)):
        labels = export(folder, '--refine', weight)
        assert len(labels['annotations']) == len(teacher['annotations'])
        changed = [
            first['category_id'] != second['category_id']
            for first, second in zip(labels['annotations'], teacher['annotations'], strict=True)
        ]
        assert any(changed) != same


def test_export_for_label_studio(export, shapes_root):
    folder = shapes_root / 'images/test'
    outlines = ('--polygons', '--tolerance', 0)
    polygons = export(folder, *outlines)
    tasks = export(
        *(folder, '--format', 'label-studio', *outlines),
        *('--image-prefix', 'https://example.org/', '--model-version', 'teacher'),
        out='tasks.json',
    )
    assert '<PolygonLabels' in Path('tasks.xml').read_text()
    assert len(tasks) == len(polygons['images'])
    for task, image in zip(tasks, polygons['images'], strict=True):
        assert task['data']['image'] == f'https://example.org/{image["file_name"]}'
        (prediction,) = task['predictions']
        assert prediction['model_version'] == 'teacher'
        expected = [
            (CLASSES[annotation['category_id'] - 1], part)
            for annotation in polygons['annotations']
            if annotation['image_id'] == image['id']
            for part in annotation['segmentation']
        ]
        values = [region['value'] for region in prediction['result']]
        assert [value['polygonlabels'] for value in values] == [[name] for name, _ in expected]
        for value, (_, part) in zip(values, expected, strict=True):
            pixels = np.array(value['points']) * (image['width'] / 100, image['height'] / 100)
            assert pixels.ravel() == pytest.approx(part)
    export(folder, '--format', 'label-studio', out='tasks.json')
    assert '<BrushLabels' in Path('tasks.xml').read_text()


def test_export_names_unreadable_images(export, shapes_root, tmp_path, capsys):
    folder = tmp_path / 'images'
    folder.mkdir()
    image = min((shapes_root / 'images/test').iterdir())
    (folder / 'good.jpg').write_bytes(image.read_bytes())
    (folder / 'broken.jpg').write_text('no image')
    with pytest.raises(
        ValueError, match=r'cannot read images/broken\.jpg(?s:.)*Nothing was written'
    ):
        export('images')
    assert [path.name for path in tmp_path.iterdir()] == ['images']
    labels = export('images', '--skip-unreadable')
    assert [image['file_name'] for image in labels['images']] == ['good.jpg']
    assert '1 images could not be read:\n  images/broken.jpg: ' in capsys.readouterr().out


def test_export_says_what_is_missing(export, shapes_root, capsys):
    with pytest.raises(SystemExit):
        export(shapes_root / 'annotations/test.json')
    assert 'give the folder of the images of' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        export(shapes_root / 'images/test', '--img-root', 'somewhere')
    assert '--img-root is only for a COCO-format json' in capsys.readouterr().err


# ---------------------------------------------------------------- tools/publish_model.py


@pytest.mark.slow
def test_published_model_has_the_same_ap(files, run_tool, shapes_root, tmp_path):
    """Exported labels of the teacher itself are the annotations, which gives an AP above 0."""
    images = shapes_root / 'images/test'
    run_tool(
        *('export_pseudo_labels.py', files['config'], files['checkpoint'], images),
        *('--out', 'labels.json', '--device', 'cpu', '--batch-size', 3),
        cwd=tmp_path,
    )
    printed = run_tool(
        *('publish_model.py', files['checkpoint'], 'published/shapes', '--config', files['config']),
        cwd=tmp_path,
    )
    (weights,) = tmp_path.glob('published/shapes-????????.pth')
    assert f'published/{weights.name} (' in printed and 'published/shapes.py' in printed
    options = (
        *('--cfg-options', f'test_dataloader.dataset.ann_file={tmp_path}/labels.json'),
        *(f'test_evaluator.ann_file={tmp_path}/labels.json',),
    )
    for name, config, checkpoint in (
        ('before', files['config'], files['checkpoint']),
        ('after', 'published/shapes.py', weights),
    ):
        arguments = ('--work-dir', name, '--out', f'{name}.pkl', *options)
        run_tool('test.py', config, checkpoint, *arguments, cwd=tmp_path)
    before, after = (saved(next(tmp_path.glob(f'{n}/*/*.json'))) for n in ('before', 'after'))
    metrics = [name for name in before if name.startswith('coco/segm_mAP')]
    assert metrics and all(before[name] == after[name] for name in metrics)
    assert before['coco/segm_mAP'] > 0.01
    for first, second in zip(
        *(load(tmp_path / f'{n}.pkl') for n in ('before', 'after')), strict=True
    ):
        first, second = first['pred_instances'], second['pred_instances']
        # two processes may differ in the last digit of a float
        torch.testing.assert_close(first['scores'], second['scores'], rtol=0, atol=1e-6)
        assert len(first['masks']) == len(second['masks']) == 20
