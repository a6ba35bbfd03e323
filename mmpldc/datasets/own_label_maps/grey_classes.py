"""Numbers in label maps of classes that are told by their colours: grey ones may be levels."""

from collections.abc import Mapping, Sequence

from ..label_maps import IGNORE
from .classes import HUGE, Classes
from .reading import Contents

WHITE = 255
REMEDY = 'give the number of each class in the file, such as 7,road,128,64,128'


def levels_of_classes(
    contents: Mapping[str, Contents],
    classes: Classes,
    ignored: Sequence[int],
    told: Mapping[int, int],
) -> tuple[dict[int, int], str, bool]:
    """What numbers mean as grey levels of the classes' colours.

    Args:
        contents: of each label map with numbers.
        classes: of the user.
        ignored: numbers that mean no label, besides 255.
        told: number -> class, as the user or another folder has it; may be empty.

    Returns:
        Number -> class, empty if the levels are no colours of classes; what is wrong, in words or
        empty; and whether that is an error.
    """
    levels = {red: n for (red, green, blue), n in classes.colors.items() if red == green == blue}
    if WHITE in levels and all(one.is_bit for one in contents.values() if 1 in one.values):
        levels.setdefault(1, levels[WHITE])
    no_label = {HUGE, *ignored, *({IGNORE} - levels.keys())}
    shown = {value for one in contents.values() for value in one.values.tolist()} - no_label
    in_order = {**dict(enumerate(range(len(classes.names)))), IGNORE: IGNORE}
    numbers = told or in_order
    differing = sorted(v for v in shown & levels.keys() if numbers.get(v) != levels[v])
    if shown <= levels.keys():
        if not differing:
            return {}, '', False
        if told and shown <= numbers.keys():
            value = differing[0]
            return {}, f'{value} is the number of one class and the grey of another: {REMEDY}', True
        return levels, 'numbers are taken for the grey colours of --classes', False
    if told:
        return {}, '', False
    if {0, WHITE} & set(differing):  # of black and white; other greys are some of many colours
        others = ', '.join(map(str, sorted(shown - levels.keys())[:5]))
        message = f'has {differing[0]}, a grey colour of --classes, and {others}, which is none'
        return {}, f'{message}: {REMEDY}', True
    message = 'numbers, though --classes has colours: they are taken in the order of the file'
    return {}, message, False
