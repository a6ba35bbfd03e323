"""Measure strategies of tools/label_next.py: AP over the number of labelled images, by rounds.

    python tools/compare/label_rounds.py work_dirs/rounds --seeds 0 1 2 --rounds 3

Generates scenes for each seed, of which 40 are labelled. A round trains a config on the labelled
scenes, tests its teacher, lets each strategy choose scenes to label next, takes their labels from
the hidden annotations in the annotators' place, and merges them by tools/dataset/merge_labels.py,
which also counts what an exact annotator would have to correct. All strategies share the first
round. An interrupted call continues. The results, rounds.json and rounds.md in the folder, are
written anew after each round.
"""

import argparse
import json
import multiprocessing
import os
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from label_rounds_page import Outcome, page
from mmengine.config import Config
from run_length import write_base

from mmpldc.apis.image_ranking import STRATEGIES
from mmpldc.utils.files import write_json
from mmpldc.utils.processes import end_children_on_sigterm
from mmpldc.utils.settings import guard_settings

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
AP = 'coco/segm_mAP'
NEVER = 10**9
START = 'start'  # the round without a strategy
FORK = multiprocessing.get_context('fork')


class Labels(NamedTuple):
    """Files of the labelled and of the unlabelled scenes."""

    labeled: Path
    unlabeled: Path

    @property
    def options(self) -> list[str]:
        """Of a config that trains on the labelled ones."""
        return [f'train_dataloader.dataset.labeled.ann_file={self.labeled}']


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', type=Path)
    parser.add_argument(
        '--config',
        type=Path,
        default=ROOT / 'configs/comparison/pldc_without_dicc.py',
        help="trained in each round, one of the quickstart's scenes; default: PL-DC without CLIP",
    )
    parser.add_argument('--steps', type=int, help='of each training; default: those of the config')
    parser.add_argument(
        '--later-steps',
        type=int,
        help='of each training after the first, which then starts from the weights of the round '
        'before, without burn-in; default: each round trains from the start',
    )
    parser.add_argument(
        '--strategies', nargs='+', choices=[*STRATEGIES], default=['random', 'uncertain', 'diverse']
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--first', type=int, default=40, help='scenes labelled at the start')
    parser.add_argument('--per-round', type=int, default=40, help='scenes labelled in a round')
    parser.add_argument('--train', type=int, default=3000, help='scenes to train on')
    parser.add_argument('--tuning', type=int, default=300, help='scenes that nothing uses')
    parser.add_argument('--test', type=int, default=500, help='scenes to test on')
    parser.add_argument('--batch-size', type=int, default=16, help='of the choice')
    parser.add_argument('--device', default='cpu', help='of the choice; training finds its own')
    return parser.parse_args()


class Study:
    """The rounds of all strategies and seeds, below one folder.

    Raises:
        ValueError: if the folder was started with other settings.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.root = args.work_dir.absolute()
        free = ('work_dir', 'seeds', 'strategies', 'rounds', 'device', 'batch_size')
        settings = {name: str(value) for name, value in vars(args).items() if name not in free}
        guard_settings(self.root, settings)
        self.first = self.later = args.config
        if args.steps is not None:
            self.first = self.later = write_base(args.config, args.steps, self.root / 'config.py')
        if args.later_steps is not None:
            path = self.root / 'later' / 'config.py'
            self.later = write_base(args.config, args.later_steps, path)

    def run(self) -> Iterator[Outcome]:
        """Run what is not done yet; each round's outcome as it comes."""
        for seed in self.args.seeds:
            data = self.root / f'data{seed}'
            words: list[object] = ['--labeled', self.args.first]
            for name in 'train', 'tuning', 'test':
                words += [f'--{name}', getattr(self.args, name)]
            self.call('dataset/generate_shapes.py', data, '--seed', seed, *words, seed=seed)
            annotations = data / 'annotations'
            first = Labels(annotations / 'labeled.json', annotations / 'unlabeled.json')
            yield self.train(START, seed, 0, first)
            for strategy in self.args.strategies:
                labels = first
                for number in range(1, self.args.rounds + 1):
                    labels = self.label(strategy, seed, number, labels)
                    yield self.train(strategy, seed, number, labels)

    def folder(self, strategy: str, seed: int, number: int) -> Path:
        """Of a round; the first one is everybody's."""
        return self.root / f'seed{seed}' / (START if number == 0 else f'{strategy}{number}')

    def config(self, number: int) -> Path:
        """What a round trains."""
        return self.later if number else self.first

    def train(self, strategy: str, seed: int, number: int, labels: Labels) -> Outcome:
        """Train and test a round."""
        config = self.config(number)
        folder = self.folder(strategy, seed, number)
        result = folder / 'outcome.json'
        if result.exists():
            return Outcome(**json.loads(result.read_text()))
        options = [*labels.options, f'randomness.seed={seed}', f'train_cfg.val_begin={NEVER}']
        options.append('default_hooks.checkpoint.max_keep_ckpts=1')
        if number and self.args.later_steps is not None:
            before = self.checkpoint(self.folder(strategy, seed, number - 1))
            options += [f'load_from={before}', 'model.burn_in_iters=0']
        if Config.fromfile(config).train_dataloader.dataset.get('unlabeled'):
            options.append(f'train_dataloader.dataset.unlabeled.ann_file={labels.unlabeled}')
        words = ['--work-dir', folder, '--resume', '--cfg-options', *options]
        self.call('train.py', config, *words, seed=seed)
        words = [folder / config.name, self.checkpoint(folder), '--work-dir', folder / 'test']
        self.call('test.py', *words, seed=seed)
        metrics = json.loads(max((folder / 'test').glob('*/*.json')).read_text())
        coco = json.loads(labels.labeled.read_text())
        counts = labels.labeled.with_name('corrections.json')
        outcome = Outcome(
            *(strategy, seed, number, len(coco['images']), len(coco['annotations'])),
            ap=100 * metrics[AP],
            corrections=json.loads(counts.read_text()) if counts.exists() else None,
        )
        write_json(result, outcome._asdict())
        return outcome

    def checkpoint(self, folder: Path) -> Path:
        """The last one of a run."""
        return Path((folder / 'last_checkpoint').read_text().strip())

    def label(self, strategy: str, seed: int, number: int, labels: Labels) -> Labels:
        """Choose, annotate and merge."""
        folder = self.folder(strategy, seed, number) / 'labels'
        merged = Labels(folder / 'labeled.json', folder / 'unlabeled.json')
        if merged.labeled.exists() and merged.unlabeled.exists():
            return merged
        before = self.folder(strategy, seed, number - 1)
        annotations, images = (
            self.root / f'data{seed}' / part for part in ('annotations', 'images')
        )
        chosen = folder / 'next'
        config = before / self.config(number - 1).name
        words = [config, self.checkpoint(before), '--out', chosen]
        words += [
            '--count',
            self.args.per_round,
            '--strategy',
            strategy,
            '--batch-size',
            self.args.batch_size,
        ]
        words += ['--images', labels.unlabeled, '--img-root', images / 'train']
        words += ['--num-workers', 0, '--device', self.args.device]
        self.call('label_next.py', *words, '--cfg-options', *labels.options, seed=seed)
        corrected = folder / 'corrected.json'
        listed = json.loads((chosen / 'next.json').read_text())
        hidden = json.loads((annotations / 'unlabeled_hidden.json').read_text())
        write_json(corrected, annotate(listed, hidden))
        words = [labels.labeled, corrected, '--images', images / 'train', '--negatives', 'all']
        words += ['--val', annotations / 'tuning.json', '--val-images', images / 'tuning']
        words += ['--test', annotations / 'test.json', '--test-images', images / 'test']
        words += ['--unlabeled', labels.unlabeled, '--out', folder]
        words += ['--predictions', chosen / 'pre_annotations.json']
        self.call('dataset/merge_labels.py', *words, seed=seed)
        return merged

    def call(self, tool: str, *words: object, seed: int) -> None:
        """Run a tool, with its output in a log.

        Raises:
            RuntimeError: if it fails, with the end of its log.
        """
        log = self.root / f'seed{seed}' / 'log.txt'
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(MMPLDC_SHAPES=f'{self.root}/data{seed}/')
        print(tool, *map(str, words[:3]), flush=True)
        process = FORK.Process(
            target=run_tool, args=(TOOLS / tool, [*map(str, words)], log, environment)
        )
        process.start()
        try:
            process.join()
        except BaseException:  # Ctrl-C, or SIGTERM: the tool saves and ends
            process.terminate()
            process.join()
            raise
        status = process.exitcode
        if status:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-25:])
            raise RuntimeError(f'{tail}\n{tool} failed; the whole log is {log}')


def run_tool(tool: Path, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """Be a tool: what a fork of this process does, which has imported nearly all it needs."""
    with log.open('a') as file:
        for stream in sys.stdout, sys.stderr:
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    os.environ.update(environment)
    sys.argv = [str(tool), *words]
    sys.path[0] = str(tool.parent)
    runpy.run_path(str(tool), run_name='__main__')


def annotate(listed: dict, hidden: dict) -> dict:
    """What an exact annotator makes of the chosen images.

    Args:
        listed: content of ``next.json``.
        hidden: annotations of these images, among others, with the same ids.
    """
    chosen = {image['id'] for image in listed['images']}
    own = [one for one in hidden['annotations'] if one['image_id'] in chosen]
    return dict(images=listed['images'], annotations=own, categories=hidden['categories'])


def main() -> None:
    end_children_on_sigterm()
    args = parse_args()
    study = Study(args)
    outcomes: list[Outcome] = []
    for outcome in study.run():
        outcomes.append(outcome)
        write_json(study.root / 'rounds.json', [one._asdict() for one in outcomes], indent=2)
        if outcome.round:
            (study.root / 'rounds.md').write_text(f'{page(outcomes)}\n')
    print(f'\n{page(outcomes)}')


if __name__ == '__main__':
    try:
        main()
    except (RuntimeError, ValueError, OSError) as error:
        raise SystemExit(f'label_rounds.py: {error}') from None
