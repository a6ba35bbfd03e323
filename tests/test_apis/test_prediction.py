"""Predictions and pseudo-labels by functions; the tools' own tests go through them, too."""

import json
from copy import deepcopy
from types import SimpleNamespace

import cv2
import pytest
import torch
from mmdet.apis import inference_detector

from mmpldc.apis import decode_mask, load_predictor, predict, pseudo_label, publish_model


@pytest.fixture
def files(cfg, checkpoint, tmp_path, folder):
    torch.save(checkpoint, tmp_path / 'trained.pth')
    published = publish_model(tmp_path / 'trained.pth', tmp_path / 'model', deepcopy(cfg))
    images = [cv2.imread(str(path)) for path in sorted(folder.rglob('*.*'))]
    return SimpleNamespace(
        pair=tmp_path / 'trained.pth',
        plain=(published.config, published.checkpoint),
        folder=folder,
        images=images,
    )


def test_predictions_are_mmdets_in_each_images_frame(files):
    predictor = load_predictor(*files.plain, device='cpu')
    assert predictor.visualizer.dataset_meta['classes'] == ('cat', 'dog', 'owl')
    found = list(predict(predictor, iter(files.images)))
    for image, instances in zip(files.images, found, strict=True):
        expected = inference_detector(predictor.model, image).pred_instances
        assert torch.equal(instances.labels, expected.labels)
        torch.testing.assert_close(instances.scores, expected.scores, rtol=0, atol=1e-5)
        assert decode_mask(instances.masks[0]).shape == image.shape[:2]
    in_one = list(predict(predictor, files.images, batch_size=3))
    assert [one.masks[0]['size'] for one in in_one] == [one.masks[0]['size'] for one in found]
    (tiled,) = predict(predictor, files.images[:1], tile=32)
    assert all(mask['size'] == list(files.images[0].shape[:2]) for mask in tiled.masks)


def test_what_is_missing_is_named(files, tmp_path):
    config, checkpoint = files.plain
    with pytest.raises(FileNotFoundError, match=r'lost\.pth'):
        load_predictor(config, tmp_path / 'lost.pth')
    with pytest.raises(FileNotFoundError, match=r'lost\.py'):
        load_predictor(tmp_path / 'lost.py', checkpoint)


def test_pseudo_labels_of_a_folder(cfg, files, tmp_path):
    watched = []

    def watch(items, total):
        watched.append(total)
        return items

    out = tmp_path / 'labels.json'
    counts = pseudo_label(
        *(deepcopy(cfg), files.pair, files.folder, out), num_workers=0, watch=watch
    )
    content = json.loads(out.read_text())
    assert watched == [3] and counts.images == len(content['images']) == 3
    assert counts.labels == len(content['annotations']) and counts.unreadable == []

    (files.folder / 'broken.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match=r'cannot read .*broken\.png'):
        pseudo_label(deepcopy(cfg), files.pair, files.folder, tmp_path / 'b.json', num_workers=0)
    assert not (tmp_path / 'b.json').exists()
    counts = pseudo_label(
        *(deepcopy(cfg), files.pair, files.folder, tmp_path / 'tasks.json'),
        file_format='label-studio',
        skip_unreadable=True,
        num_workers=0,
    )
    assert counts.images == 3 and len(counts.unreadable) == 1
    assert (tmp_path / 'tasks.xml').is_file()


def test_a_list_of_images_needs_their_folder(cfg, files, tmp_path):
    with pytest.raises(ValueError, match=r'folder of the images of list\.json'):
        pseudo_label(cfg, files.pair, 'list.json', tmp_path / 'a.json')
    with pytest.raises(ValueError, match='is a folder'):
        pseudo_label(cfg, files.pair, files.folder, tmp_path / 'a.json', img_root=files.folder)
