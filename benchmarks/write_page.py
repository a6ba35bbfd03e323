"""Insert the tables of the benchmarks (``--out DIR``) into docs/performance.md.

python benchmarks/write_page.py DIR
"""

import argparse
import json
import re
import shutil
from pathlib import Path

from mmpldc.utils.markdown import put_block

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs/performance.md'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('results', type=Path)
    results = parser.parse_args().results
    page = PAGE.read_text()
    for name in re.findall(r'<!-- (\w+) -->', page):
        path = results / f'{name}.md'
        if not path.exists():
            print(f'{name}: no new result, the page keeps the old one')
            continue
        json.loads((results / f'{name}.json').read_text())  # from the same run as the table
        page = put_block(page, name, path.read_text())
    PAGE.write_text(page)
    if (results / 'growth.png').exists():
        shutil.copy(results / 'growth.png', ROOT / 'docs/images/growth.png')


if __name__ == '__main__':
    main()
