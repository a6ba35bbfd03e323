"""What a comparison compares: the record of a task, and the methods' configs over a base."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmpldc.phases import Phases
from mmpldc.utils.files import atomic_write

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs/comparison'
Options = Callable[[float], dict[str, object]]


def at(*keys: str) -> Options:
    """Options that set each of these keys to the threshold."""
    return lambda threshold: dict.fromkeys(keys, threshold)


@dataclass(frozen=True)
class Method:
    """A config of the task's folder.

    Attributes:
        title: name in the tables.
        options: of the config, for a threshold; None: the method has none.
        chosen_by: the method whose threshold it uses; None: its own.
        needs: a setting that the base must have, such as ``'model.refiner'``.
        folder: of the config, below the task's. Methods of a folder are compared only if named.
    """

    title: str
    options: Options | None
    chosen_by: str | None = None
    needs: str | None = None
    folder: str = ''

    def fits(self, base: Config) -> bool:
        """Whether a base has what the method needs."""
        found = base
        for key in self.needs.split('.') if self.needs else ():
            found = found and found.get(key)
        return found is not None


@dataclass(frozen=True)
class Task:
    """What differs between comparisons of instance and of semantic segmentation.

    Attributes:
        model: type of the base's model, without scope.
        base: config of generated scenes; the default base.
        configs: folder of the methods' configs.
        methods: by the name of the config; ``'supervised'`` is the first.
        grid: of thresholds, the same for all methods.
        score: what the plots call the score.
        metrics: by column of the results, the score first: the key of ``tools/test.py``'s results
            and the factor that makes it percent.
        validated: the score's key in the log of a run.
        references: the methods that the others are compared with, seed by seed.
        quality_tool: measures pseudo-labels of a checkpoint.
        hidden_options: of that tool, that choose images with annotations.
        hidden: their values for the generated scenes.
        qualities: by key of the tool's results: title and digits.
        block: name of the page's block of results.
        figure: name of the page's figure.
        of_labels: the settings of a model that matter to labelled images.
        refuse: raises SystemExit for a base that does not fit.
    """

    model: str
    base: Path
    configs: Path
    methods: Mapping[str, Method]
    grid: tuple[float, ...]
    score: str
    metrics: Mapping[str, tuple[str, float]]
    validated: str
    references: tuple[str, ...]
    quality_tool: str
    hidden_options: tuple[str, ...]
    hidden: tuple[str, ...]
    qualities: Mapping[str, tuple[str, int]]
    block: str
    figure: str
    of_labels: Callable[[dict], dict]
    refuse: Callable[[Config], None] = lambda base: None

    @property
    def factor(self) -> float:
        """Makes a validated score percent."""
        return next(iter(self.metrics.values()))[1]

    def chooser(self, name: str) -> str:
        """Return the method whose threshold a method uses, often itself."""
        return self.methods[name].chosen_by or name

    def setting(self, name: str, threshold: float | None) -> dict[str, object]:
        """Return the options that set a method's threshold."""
        options = self.methods[name].options
        return {} if options is None or threshold is None else options(threshold)

    def fitting_methods(self, base: Config, wanted: Sequence[str] | None) -> list[str]:
        """Return the methods to compare, with the supervised run, the reference of every gain.

        Raises:
            SystemExit: if the base is of another task, or lacks a part that a method needs.
        """
        kind = str(base.model.type).rpartition('.')[2]
        if kind != self.model:
            raise SystemExit(f'the base is a {kind}, not a {self.model}: choose another --task')
        self.refuse(base)
        lacking = {
            name: method.needs for name, method in self.methods.items() if not method.fits(base)
        }
        unknown = [name for name in wanted or () if name not in self.methods]
        if unknown:
            raise SystemExit(
                f'no such method: {", ".join(unknown)}; there are {", ".join(self.methods)}'
            )
        unfit = [name for name in wanted or () if name in lacking]
        if unfit:
            raise SystemExit(
                f'{", ".join(unfit)}: the base does not set {lacking[unfit[0]]}, which is needed'
            )
        fitting = [
            name
            for name, method in self.methods.items()
            if not method.folder and name not in lacking
        ]
        return [name for name in self.methods if name in ('supervised', *(wanted or fitting))]

    def write_config(self, name: str, base: Path, folder: Path) -> Path:
        """Write a method's config over another base, see :func:`rebase_config`."""
        return rebase_config(self.configs / self.methods[name].folder / f'{name}.py', base, folder)

    def shares_burn_in(self, config: Config, supervised: Config) -> bool:
        """Whether a method's steps before the first pseudo-labels equal the supervised run's.

        They do if its config differs in nothing that affects labelled images. A setting unknown to
        the task counts as affecting them: the method then runs these steps itself.
        """
        mine, theirs = (
            self.of_labels(without(cfg.model.to_dict(), PHASES)) for cfg in (config, supervised)
        )
        has_weak_labels = config.model.get('weak_labels') is not None  # from the first step on
        return share_without_labels(config) > 0 and mine == theirs and not has_weak_labels


PHASES = tuple(Phases.__dataclass_fields__)


def without(settings: dict, names: Sequence[str]) -> dict:
    """Return settings without some of them."""
    return {key: value for key, value in settings.items() if key not in names}


def rebase_config(config: Path, base: Path, folder: Path) -> Path:
    """Write a copy of a config that differs only in ``_base_``.

    Args:
        config: such as one of configs/comparison, which inherit the default base.
        base: the config that it inherits instead.
        folder: folder of the copy.

    Returns:
        The path of the copy.

    Raises:
        ValueError: if the config has no ``_base_``.
    """
    lines = config.read_text().splitlines(keepends=True)
    statements = [
        node
        for node in ast.parse(''.join(lines)).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_'
    ]
    if len(statements) != 1:
        raise ValueError(f'{config} has no line "_base_ = ..." that a base could replace')
    (statement,) = statements
    lines[statement.lineno - 1 : statement.end_lineno] = [f'_base_ = {str(base.resolve())!r}\n']
    path = folder / config.name
    with atomic_write(path) as file:
        file.write(''.join(lines))
    return path


def needs_teacher(config: Config) -> bool:
    """Whether a method starts with a teacher that was trained before."""
    return Phases.from_config(config.model).is_guided


def share_without_labels(config: Config) -> float:
    """Share of a run's steps without pseudo-labels at its start, in [0, 1]."""
    phases, max_iters = Phases.from_config(config.model), config.train_cfg.max_iters
    if not phases.uses_pseudo_labels(max_iters - 1):
        return 1.0
    return phases.pseudo_label_start / max_iters
