"""What tools/docs adds to mkdocs and griffe.  The links themselves: ``bash tools/docs.sh``."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
griffe = pytest.importorskip('griffe')
mkdocs_files = pytest.importorskip('mkdocs.structure.files')


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f'tools/docs/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def resolve():
    """The links of a page, resolved: (source of the page on the site, Markdown) -> Markdown."""
    links = load('links')
    config = SimpleNamespace(docs_dir=str(ROOT / 'docs'))
    names = ['quickstart.md', 'images/curves.png', *links.ROOT_PAGES.values()]
    files = mkdocs_files.Files([mkdocs_files.File(name, 'docs', 'site', False) for name in names])

    def resolve(uri, markdown):
        page = SimpleNamespace(file=files.get_file_from_path(uri))
        return links.on_page_markdown(markdown, page=page, config=config, files=files)

    return resolve


@pytest.mark.parametrize(
    ('page', 'markdown', 'expected'),
    [
        ('index.md', '[a](docs/quickstart.md#results)', '[a](quickstart.md#results)'),
        ('index.md', '![a](docs/images/curves.png)', '![a](images/curves.png)'),
        ('index.md', '[a](CONTRIBUTING.md)', '[a](contributing.md)'),
        ('quickstart.md', '[a](../README.md#map)', '[a](index.md#map)'),
        ('quickstart.md', '[`a`](../mmpldc/phases.py) `b`', '`a` `b`'),
        ('quickstart.md', '[a](../mmpldc/nothing.py)', '[a](../mmpldc/nothing.py)'),
        ('quickstart.md', '![a](../mkdocs.yml)', '![a](../mkdocs.yml)'),
        ('quickstart.md', '[a](#results) [b](https://c.d/e)', '[a](#results) [b](https://c.d/e)'),
        (
            'quickstart.md',
            '`[a](../README.md)` [b](../README.md)',
            '`[a](../README.md)` [b](index.md)',
        ),
        ('quickstart.md', '```\n[a](../README.md)\n```\n', '```\n[a](../README.md)\n```\n'),
    ],
)
def test_links(resolve, page, markdown, expected):
    assert resolve(page, markdown) == expected


def test_roles_become_links_to_what_the_package_has(tmp_path):
    (tmp_path / 'package').mkdir()
    (tmp_path / 'package/__init__.py').write_text(
        '"""All of it."""\nfrom .thing import Thing\n__all__ = ["Thing"]\n'
    )
    (tmp_path / 'package/thing.py').write_text(
        'class Thing:\n'
        '    """See :meth:`run`, :class:`~package.thing.Thing`, :func:`nothing`, ``:func:`` ."""\n'
        '    def run(self):\n'
        '        """As :class:`Thing` says."""\n'
    )
    package = griffe.load(
        'package',
        search_paths=[tmp_path],
        extensions=griffe.load_extensions(load('docstrings').Docstrings),
    )

    def link(path, title):
        return f'<autoref identifier="package.thing.{path}" optional><code>{title}</code></autoref>'

    thing = package['thing.Thing']
    assert thing.docstring.value == (
        f'See {link("Thing.run", "run")}, {link("Thing", "Thing")}, <code>nothing</code>, '
        '``:func:`` .'
    )
    assert thing['run'].docstring.value == f'As {link("Thing", "Thing")} says.'
    assert package.docstring.value == f'All of it.\n\nImport from here: {link("Thing", "Thing")}.'


def test_command_line_of_docs(shell):
    assert shell.run('docs.sh', '--help').lines[0].startswith('Build or serve')
    refused = shell.run('docs.sh', 'sevre')
    assert (refused.code, refused.error) == (
        2,
        "docs.sh: unknown command 'sevre', not 'build' or 'serve'\n",
    )
