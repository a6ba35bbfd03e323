from .resumable_multi_source_sampler import ResumableMultiSourceSampler
from .seeded_index import SeededIndex

__all__ = ['ResumableMultiSourceSampler', 'SeededIndex']
