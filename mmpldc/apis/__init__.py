"""Functions behind the tools: train, evaluate, predict, pseudo-label, publish, export.

``__init__.pyi`` lists the names and their modules, which are imported when a name is used first:
a tool that only reads labels starts without PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
