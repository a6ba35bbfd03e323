"""Options of the command line that change a config: read, checked, merged."""

from .build_errors import one_line_build_errors
from .faults import option_faults
from .values import OptionsAction, parse_value

__all__ = ['OptionsAction', 'one_line_build_errors', 'option_faults', 'parse_value']
