"""Compare the quickstart's two runs on the test split: tables, figures and curves."""

import argparse
import copy
from pathlib import Path

import mmpldc._mmdet  # noqa: F401  before the imports of mmdet below, which would be noisy

import numpy as np

# isort: split
from mmdet.apis import inference_detector, init_detector
from mmengine.config import Config
from mmengine.runner import Runner
from pycocotools.coco import COCO
from torch.utils.data import DataLoader

from mmpldc.apis import load_labeler
from mmpldc.evaluation.pseudo_label_quality import compare_pseudo_labels, logits_in_original_frame
from mmpldc.evaluation.scorer_accuracy import precision_and_recall, scorer_confusion
from mmpldc.functional import mask_uncertainty
from mmpldc.models import SemiMask2Former
from mmpldc.utils.checkpoints import read_checkpoint
from mmpldc.utils.files import write_json
from mmpldc.visualization import (
    draw_instances,
    draw_uncertainty,
    plot_curves,
    read_scalars,
    save_grid,
)

METRICS = dict(AP='segm_mAP', AP50='segm_mAP_50', AP75='segm_mAP_75')
NUM_LABELLED = 500  # number of unlabelled images for measuring pseudo-labels
NUM_PICTURES = 5
SCORE_THR = 0.4  # for the predictions in the figures


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('supervised', type=Path, help='work directory of the baseline')
    parser.add_argument('pldc', type=Path, help='work directory of PL-DC')
    parser.add_argument('--out', type=Path, required=True, help='folder for results and figures')
    return parser.parse_args()


def load_run(work_dir: Path) -> tuple[Config, str]:
    """Return the config of the run and its last checkpoint."""
    config = next(work_dir.glob('*.py'))
    return Config.fromfile(config), (work_dir / 'last_checkpoint').read_text().strip()


def evaluate(work_dir: Path, model: str) -> dict[str, float]:
    """Return mask AP in percent on the test split, of the run's ``'teacher'`` or ``'student'``."""
    cfg, checkpoint = load_run(work_dir)
    cfg.model.semi_test_cfg.predict_on = model
    cfg.load_from, cfg.resume = checkpoint, False
    cfg.work_dir = str(work_dir / f'test_{model}')
    cfg.log_level = 'WARNING'
    metrics = Runner.from_cfg(cfg).test()
    return {name: 100 * metrics[f'coco/{key}'] for name, key in METRICS.items()}


def labeler(config: Config, checkpoint: Path, **refiner) -> tuple[SemiMask2Former, DataLoader]:
    """Load a teacher, and unlabelled images with the annotations hidden from training.

    Args:
        config: of a run with PL-DC.
        checkpoint: its iteration determines CLIP's weight.
        **refiner: options of the config's refiner.
    """
    cfg = copy.deepcopy(config)
    if refiner:
        cfg.model.refiner.update(refiner)
    dataset = cfg.val_dataloader.dataset
    dataset.ann_file = 'annotations/unlabeled_hidden.json'
    dataset.data_prefix.img = 'images/train/'
    dataset.indices = NUM_LABELLED
    model = load_labeler(cfg, read_checkpoint(checkpoint), refiner_weight='scheduled')
    return model, Runner.build_dataloader(cfg.val_dataloader)


def pseudo_label_quality(config: Config, checkpoint: Path, **refiner) -> dict[str, float]:
    """Compute precision, recall and class accuracy, see :meth:`PseudoLabelTable.summary`."""
    return compare_pseudo_labels(*labeler(config, checkpoint, **refiner)).summary()


def clip_accuracy(config: Config, checkpoint: Path) -> dict[str, object]:
    """Measure CLIP alone on the annotated objects of the tuning split (the paper's Table II)."""
    model, _ = labeler(config, checkpoint)
    dataloader = Runner.build_dataloader(copy.deepcopy(config.val_dataloader))
    precision, recall = precision_and_recall(scorer_confusion(model, dataloader))
    classes = config.val_dataloader.dataset.metainfo.classes
    return dict(
        precision=float(np.nanmean(precision)),
        recall=float(np.nanmean(recall)),
        recall_by_class=dict(zip(classes, recall.tolist(), strict=True)),
    )


def table(title: str, rows: dict[str, dict[str, float]], digits: int) -> str:
    """Format Markdown, one row per key; columns are those of the first row."""
    columns = list(next(iter(rows.values())))
    width = max(map(len, [title, *rows]))
    lines = [f'| {title:{width}} | ' + ' | '.join(f'{name:>5}' for name in columns) + ' |']
    lines += [
        f'|{"-" * (width + 2)}|' + '|'.join('-' * (max(len(c), 5) + 1) + ':' for c in columns) + '|'
    ]
    for name, row in rows.items():
        cells = (f'{row[column]:{max(len(column), 5)}.{digits}f}' for column in columns)
        lines.append(f'| {name:{width}} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def correction_table(supervised: Path, pldc: Path) -> dict[str, dict[str, float]]:
    """Compare labels at the start of mutual learning: the teacher's, with DICC, by CLIP alone."""
    config, _ = load_run(pldc)
    start = supervised / f'iter_{config.model.burn_in_iters}.pth'
    corrected = pseudo_label_quality(config, start)
    by_clip = pseudo_label_quality(config, start, initial_weight=1.0, final_weight=1.0)
    return {
        "teacher's labels": dict(class_accuracy=corrected['teacher_class_accuracy']),
        'corrected by DICC': dict(class_accuracy=corrected['class_accuracy']),
        'labels by CLIP alone': dict(class_accuracy=by_clip['class_accuracy']),
    }


def annotated(coco: COCO, image_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return annotated masks ``(K, H, W)`` bool and labels ``(K,)`` of an image."""
    annotations = coco.loadAnns(coco.getAnnIds(image_id))
    info = coco.imgs[image_id]
    masks = np.zeros((len(annotations), info['height'], info['width']), bool)
    for mask, annotation in zip(masks, annotations, strict=True):
        mask[:] = coco.annToMask(annotation)
    category_ids = sorted(coco.cats)
    return masks, np.array([category_ids.index(a['category_id']) for a in annotations], int)


def predicted(model, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return masks, labels and scores of the teacher's confident predictions."""
    instances = inference_detector(model, path).pred_instances
    instances = instances[instances.scores > SCORE_THR].cpu().numpy()
    return instances.masks.astype(bool), instances.labels, instances.scores


def draw_predictions(path: Path, models: dict, style: dict) -> None:
    """Draw test images with ground truth and each model's predictions."""
    dataset = models['PL-DC'].cfg.test_dataloader.dataset
    coco, folder = COCO(dataset.data_root + dataset.ann_file), Path(dataset.data_root)
    rows = {name: [] for name in ('ground truth', *models)}
    for image_id in sorted(coco.imgs)[:NUM_PICTURES]:
        file = str(folder / dataset.data_prefix.img / coco.imgs[image_id]['file_name'])
        image = read_rgb(file)
        rows['ground truth'].append(draw_instances(image, *annotated(coco, image_id), **style))
        for name, model in models.items():
            masks, labels, scores = predicted(model, file)
            rows[name].append(draw_instances(image, masks, labels, scores=scores, **style))
    save_grid(path, rows)


def draw_pseudo_labels(path: Path, model, style: dict) -> None:
    """Draw unlabelled images: hidden truth, pseudo-labels and their largest uncertainty."""
    cfg = model.cfg
    dataset = cfg.val_dataloader.dataset
    dataset.ann_file, dataset.data_prefix.img = 'annotations/unlabeled_hidden.json', 'images/train/'
    dataset.indices = NUM_PICTURES
    cfg.val_dataloader.batch_size = NUM_PICTURES
    coco = COCO(dataset.data_root + dataset.ann_file)
    data = model.data_preprocessor(next(iter(Runner.build_dataloader(cfg.val_dataloader))), False)
    samples = data['data_samples']
    rows = {'hidden ground truth': [], 'pseudo-labels': [], 'uncertainty': []}
    for sample, kept in zip(
        samples, model.get_pseudo_instances(data['inputs'], samples), strict=True
    ):
        image = read_rgb(sample.img_path)
        logits = logits_in_original_frame(kept.mask_logits, sample.metainfo)
        uncertainty = np.zeros(image.shape[:2], np.float32)
        if len(kept):
            uncertainty = mask_uncertainty(logits).max(dim=0).values.numpy()
        masks, labels, scores = (logits > 0).numpy(), kept.labels.numpy(), kept.scores.numpy()
        truth = annotated(coco, sample.img_id)
        rows['hidden ground truth'].append(draw_instances(image, *truth, **style))
        rows['pseudo-labels'].append(draw_instances(image, masks, labels, scores=scores, **style))
        rows['uncertainty'].append(draw_uncertainty(image, uncertainty))
    save_grid(path, rows)


def read_rgb(path: str) -> np.ndarray:
    import cv2

    return cv2.imread(path)[..., ::-1]


def main() -> None:
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    rows = {
        'supervised (EMA)': evaluate(args.supervised, 'teacher'),
        'PL-DC, student': evaluate(args.pldc, 'student'),
        'PL-DC, teacher': evaluate(args.pldc, 'teacher'),
    }
    gain = rows['PL-DC, teacher']['AP'] - rows['supervised (EMA)']['AP']
    config, checkpoint = load_run(args.pldc)
    quality = pseudo_label_quality(config, Path(checkpoint))
    results = dict(rows=rows, gain=gain, pseudo_labels=quality)
    if config.model.get('refiner') is not None:
        clip = clip_accuracy(config, Path(checkpoint))
        correction = correction_table(args.supervised, args.pldc)
        results |= dict(clip=clip, correction=correction)
        row = dict(precision=clip['precision'], recall=clip['recall']) | clip['recall_by_class']
        title = 'CLIP alone, annotated objects; recall'
        print(table(title, {'': row}, digits=2), end='\n\n')
        print(table('pseudo-labels after burn-in', correction, digits=3), end='\n\n')
    write_json(args.out / 'results.json', results, indent=2, default=float)
    print(table('mask AP, test split', rows, digits=1))

    models = {
        name: init_detector(*load_run(work_dir), device='cpu')
        for name, work_dir in (('supervised', args.supervised), ('PL-DC', args.pldc))
    }
    models['PL-DC'].set_progress(config.train_cfg.max_iters, config.train_cfg.max_iters)
    meta = models['PL-DC'].dataset_meta
    style = dict(classes=meta['classes'], palette=meta['palette'])
    draw_predictions(args.out / 'predictions.png', models, style)
    draw_pseudo_labels(args.out / 'pseudo_labels.png', models['PL-DC'], style)
    runs = {'supervised': read_scalars(args.supervised), 'PL-DC': read_scalars(args.pldc)}
    panels = {
        'teacher mask AP, tuning split': ['teacher/coco/segm_mAP'],
        'pseudo-labels kept per image': ['pseudo_per_image'],
        'their quality': ['pseudo_class_quality', 'pseudo_mask_quality'],
    }
    plot_curves(args.out / 'curves.png', runs, panels)


if __name__ == '__main__':
    main()
