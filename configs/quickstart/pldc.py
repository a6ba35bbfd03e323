"""PL-DC: the baseline's labelled batch and 8 unlabelled images per step.

DICC's weight stays at the paper's 0.5 until iteration 1000. The small CLIP's logits are scaled by
36 (its own scale is 12, a web-scale CLIP's is 100); docs/quickstart.md describes the trials.
"""

_base_ = './_base_shapes.py'

clip = '{{$MMPLDC_CLIP:data/shapes_clip}}'  # written by tools/quickstart_clip.py
model = dict(
    refiner=dict(
        type='mmpldc.CLIPRefiner',
        begin=1000,
        scorer=dict(
            type='mmpldc.OpenCLIPScorer',
            model='local-dir:' + clip,
            templates=clip + '/templates.json',
            context=1.25,
            logit_scale=36.0,
        ),
    )
)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=16, source_ratio=[1, 1]),
    dataset=dict(type='mmpldc.SemiDataset', labeled=_base_.labeled, unlabeled=_base_.unlabeled),
)
