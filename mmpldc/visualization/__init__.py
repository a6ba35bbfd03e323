from .curves import plot_curves, read_scalars
from .panels import draw_instances, draw_uncertainty, save_grid

__all__ = ['draw_instances', 'draw_uncertainty', 'plot_curves', 'read_scalars', 'save_grid']
