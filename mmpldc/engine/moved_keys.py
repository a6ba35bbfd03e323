"""Report config keys of earlier versions and name the new keys."""

from inspect import signature

from mmengine.config import Config

from .hooks.mean_teacher_hook import MeanTeacherHook

MEAN_TEACHER = ('mmpldc.MeanTeacherHook', MeanTeacherHook)
NEW_KEY = 'default_hooks.mean_teacher'
TRANSFORMERS = ('mmpldc.PlainViT', 'mmpldc.ViTMaps')  # mmpretrain's, before timm's


def moved_keys(cfg: Config) -> str | None:
    """Describe the replacement of a key that has moved.

    ``MeanTeacherHook`` was in ``custom_hooks``; since 0.2.0 it is ``default_hooks.mean_teacher``.
    A config that has it in ``custom_hooks`` alone, such as one that an earlier run wrote into its
    work directory, works as before. ``TimmBackbone`` took the place of two classes over
    mmpretrain's transformer, whose weights have other names.

    Args:
        cfg: a config with its options, before a runner is built.

    Returns:
        The error message, or None if no key has moved.
    """
    backbone = (cfg.get('model') or {}).get('backbone') or {}
    if backbone.get('type') in TRANSFORMERS:
        return (
            f'model.backbone: {backbone["type"]} is mmpldc.TimmBackbone now, with weights of other '
            'names: take configs/_base_/backbones/dinov2_s.py, _b.py or _l.py (docs/backbones.md) '
            'and train anew, or stay with the version that the checkpoint is of'
        )
    hooks = cfg.get('custom_hooks') or []
    if isinstance(hooks, dict):  # mmengine's result of custom_hooks.0.KEY=VALUE without a list
        hooks = list(hooks.values())
    is_default = (cfg.get('default_hooks') or {}).get('mean_teacher') is not None
    own_settings = set(signature(MeanTeacherHook).parameters)
    for hook in hooks:
        if not isinstance(hook, dict):
            continue
        settings = {key: hook[key] for key in hook if key in own_settings}
        kind = hook.get('type')
        if kind in MEAN_TEACHER and is_default:
            config = ', '.join(f'{key}={value!r}' for key, value in settings.items())
            return (
                'custom_hooks repeats the MeanTeacherHook of default_hooks.mean_teacher: remove '
                f'it from custom_hooks and write default_hooks = dict(mean_teacher=dict({config}))'
            )
        if kind in (None, 'mmpldc.ClassThresholdsLogHook') and settings:
            options = ' '.join(f'{NEW_KEY}.{key}={value}' for key, value in settings.items())
            return (
                f'custom_hooks.N.{"/".join(settings)}: MeanTeacherHook is {NEW_KEY} now, '
                f'write --cfg-options {options}'
            )
    return None
