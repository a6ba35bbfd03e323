"""The experiments that docs/configs.md and docs/methods.md name: configs, options, published AP."""

import argparse
import copy
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config, DictAction

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
SPLITS = dict(
    coco='annotations/semi_supervised/instances_train2017.1@{}',
    cityscapes='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@{}',
)
SPLIT = 'train_dataloader.dataset.split'


class Row(NamedTuple):
    """A row of a table in the docs."""

    name: str
    config: str  # below configs/
    options: tuple[str, ...]
    ap: str


def load(config: str, options: tuple[str, ...] = ()) -> Config:
    """A copy of the config of ``tools/train.py configs/CONFIG --cfg-options OPTIONS``."""
    return copy.deepcopy(_load(config, options))


@cache
def _load(config: str, options: tuple[str, ...]) -> Config:
    cfg = Config.fromfile(CONFIGS / config)
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    found = parser.parse_args(['--cfg-options', *options] if options else []).cfg_options
    cfg.merge_from_dict(found or {})
    return cfg


def split_option(config: str, percent: int) -> str:
    dataset = 'cityscapes' if 'cityscapes' in config else 'coco'
    return f'{SPLIT}={SPLITS[dataset].format(percent)}'


def expand(pattern: str) -> list[str]:
    """``a_{1,2}.py`` as the shell expands it."""
    parts = re.split(r'\{(.*?)\}', pattern)
    choices = [part.split(',') if i % 2 else [part] for i, part in enumerate(parts)]
    return [''.join(words) for words in product(*choices)]


def _tables(page: str, title: str) -> list[list[list[str]]]:
    """Cells of each table below a heading, without its header."""
    text = (ROOT / 'docs' / page).read_text().split(f'## {title}\n')[1].split('\n## ')[0]
    blocks = re.findall(r'(?:^\|.*\n)+', text, flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip('|\n').split('|')] for line in block.splitlines()[2:]]
        for block in blocks
    ]


def tables_1_and_2() -> list[Row]:
    rows, method = [], ''
    for name, cell, aps in _tables('configs.md', "The papers' tables")[0]:
        method = name or method
        configs = expand(re.search(r'`(.*?\.py)`', cell).group(1))
        for config, ap in zip(configs, aps.split(', '), strict=True):
            rows.append(Row(method, config, (), ap))
    return rows


def table_3() -> list[Row]:
    table = _tables('configs.md', "The papers' tables")[1]
    return [Row(name, config.strip('`'), (), ap) for name, config, ap in table]


def table_4() -> list[Row]:
    config = 'pldc/ablation/pldc_coco_1pct_73k.py'
    table = _tables('configs.md', "The papers' tables")[2]
    return [Row(name, config, tuple(o.strip('`').split()), ap) for name, o, ap in table]


def table_5() -> list[Row]:
    """Rows a to h, each on 1, 5 and 10 % of COCO."""
    rows = []
    for name, cell, *aps in _tables('methods.md', "PL-DC's Table 5")[0]:
        if not name:
            continue
        config = f'compatibility/{cell.strip("`")}_mask2former_r50_coco_10pct.py'
        for percent, ap in zip((1, 5, 10), aps, strict=True):
            options = () if percent == 10 else (split_option(config, percent),)
            rows.append(Row(f'{name}, {percent} %', config, options, ap))
    return rows


def beyond_the_tables() -> list[Row]:
    """Every share of what has no file of its own for it."""
    rows = []
    for name, cell, options in _tables('configs.md', "The papers' tables")[3]:
        for config in expand(cell.strip('`')):
            at_1 = tuple(re.findall(r'`(param_scheduler.*?)`', options))
            shares = (1, 2, 5) if 'coco' in config else (5, 20, 30)
            rows += [
                Row(name, config, (split_option(config, p), *(at_1 if p == 1 else ())), '')
                for p in shares
            ]
    return rows


def all_rows() -> list[Row]:
    tables = tables_1_and_2, table_3, table_4, table_5, beyond_the_tables
    return [row for table in tables for row in table()]
