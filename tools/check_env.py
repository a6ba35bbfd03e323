"""Check whether this Python environment matches requirements/constraints.txt.

tools/setup_env.sh runs it with the environment's own interpreter, ``python -I``.  It needs only the
standard library to start, because it must work in incomplete environments.

    check_env.py complete     status 0: the last set-up finished and all pins still hold (< 1 s)
    check_env.py pins         list what is missing or has another version
    check_env.py wheel FILE   status 0: FILE is an intact mmcv wheel with compiled operations
    check_env.py ops          status 0: mmcv is the pinned one and its operations run
    check_env.py imports      import everything that matters and call a compiled operation (10 s)
    check_env.py finish       record that the set-up finished
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / 'requirements' / 'constraints.txt'
STAMP = Path(sys.prefix) / '.mmpldc-complete'
OPENCV = 'opencv-python-headless'


def read_pins(path: Path = CONSTRAINTS) -> dict[str, str]:
    """Read the pins that apply to the running Python, name -> version.

    Raises:
        ValueError: a line is neither ``name==version`` nor that with a ``python_version <`` marker.
    """
    pins = {}
    for line in path.read_text().splitlines():
        line = line.split('#')[0].strip()
        if not line:
            continue
        match = re.fullmatch(r'([\w.-]+)==([\w.]+)(?:\s*;\s*python_version < "3\.(\d+)")?', line)
        if match is None:
            raise ValueError(f'{path.name}: cannot read {line!r}')
        name, version, below = match.groups()
        if below is None or sys.version_info[1] < int(below):
            pins[name] = version
    return pins


def find_mismatches(pins: dict[str, str]) -> list[str]:
    """Describe the differences from the pinned environment, one sentence each."""
    mismatches = []
    installed = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata['Name']
        # An interrupted install leaves a distribution without its list of files.
        if name and distribution.read_text('RECORD') is not None:
            installed[re.sub(r'[-_.]+', '-', name).lower()] = distribution.version
    for name, version in pins.items():
        found = installed.get(name)
        if found is None:
            mismatches.append(f'{name} is missing')
        elif found.split('+')[0] != version:
            mismatches.append(f'{name} is {found}, pinned is {version}')
    for name in installed:
        if name.startswith('opencv-') and name != OPENCV:
            mismatches.append(f'{name} overwrites files of {OPENCV}')
    return mismatches


def fingerprint() -> str:
    """Hash the inputs of the set-up: the requirement files, Python, and both locations."""
    digest = hashlib.sha256(repr((sys.version, sys.prefix, str(ROOT))).encode())
    for path in sorted(ROOT.glob('requirements/*.txt')):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def is_complete() -> bool:
    """Whether the last set-up finished for these files and nothing has changed since."""
    if not STAMP.is_file() or STAMP.read_text().strip() != fingerprint():
        return False
    mismatches = find_mismatches(read_pins())
    try:
        importlib.metadata.distribution('mmpldc')
    except importlib.metadata.PackageNotFoundError:
        mismatches.append('mmpldc is missing')
    for mismatch in mismatches:
        print(f'      {mismatch}')
    return not mismatches


def is_good_wheel(path: Path) -> bool:
    """Whether the wheel is intact (a cached one may be truncated) and has ``mmcv._ext``."""
    try:
        with zipfile.ZipFile(path) as wheel:
            has_ops = any(name.startswith('mmcv/_ext.') for name in wheel.namelist())
            return has_ops and wheel.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def check_ops() -> None:
    """Call one of mmcv's compiled operations and import the one that Mask2Former needs."""
    import torch
    from mmcv.ops import MultiScaleDeformableAttention, nms

    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0]])
    kept = nms(boxes, torch.tensor([0.9, 0.8]), iou_threshold=0.5)[1]
    if kept.tolist() != [0] or not callable(MultiScaleDeformableAttention):
        raise RuntimeError(f'mmcv.ops.nms kept {kept.tolist()} instead of [0]')


def check_imports() -> None:
    """Import mmpldc and its dependencies."""
    import cv2
    import mmdet.models
    import mmengine
    import numpy
    import torch

    check_ops()
    if (ROOT / 'mmpldc' / '__init__.py').is_file():
        import mmpldc

        print(f'      mmpldc {mmpldc.__version__}, ', end='')
    print(
        f'torch {torch.__version__}, mmengine {mmengine.__version__}, '
        f'mmdet {mmdet.__version__}, numpy {numpy.__version__}, OpenCV {cv2.__version__}'
    )


def main(command: str = 'complete', argument: str = '') -> int:
    if command == 'complete':
        return 0 if is_complete() else 1
    if command == 'pins':
        mismatches = find_mismatches(read_pins())
        print('\n'.join(mismatches))
        return 1 if mismatches else 0
    if command == 'wheel':
        return 0 if is_good_wheel(Path(argument)) else 1
    if command == 'ops':
        mmcv = {'onedl-mmcv': read_pins()['onedl-mmcv']}
        if find_mismatches(mmcv):
            return 1
        check_ops()
        return 0
    if command == 'imports':
        check_imports()
        return 0
    if command == 'finish':
        STAMP.write_text(fingerprint() + '\n')
        return 0
    print(__doc__)
    return 2


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
