"""MkDocs hook that makes Markdown for a code host work on the site as well.

Pages of the repository's root (README.md and others) are added to the site.  A relative link is
resolved from its page's place in the repository: to another page of the site, or, for a file that
is not on the site, to plain text.  Broken links are left alone, so that ``mkdocs build --strict``
reports them.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
ROOT_PAGES = {  # in the repository: on the site
    'README.md': 'index.md',
    'CONTRIBUTING.md': 'contributing.md',
    'CHANGELOG.md': 'changelog.md',
    'SECURITY.md': 'security.md',
}
CODE_OR_LINK = re.compile(
    r'^```.*?^```|(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)|(`+).+?\4',
    re.MULTILINE | re.DOTALL,
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the root's pages."""
    for source, name in ROOT_PAGES.items():
        files.append(File.generated(config, name, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Resolve the page's relative links."""
    source = next((s for s, name in ROOT_PAGES.items() if name == page.file.src_uri), None)
    folder = ROOT if source else (Path(config.docs_dir) / page.file.src_uri).parent

    def resolve(match: re.Match[str]) -> str:
        image, text, target = match['image'], match['text'], match['target'] or ''
        path, _, anchor = target.partition('#')
        if not path or ':' in path:  # code, an anchor on this page, or an address
            return match[0]
        found = (folder / path).resolve()
        uri = site_uri(found, config)
        if uri and files.get_file_from_path(uri):
            relative = os.path.relpath(uri, Path(page.file.src_uri).parent)
            return f'{image}[{text}]({relative}{"#" + anchor if anchor else ""})'
        return text if found.exists() and not image else match[0]

    return CODE_OR_LINK.sub(resolve, markdown)


def site_uri(path: Path, config: MkDocsConfig) -> str | None:
    """Return a file's address on the site from its path in the repository."""
    if path.is_relative_to(config.docs_dir):
        return path.relative_to(config.docs_dir).as_posix()
    return ROOT_PAGES.get(os.path.relpath(path, ROOT))
