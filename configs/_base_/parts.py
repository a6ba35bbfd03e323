"""Parts of the methods by name, so that a config can exchange one:

    model = dict(refiner=_base_.plepi, pseudo_label_filter=_base_.ddtf)

All configs over models/mask2former_r50.py have them. docs/methods.md lists the parts of each
method; numbers are the published ones of each method.
"""

# model.pseudo_label_filter: each one sets everything in which the filters differ.
ddtf = dict(  # PL-DC, Table I; area: released code
    class_thr=0.85,
    mask_thr=0.90,
    score_thr=None,
    mask_quality='mean_probability',
    score='product',
    min_area=5,
    soft_area=False,
    above_no_object=False,
)
coupled_filter = dict(ddtf, class_thr=None, mask_thr=None, score_thr=0.765)  # PL-DC, Table 3
# Ours, for few labels: expected_count sets the threshold itself.
certain_filter = dict(ddtf, class_thr=None, mask_thr=None, score_thr=0.5, score='certain')
# Released code: the best class is not "no object" and has more than 0.7; the probabilities of the
# mask sum to more than 5.
guided_distillation_filter = dict(
    ddtf, class_thr=0.7, mask_thr=0.0, soft_area=True, above_no_object=True
)
pais_filter = dict(  # released code
    ddtf, class_thr=0.35, mask_thr=0.30, mask_quality='predicted_iou', min_area=0
)

# model.class_thresholds over ddtf, with the keep rate of the EMA (as released). The ranges are
# ours, 0.10 below and 0.05 above the fixed thresholds: no released config sets any.
df_acat = dict(
    type='mmpldc.ClassAwareThresholds', class_range=(0.75, 0.90), mask_range=(0.80, 0.95)
)

# model.class_thresholds over certain_filter: the best quarter of the expected objects is kept. Ours
# (docs/few_labels.md).
expected_count = dict(type='mmpldc.ExpectedCountThreshold', share=0.25)
# The default for own data: half of them, and every label with a score of at least 0.68, which is
# the score of a label that just passes ddtf: 0.85 * (2 * 0.90 - 1).
half_expected_count = dict(expected_count, share=0.5, ceiling=0.68)

# model.refiner. CLIP: PL-DC's Appendix B.1; the texts are CLIP's kind of templates.
dicc = dict(
    type='mmpldc.CLIPRefiner',
    scorer=dict(
        type='mmpldc.OpenCLIPScorer',
        model='RN50-quickgelu',
        pretrained='openai',
        mode='crop',
        crop_size=224,
        templates='templates',
    ),
)
# A classifier of ImageNet's 1,000 classes in CLIP's place; class_indices says which of them are
# yours (docs/refiners.md). context: as of the quickstart's CLIP.
imagenet_dicc = dict(
    dicc,
    scorer=dict(
        type='mmpldc.ImageClassifierScorer',
        classifier=dict(type='mmpretrain.TimmClassifier', model_name='resnet50.tv_in1k'),
        context=1.25,
    ),
)
# PLePI's product: teacher and CLIP have equal weights during the whole run (our reading; its
# formula was not available to us).
product_fusion = dict(fusion='product', initial_weight=0.5, final_weight=0.5)
plepi = dict(dicc, **product_fusion)

# model.mask_refiner. Ours, without any weights (docs/foundation_models.md).
grab_cut = dict(type='mmpldc.GrabCutRefiner')

# model.weak_labels: those that train_dataloader.dataset.weak_labels names. Ours
# (docs/foundation_models.md).
weak_labels = dict(type='mmpldc.WeakLabels', class_thr=0.5)

# model.copy_paste. Ours, after Simple Copy-Paste (CVPR-21) and S4M (ICCV-25); docs/methods.md.
paste_pseudo_labels = dict(type='mmpldc.InstanceCopyPaste', source='unlabeled')
paste_annotated = dict(type='mmpldc.InstanceCopyPaste', source='labeled')

# model.detector.panoptic_head.loss_mask: weights for the pixels of pseudo-masks. 5.0 is
# Mask2Former's.
pmua = dict(
    type='mmpldc.UncertaintyWeightedCrossEntropyLoss',
    loss_weight=5.0,
    pixel_weights=[dict(type='mmpldc.CertaintyWeights')],
)
unweighted = dict(pmua, pixel_weights=[])
boundary_map = dict(  # Noisy Boundaries, released code
    pmua, pixel_weights=[dict(type='mmpldc.BoundaryPreservingMap', scale=3.0)]
)

# model.pseudo_label_weights
dynamic_aligning = dict(  # PAIS, released code
    type='mmpldc.DynamicAligningWeights',
    class_scale=12.0,
    mask_scale=2.5,
    saturation=0.5,
    exponent=4.0,
    no_object_weight=0.1225,  # 0.35 ** 2
)
certain_weights = dict(type='mmpldc.CertainLabelWeights')  # ours
polite_gate = dict(type='mmpldc.MaskQualityGate', mask_thr=0.9)  # Polite Teacher

# model.detector.panoptic_head.iou_head: required by pais_filter
iou_head = dict(type='mmpldc.MaskIoUHead')
