from .layer_decay_constructor import LayerDecayOptimWrapperConstructor
from .merged_constructor import MergedOptimWrapperConstructor

__all__ = ['LayerDecayOptimWrapperConstructor', 'MergedOptimWrapperConstructor']
