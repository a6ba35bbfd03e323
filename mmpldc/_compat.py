"""Check that the packages mmpldc builds on are installed and recent enough, without importing them.

mmpldc does not depend on torch and the OpenMMLab packages through its metadata: each of the latter
exists as two distributions (``mmdet`` and ``onedl-mmdetection``, say) which provide the same import
name, and a hard dependency on one would install it over the other.  This check takes its place.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Requirement(NamedTuple):
    """A package that must be importable.

    Attributes:
        module: import name.
        distributions: distributions that may provide it; the first is the one to suggest.
        minimum: oldest version that has what mmpldc uses.
    """

    module: str
    distributions: tuple[str, ...]
    minimum: str


REQUIREMENTS = (
    Requirement('torch', ('torch',), '2.1.0'),
    Requirement('torchvision', ('torchvision',), '0.16.0'),
    Requirement('mmengine', ('onedl-mmengine', 'mmengine'), '0.10.0'),
    Requirement('mmcv', ('onedl-mmcv', 'mmcv'), '2.0.0'),
    Requirement('mmdet', ('onedl-mmdetection', 'mmdet'), '3.3.0'),
)

MISSING_OPS = (
    'mmcv is installed without its compiled operations (mmcv._ext is missing), which Mask2Former '
    'needs: install a wheel built for your torch and CUDA, or compile it with '
    "'pip install --no-build-isolation --no-binary onedl-mmcv onedl-mmcv'"
)

NEEDS_MMSEG = (
    "semantic segmentation needs mmsegmentation: pip install 'mmpldc[semantic]', or in a checkout "
    "'bash tools/setup_env.sh'"
)


def release(version: str) -> tuple[int, ...]:
    """The release part of a version as numbers, ``'2.10.0+cu128'`` -> ``(2, 10, 0)``."""
    match = re.match(r'v?(\d+(?:\.\d+)*)', version)
    return tuple(int(part) for part in match.group(1).split('.')) if match else ()


def is_installed(module: str) -> bool:
    """Whether ``import module`` would find something (a top-level name; nothing is imported)."""
    if module in sys.modules:
        return True
    return importlib.util.find_spec(module) is not None


def installed_version(distributions: tuple[str, ...]) -> str | None:
    """The version of the first of these distributions that is installed, else None."""
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def mmcv_has_ops() -> bool:
    """Whether mmcv's extension module ``_ext`` exists: a file look-up, so cheap."""
    if 'mmcv._ext' in sys.modules:
        return True
    spec = None if 'mmcv' in sys.modules else importlib.util.find_spec('mmcv')
    module = sys.modules.get('mmcv')
    folders = (spec.submodule_search_locations if spec else getattr(module, '__path__', ())) or ()
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    return any(
        path.name.endswith(suffixes) for folder in folders for path in Path(folder).glob('_ext*')
    )


def find_problems() -> list[str]:
    """Describe each package that is missing, too old or incomplete, one sentence each."""
    problems = []
    for module, distributions, minimum in REQUIREMENTS:
        if not is_installed(module):
            problems.append(
                f'{module} is not installed: '
                f"pip install '{distributions[0]}>={minimum}'"
                + (f' (or {distributions[1]})' if len(distributions) > 1 else '')
            )
            continue
        # A source tree on PYTHONPATH has no metadata and so no known version: let it pass.
        version = installed_version(distributions)
        if version is not None and release(version) < release(minimum):
            problems.append(
                f'{module} {version} is too old: mmpldc needs {module} >= {minimum}, '
                'please upgrade the distribution that provides it'
            )
        elif module == 'mmcv' and not mmcv_has_ops():
            problems.append(MISSING_OPS)
    return problems


def check_environment() -> None:
    """Raise one ImportError that lists every problem and its remedy."""
    problems = find_problems()
    if problems:
        raise ImportError(
            'mmpldc cannot work in this Python environment:\n'
            + ''.join(f'  - {problem}\n' for problem in problems)
            + "A checkout of mmpldc sets up a complete environment with 'bash tools/setup_env.sh'."
        )


def leave_out_multimodal() -> None:
    """Keep mmpretrain from importing its multimodal models where that would fail.

    mmdet imports mmpretrain if it is there, and mmpretrain these models if transformers is there;
    they need functions that transformers 5 has no longer, so ``import mmdet.models`` ends in an
    error. Nothing of mmpldc needs them.
    """
    version = installed_version(('transformers',))
    if version is None or release(version) < (5,) or not is_installed('mmpretrain'):
        return
    from mmpretrain.utils import dependency

    dependency.WITH_MULTIMODAL = False


def check_extras(cfg: dict) -> None:
    """End with one line if a config is for semantic segmentation and mmsegmentation is missing.

    Args:
        cfg: of a run; mmengine's ``Config`` will do.

    Raises:
        SystemExit: naming the extra.
    """
    if _names_mmseg(cfg) and not is_installed('mmseg'):
        raise SystemExit(NEEDS_MMSEG)


def _names_mmseg(cfg: Any) -> bool:
    if isinstance(cfg, (list, tuple)):
        return any(map(_names_mmseg, cfg))
    if not hasattr(cfg, 'items'):
        return False
    return str(cfg.get('type')).startswith('mmseg.') or any(
        _names_mmseg(value) for _, value in cfg.items()
    )
