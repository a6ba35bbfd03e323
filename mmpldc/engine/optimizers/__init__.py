from .guarded_optim_wrapper import GuardedAmpOptimWrapper, GuardedOptimWrapper
from .layer_decay_constructor import LayerDecayOptimWrapperConstructor
from .merged_constructor import MergedOptimWrapperConstructor

__all__ = [
    'GuardedAmpOptimWrapper',
    'GuardedOptimWrapper',
    'LayerDecayOptimWrapperConstructor',
    'MergedOptimWrapperConstructor',
]
