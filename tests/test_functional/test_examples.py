"""Every public function has an example in its docstring, and the examples give what they say."""

import doctest
import importlib
import inspect
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


def test_every_function_has_an_example():
    public = {name: getattr(functional, name) for name in functional.__all__}
    functions = {name for name, value in public.items() if inspect.isfunction(value)}
    assert functions
    assert [name for name in sorted(functions) if '>>> ' not in public[name].__doc__] == []
