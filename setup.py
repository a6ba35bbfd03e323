"""Build mmpldc.  The metadata is in setup.cfg; this adds the files that MIM looks for."""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_FILES = ('configs', 'tools', 'demo', 'model-index.yml')


class BuildWithMim(build_py):
    """Puts configs, tools, demo and the model index into the package, as ``mmpldc/.mim``.

    A wheel gets copies, so that an installed mmpldc carries its configs.  An editable install gets
    links into the source tree, which git ignores.
    """

    def run(self):
        super().run()
        package = ROOT / 'mmpldc' if self.editable_mode else Path(self.build_lib) / 'mmpldc'
        mim = package / '.mim'
        if mim.is_symlink():
            mim.unlink()
        shutil.rmtree(mim, ignore_errors=True)
        mim.mkdir(parents=True)
        for name in MIM_FILES:
            source = ROOT / name
            if not source.exists():
                continue
            if self.editable_mode:
                os.symlink(os.path.relpath(source, mim), mim / name)
            elif source.is_dir():
                ignore = shutil.ignore_patterns('__pycache__', '*.pyc')
                shutil.copytree(source, mim / name, ignore=ignore)
            else:
                shutil.copy2(source, mim / name)


setup(cmdclass={'build_py': BuildWithMim})
