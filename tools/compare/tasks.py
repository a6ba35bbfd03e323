"""The tasks whose methods can be compared."""

from instance_methods import INSTANCE
from semantic_methods import SEMANTIC

TASKS = dict(instance=INSTANCE, semantic=SEMANTIC)
