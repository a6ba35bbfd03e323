from .analysis import plot_confusion_matrix, plot_error_types, plot_quality_against_iou
from .contact_sheet import contact_sheet, shrink_to_fit
from .curves import plot_curves, read_scalars
from .panels import draw_instances, draw_uncertainty, save_grid

__all__ = [
    'contact_sheet',
    'shrink_to_fit',
    'plot_confusion_matrix',
    'plot_error_types',
    'plot_quality_against_iou',
    'plot_curves',
    'read_scalars',
    'draw_instances',
    'draw_uncertainty',
    'save_grid',
]
