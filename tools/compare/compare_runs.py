"""Test two trained models on the same images, and say whether the second is better.

    python tools/compare/compare_runs.py supervised.py SUPERVISED.pth pldc.py PLDC.pth

tests the baseline and PL-DC: did the unlabelled images help? The gain has a spread, from drawing
the test images anew a thousand times. Both are tested on the set of the second config.
"""

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import mmpldc._mmdet  # noqa: F401

from mmdet.evaluation import DumpDetResults
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.runner import Runner
from pycocotools.coco import COCO

from mmpldc.apis import add_cfg_options, read_config
from mmpldc.apis.fitting import check_checkpoint
from mmpldc.evaluation.bootstrap import Interval, evaluate_images, match_predictions
from mmpldc.evaluation.run_comparison import Comparison, compare_matches
from mmpldc.utils.files import write_json
from mmpldc.utils.markdown import table

NAMES = ('baseline', 'this')
VERDICTS = dict(
    better='{name} is better than {baseline}: {gain:.1f} AP, and better in {share:.0%} of the '
    'draws. Another seed of training moves AP, too: train a second pair before you rely on 1 or 2 '
    'AP.',
    worse='{name} is worse than {baseline}: {gain:.1f} AP less, and better in only {share:.0%} of '
    'the draws. Use {baseline}, or see docs/troubleshooting.md.',
    unclear='It is not clear whether {name} is better than {baseline}: these {number} images do '
    'not tell (better in {share:.0%} of the draws). More test images would, or a longer training.',
    nothing='Neither {baseline} nor {name} finds anything on these {number} images: both need more '
    'steps, or see docs/troubleshooting.md.',
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('baseline', help='config')
    parser.add_argument('baseline_checkpoint')
    parser.add_argument('config', help='config')
    parser.add_argument('checkpoint')
    parser.add_argument('--set', choices=['test', 'val'], default='test', help='default: test')
    parser.add_argument('--draws', type=int, default=1000, help='of the images; default: 1000')
    parser.add_argument('--seed', type=int, default=0, help='of the draws')
    parser.add_argument(
        '--out', type=Path, help='write the table to this .md, the numbers to .json'
    )
    add_cfg_options(parser)
    return parser.parse_args()


def tested(cfg: Config, checkpoint: str, folder: Path, name: str) -> tuple[list[dict], list[str]]:
    """Predictions of a checkpoint on the test set, in COCO's form, and the class names."""
    cfg.load_from, cfg.resume, cfg.work_dir = checkpoint, False, str(folder)
    cfg.experiment_name, cfg.visualizer.name = f'compare_{name}', f'compare_{name}'
    cfg.visualizer.vis_backends = []
    cfg.log_level = 'WARNING'  # without the config and a line every ten images
    print(f'Testing {checkpoint} ...', flush=True)
    runner = Runner.from_cfg(cfg)
    file = folder / f'{name}.pkl'
    check_checkpoint(checkpoint, runner.model, cfg)
    runner.test_evaluator.metrics = [DumpDetResults(out_file_path=str(file))]
    runner.test()
    classes = list(runner.test_dataloader.dataset.metainfo['classes'])
    return load(file), classes


def coco_predictions(results: Sequence[dict], category_ids: Sequence[int]) -> list[dict]:
    """The predictions of mmdet's dump, one entry each."""
    return [
        dict(
            image_id=result['img_id'],
            category_id=category_ids[label],
            segmentation=mask,
            score=score,
        )
        for result in results
        for label, mask, score in zip(
            result['pred_instances']['labels'].tolist(),
            result['pred_instances']['masks'],
            result['pred_instances']['scores'].tolist(),
            strict=True,
        )
    ]


def percent(spread: Interval, *, sign: bool = False) -> str:
    form = '{:+.1f}' if sign else '{:.1f}'
    value, low, high = (form.format(100 * part) for part in spread)
    return f'{value} ({low} to {high})'


def report(comparison: Comparison, names: Sequence[str], classes: Sequence[str]) -> str:
    """Tables and verdict as Markdown."""
    rows = [
        [name, *(percent(spread) for spread in model.values())]
        for name, model in zip(names, (comparison.first, comparison.second), strict=True)
    ]
    rows.append(['gain', *(percent(spread, sign=True) for spread in comparison.gain.values())])
    by_class = [
        [name, *('-' if ap != ap else f'{100 * ap:.1f}' for ap in pair)]
        for name, pair in zip(classes, comparison.per_class, strict=True)
    ]
    number = comparison.num_images
    finds = any(model['AP'].value > 0 for model in (comparison.first, comparison.second))
    return '\n\n'.join(
        [
            table([f'{number} images', *comparison.gain], rows),
            'In brackets: 95 % intervals, from drawing the images anew (basic bootstrap).',
            table(['AP by class', *names], by_class),
            VERDICTS[comparison.verdict if finds else 'nothing'].format(
                name=names[1],
                baseline=names[0],
                gain=100 * abs(comparison.gain['AP'].value),
                share=comparison.share_better,
                number=number,
            ),
        ]
    )


def main() -> None:
    args = parse_args()
    runs = (args.baseline, args.baseline_checkpoint), (args.config, args.checkpoint)
    for _, checkpoint in runs:
        if not os.path.isfile(checkpoint):
            raise FileNotFoundError(f'there is no checkpoint {checkpoint}')
    configs = [read_config(path, args.cfg_options) for path, _ in runs]
    loader, evaluator = (configs[1][f'{args.set}_{part}'] for part in ('dataloader', 'evaluator'))
    truth = COCO(evaluator['ann_file'])
    found, of_both = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, cfg, (_, checkpoint) in zip(NAMES, configs, runs, strict=True):
            cfg.test_dataloader, cfg.test_evaluator = loader, evaluator
            results, classes = tested(cfg, checkpoint, Path(folder), name)
            ids = {category['name']: category['id'] for category in truth.dataset['categories']}
            of_both.append(classes)
            category_ids = [ids[name] for name in classes]
            found.append(coco_predictions(results, category_ids))
    if of_both[0] != of_both[1]:
        raise ValueError(f'the configs have other classes: {of_both[0]} and {of_both[1]}')
    # as tools/test.py, whose AP counts every prediction of an image
    per_image = [Counter(one['image_id'] for one in predictions) for predictions in found]
    most = max([100, *(number for counts in per_image for number in counts.values())])
    matches = [
        match_predictions(
            evaluate_images(truth, predictions, category_ids=category_ids, max_dets=most)
        )
        for predictions in found
    ]
    print(f'Drawing the images {args.draws} times ...', flush=True)
    comparison = compare_matches(*matches, samples=args.draws, seed=args.seed)
    names = [Path(path).stem for path, _ in runs]
    text = report(comparison, names, classes)
    print(f'\n{text}')
    if args.out is not None:
        write_json(args.out.with_suffix('.json'), numbers(comparison, names, classes), indent=2)
        args.out.with_suffix('.md').write_text(f'{text}\n')


def numbers(comparison: Comparison, names: Sequence[str], classes: Sequence[str]) -> dict:
    """The comparison as JSON."""
    models = {
        name: {key: spread._asdict() for key, spread in model.items()}
        for name, model in zip(
            (*names, 'gain'), (comparison.first, comparison.second, comparison.gain), strict=True
        )
    }
    return models | dict(
        verdict=comparison.verdict,
        share_better=comparison.share_better,
        num_images=comparison.num_images,
        per_class={  # null without objects
            name: [None if ap != ap else ap for ap in pair]
            for name, pair in zip(classes, comparison.per_class, strict=True)
        },
    )


if __name__ == '__main__':
    try:
        main()
    except (ValueError, OSError, KeyError) as error:
        raise SystemExit(f'compare_runs.py: {error}') from None
