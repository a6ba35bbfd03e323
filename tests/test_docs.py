"""What the guides name exists: files of the repository, test functions and pages of the site.

Links and anchors are checked by ``bash tools/docs.sh``.
"""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/*.md')])
PATH = re.compile(
    r'(?<![\w/.-])(?:benchmarks|configs|demo|mmpldc|requirements|tests|tools)/[\w./-]+\.(?:py|sh|sbatch|txt|yml)\b'
)
TEST_FILE = re.compile(r'(?<![\w/])test_\w+\.py')
TEST = re.compile(r'::(test_\w+)')

pytestmark = pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)


def test_files_exist(page):
    if page.name == 'CHANGELOG.md':
        pytest.skip('names files of earlier versions')
    named = set(PATH.findall(page.read_text()))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_tests_exist(page):
    text = page.read_text()
    files = {path.name: path for path in ROOT.glob('tests/**/*.py')}
    assert sorted(set(TEST_FILE.findall(text)) - set(files)) == []
    source = '\n'.join(path.read_text() for path in files.values()) if TEST.search(text) else ''
    # A name may be cut, as in `..._on_four_ranks` or `test_an_error_on_one_rank_...`.
    assert sorted(name for name in set(TEST.findall(text)) if f'def {name}' not in source) == []


def test_page_is_on_the_site(page):
    if page.parent == ROOT:
        assert f"'{page.name}'" in (ROOT / 'tools/docs/links.py').read_text()
    else:
        config = (ROOT / 'mkdocs.yml').read_text()
        nav = yaml.safe_load(config[config.index('\nnav:') :])['nav']
        assert f"'{page.name}'" in str(nav)
