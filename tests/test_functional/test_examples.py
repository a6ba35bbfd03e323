"""The examples in docstrings give what they say."""

import doctest
import importlib
import pkgutil

import pytest
import torch

from mmpldc import functional

MODULES = sorted(module.name for module in pkgutil.iter_modules(functional.__path__))


@pytest.mark.parametrize('name', MODULES)
def test_examples(name):
    module = importlib.import_module(f'mmpldc.functional.{name}')
    failed, _ = doctest.testmod(module, extraglobs=dict(torch=torch))
    assert not failed
