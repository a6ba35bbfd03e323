"""Batches and workers of a config's dataloaders."""

from mmengine.config import Config

from .findings import Finding

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def check_loaders(cfg: Config, file: str) -> list[Finding]:
    """Find batch sizes and numbers of workers with which no batch can be made.

    Args:
        cfg: of a run.
        file: name of the config in findings.

    Returns:
        Errors.
    """
    findings = []
    for name in LOADERS:
        loader = cfg.get(name) or {}
        for key, least in ('batch_size', 1), ('num_workers', 0):
            value = loader.get(key)
            if value is not None and (type(value) is not int or value < least):
                message = f'is {value!r}: write a whole number of at least {least}'
                findings.append(Finding('error', file, f'{name}.{key}', message))
    if findings:
        return findings
    loader = cfg.get('train_dataloader') or {}
    own = loader.get('batch_size')
    sampler = loader.get('sampler') or {}
    sampled, ratio = sampler.get('batch_size'), sampler.get('source_ratio')
    where = 'train_dataloader.batch_size'
    if own is not None and sampled is not None and own != sampled:
        message = (
            f'is {own}, but its sampler mixes labelled and unlabelled images in batches of '
            f'{sampled}: set train_dataloader.sampler.batch_size={own} as well'
        )
        findings.append(Finding('error', file, where, message))
    elif sampled is not None and ratio and min(images_of_sources(sampled, ratio)) < 1:
        least = next(
            size for size in range(len(ratio), 10**6) if min(images_of_sources(size, ratio)) > 0
        )
        message = (
            f'is {sampled}, but each step needs images of all {len(ratio)} sources, labelled and '
            f'unlabelled, in the ratio {":".join(map(str, ratio))}: set it and '
            f'train_dataloader.sampler.batch_size to {least} or more'
        )
        findings.append(Finding('error', file, where, message))
    return findings


def images_of_sources(batch_size: int, ratio: list) -> list[int]:
    """How many images of each source mmdet's ``MultiSourceSampler`` puts into a batch."""
    others = [int(batch_size * part / sum(ratio)) for part in ratio[1:]]
    return [batch_size - sum(others), *others]
