"""What columns and fields of lists of classes are called: small letters, no blanks."""

NAME = {'name', 'names', 'class', 'classes', 'classname', 'label', 'labels', 'labelname'}
NAME |= {'category', 'categories', 'categoryname', 'title'}
NUMBER = {'id', 'index', 'idx', 'value', 'number', 'classid', 'labelid', 'categoryid', 'pixelvalue'}
NUMBER |= {'trainid', 'pixel', 'gray', 'grey', 'classindex', 'no', 'nr', 'labelvalue'}
NUMBER |= {'labelnumber', 'labelindex', 'classnumber', 'classvalue'}
CODE = {'code', 'classcode', 'labelcode'}  # a number if it is one, and no other column is
COLOR = {'color', 'colour', 'rgb', 'hex', 'colorrgb'}
PARTS = ({'r', 'red'}, {'g', 'green'}, {'b', 'blue'})
ALPHA = {'a', 'alpha'}
# numbers of classes that label maps do not have
OTHER = {'count', 'counts', 'images', 'annotations', 'instances', 'pixels', 'area', 'weight'}
OTHER |= {'order', 'position', 'priority', 'zindex', 'key', 'hotkey', 'shortcut', 'isthing'}
OTHER |= {'supercategoryid', 'parent', 'parentid'}
