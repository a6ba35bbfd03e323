"""Types are found from an mmdet config, without importing mmpldc first."""

import os
import subprocess
from pathlib import Path

import pytest
from mmdet import registry as mmdet_registry
from mmengine.registry import DefaultScope

from mmpldc import registry

TYPES = {
    'MODELS': (
        'SemiMask2Former',
        'SemiMask2FormerHead',
        'MSDeformAttnPixelDecoder',
        'TopKMaskFormerFusionHead',
        'UncertaintyWeightedCrossEntropyLoss',
        'OHEMCrossEntropyLoss',
        'RepresentationASPPHead',
        'PixelContrast',
        'MultiBranchDataPreprocessor',
        'TimmBackbone',
        'SwinTransformer',
        'SimpleFeaturePyramid',
    ),
    'TASK_UTILS': ('MaskCrossEntropyCost',),
    'TRANSFORMS': (
        'PseudoLabelFilter',
        'TorchvisionTransforms',
        'LoadSegAnnotations',
        'PackSegTrainingInputs',
        'RandomIntensity',
        'RandomScale',
    ),
    'DATASETS': ('SemiDataset',),
    'DATA_SAMPLERS': ('ResumableMultiSourceSampler',),
    'HOOKS': ('MeanTeacherHook', 'NonFiniteHook', 'TeacherCollapseHook'),
    'LOOPS': ('TeacherStudentValLoop',),
    'METRICS': ('CocoMetric',),
    'OPTIM_WRAPPERS': ('GuardedOptimWrapper', 'GuardedAmpOptimWrapper'),
    'OPTIM_WRAPPER_CONSTRUCTORS': (
        'MergedOptimWrapperConstructor',
        'LayerDecayOptimWrapperConstructor',
    ),
}
FIRST_LOOKUP = """
import sys
from mmdet import registry
from mmengine.registry import init_default_scope

init_default_scope('mmdet')
assert not any(name.split('.')[0] == 'mmpldc' for name in sys.modules)
found = getattr(registry, sys.argv[1]).get('mmpldc.' + sys.argv[2])
assert found is not None, 'not registered'
assert found.__name__ == sys.argv[2] and found.__module__.startswith('mmpldc.'), found
print('found', sys.modules[found.__module__].__file__)
"""


@pytest.mark.parametrize('name', ['MODELS', 'TRANSFORMS', 'HOOKS'])
def test_first_lookup_in_a_fresh_process(name, python):
    root = Path(__file__).parent.parent
    paths = [str(root), *filter(None, [os.environ.get('PYTHONPATH')])]
    result = subprocess.run(
        [python, '-c', FIRST_LOOKUP, name, TYPES[name][0]],
        env=os.environ | dict(PYTHONPATH=os.pathsep.join(paths)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert f'found {root}' in result.stdout


@pytest.mark.parametrize(
    ('name', 'type_name'), [(name, type_name) for name in TYPES for type_name in TYPES[name]]
)
def test_every_type_is_found_from_both_scopes(name, type_name):
    from_mmdet = getattr(mmdet_registry, name).get(f'mmpldc.{type_name}')
    from_mmpldc = getattr(registry, name).get(type_name)
    assert from_mmdet is not None
    assert from_mmdet is from_mmpldc


@pytest.mark.parametrize(
    ('name', 'type_name'),
    [
        ('MODELS', 'Mask2Former'),
        ('TRANSFORMS', 'PackDetInputs'),
        ('DATASETS', 'CocoDataset'),
        ('DATA_SAMPLERS', 'MultiSourceSampler'),
        ('HOOKS', 'DetVisualizationHook'),
        ('LOOPS', 'TeacherStudentValLoop'),
    ],
)
def test_bare_names_of_mmdet_stay_mmdets(name, type_name):
    """Ours are called like mmdet's in places; only the prefix chooses ours."""
    found = getattr(mmdet_registry, name).get(type_name)
    assert found.__module__.startswith('mmdet.')
    if type_name not in TYPES.get(name, ()):
        with DefaultScope.overwrite_default_scope('mmpldc'):
            assert getattr(registry, name).get(type_name) is found


def test_each_registry_is_a_child_of_mmdets():
    for name in (*TYPES, 'DATASETS'):
        child = getattr(registry, name)
        assert child.scope == 'mmpldc'
        assert child.parent is getattr(mmdet_registry, name)
