"""PL-DC: the same labelled batch, and 8 unlabelled images beside it."""

_base_ = './_base_shapes.py'

clip = '{{$MMPLDC_CLIP:data/shapes_clip}}'  # tools/quickstart_clip.py makes it
model = dict(
    refiner=dict(
        type='mmpldc.CLIPRefiner',
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
    dataset=dict(type='ConcatDataset', datasets=[_base_.labeled, _base_.unlabeled]),
)
