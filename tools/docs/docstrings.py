"""Griffe extension that prepares the package's docstrings for mkdocstrings.

Sphinx roles (``:class:`Phases```) become links.  Re-exported objects are documented once, on the
page of their module; the package's page links to it.
"""

import re
from typing import Any

import griffe

ROLE = re.compile(r':(?:mod|class|func|meth|attr|data|exc|obj):`(~?)([\w.]+)`')


class Docstrings(griffe.Extension):
    """Rewrite the docstrings of a package that griffe has loaded."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        self._rewrite(pkg)

    def _rewrite(self, scope: griffe.Object) -> None:
        if scope.docstring:
            scope.docstring.value = ROLE.sub(
                lambda match: link(scope, match[2], short=bool(match[1])), scope.docstring.value
            )
        for member in scope.members.values():
            if not member.is_alias:
                self._rewrite(member)
        if scope.is_init_module and scope.exports and scope.docstring:
            names = sorted(str(name) for name in scope.exports)
            links = ', '.join(link(scope, name, short=True) for name in names)
            scope.docstring.value += f'\n\nImport from here: {links}.'
            scope.exports = None


def link(scope: griffe.Object, name: str, *, short: bool) -> str:
    """Link to ``name`` as seen from ``scope``; return the bare name if the site lacks it."""
    title = f'<code>{name.rsplit(".", 1)[-1] if short else name.lstrip(".")}</code>'
    target = find(scope, name)
    return (
        f'<autoref identifier="{target.canonical_path}" optional>{title}</autoref>'
        if target
        else title
    )


def find(scope: griffe.Object, name: str) -> griffe.Object | None:
    """Resolve ``name`` in ``scope``, in its enclosing scopes, or by its full path."""
    package = scope.package
    if name.startswith(f'{package.path}.'):
        return get(package, name.removeprefix(f'{package.path}.'))
    outer: griffe.Object | None = scope
    while outer:
        if found := get(outer, name.lstrip('.')):
            return found
        outer = outer.parent
    return None


def get(scope: griffe.Object, name: str) -> griffe.Object | None:
    """Return the member of ``scope`` with this dotted name, through imports; None if missing."""
    try:
        found = scope[name]
        return found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None
