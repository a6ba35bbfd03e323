"""Lists of classes as tools and people write them."""

import pytest

from mmpldc.datasets.own_label_maps import read_classes

NUMBERS = {0: 'bg', 1: 'disc', 2: 'box'}
COLORS = {(0, 0, 0): 'bg', (255, 0, 0): 'disc', (0, 0, 255): 'box'}
WITH_NUMBERS = {
    'name first': 'box,2\ndisc,1\nbg,0\n',
    'blanks': 'bg 0\nbox 2\ndisc 1\n',
    'floats': '2.0 box\n0.0 bg\n1.0 disc\n',
    'a table of floats': 'id,name,share\n2.0,box,0.5\n0.0,bg,1.0\n1.0,disc,0.0\n',
    'equals signs': 'bg = 0\ndisc = 1\nbox = 2\n',
    'heading': 'name,id\nbg,0\ndisc,1\nbox,2\n',
    'another heading': 'id;name;count\n0;bg;9\n1;disc;8\n2;box;7\n',
    'quotes': '"id","name"\n"0","bg"\n"1","disc"\n"2","box"\n',
    'JSON': '{"0": "bg", "1": "disc", "2": "box"}',
    'COCO': '{"categories": [{"id": 2, "name": "box"},\n{"id": 0, "name": "bg"},\n'
    '{"id": 1, "name": "disc"}]}',
    'YAML': 'names:\n  0: bg\n  1: disc\n  2: box\n',
    'a code': 'Name,Code\nbox,2\nbg,0\ndisc,1\n',
    'a code first': 'code,name\n2,box\n0,bg\n1,disc\n',
    'a label value': 'label value,name\n2,box\n0,bg\n1,disc\n',
    'two words for names': 'class,label\nbox,2\nbg,0\ndisc,1\n',
    'numbers called label': 'label,name\n2,box\n0,bg\n1,disc\n',
    'numbers called category': 'category,name\n2,box\n0,bg\n1,disc\n',
    'labels in JSON': '[{"label": 2, "name": "box"}, {"label": 0, "name": "bg"},\n'
    '{"label": 1, "name": "disc"}]',
    'the same twice': '[{"id": 2, "label": 2, "name": "box"},\n'
    '{"id": 0, "label": 0, "name": "bg"}, {"id": 1, "label": 1, "name": "disc"}]',
    'records by name': '{"box": {"label": 2}, "bg": {"label": 0}, "disc": {"label": 1}}',
    'records by number': '{"2": {"name": "box"}, "0": {"name": "bg"}, "1": {"name": "disc"}}',
    'Hugging Face': '{"id2label": {"0": "bg", "1": "disc", "2": "box"},\n'
    '"label2id": {"bg": 0, "disc": 1, "box": 2}}',
    'Hugging Face, the other': '{"label2id": {"bg": 0, "disc": 1, "box": 2}}',
    'a group beside the number': 'id,name,category\n0,bg,1\n2,box,2\n1,disc,2\n',
    'no label': '-1 void\n0 bg\n1 disc\n2 box\n',
}
IN_ORDER = {
    'a flag': '[{"name": "bg", "isthing": 0}, {"name": "disc", "isthing": 1},\n'
    '{"name": "box", "isthing": 1}]',
    'heading': 'class_name\nbg\ndisc\nbox\n',
    'JSON': '[\n  "bg",\n  "disc",\n  "box"\n]\n',
    'YAML': 'names:\n- bg\n- disc\n- box\n',
    'a group': 'name,category\nbg,1\ndisc,2\nbox,2\n',
    'a hotkey': '[{"name": "bg", "hotkey": 1}, {"name": "disc", "hotkey": 3},\n'
    '{"name": "box", "hotkey": 2}]',
    'weights': 'name,weight\nbg,1\ndisc,20\nbox,7\n',
    'labelme': '__ignore__\nbg\ndisc\nbox\n',
    'one line': 'bg, disc, box\n',
    'commas': 'bg,\ndisc,\nbox,\n',
}
WITH_COLORS = {
    'JSON': '{\n "bg": [0,0,0],\n "disc": [255,0,0],\n "box": "#0000ff"\n}',
    'one number': '[{"name": "bg", "color": 0}, {"name": "disc", "color": 16711680},\n'
    '{"name": "box", "color": 255}]',
    'keys of a database': '{"classes": [{"title": "bg", "color": "#000000", "id": 1234567},\n'
    '{"title": "disc", "color": "#FF0000AA", "id": 3},\n'
    '{"title": "box", "color": "#0000FF", "id": 7}]}',
    'alpha': 'bg,0,0,0,255\ndisc,255,0,0,255\nbox,0,0,255,255\n',
    'heading': 'id,name,r,g,b\n0,bg,0,0,0\n1,disc,255,0,0\n2,box,0,0,255\n',
}


def read(tmp_path, text):
    path = tmp_path / 'classes.txt'
    path.write_text(text)
    return read_classes([str(path)])


def named(classes, by):
    return {key: classes.names[label] for key, label in by.items()}


@pytest.mark.parametrize('kind', WITH_NUMBERS)
def test_names_and_numbers(tmp_path, kind):
    classes = read(tmp_path, WITH_NUMBERS[kind])
    assert named(classes, classes.values) == NUMBERS and not classes.colors


@pytest.mark.parametrize('kind', IN_ORDER)
def test_names_in_the_order_of_their_numbers(tmp_path, kind):
    classes = read(tmp_path, IN_ORDER[kind])
    assert classes.names == ('bg', 'disc', 'box') and not classes.values and not classes.colors


@pytest.mark.parametrize('kind', WITH_COLORS)
def test_names_and_colours(tmp_path, kind):
    classes = read(tmp_path, WITH_COLORS[kind])
    assert named(classes, classes.colors) == COLORS
    assert named(classes, classes.values) == (NUMBERS if kind == 'heading' else {})


def test_the_separator_of_the_heading_holds_for_all_lines(tmp_path):
    """As in ADE20K's objectInfo150.csv."""
    text = 'Idx,Ratio,Train,Name\n1,0.15,11664,wall\n2,0.10,6046,building;edifice\n'
    classes = read(tmp_path, text)
    assert named(classes, classes.values) == {1: 'wall', 2: 'building;edifice'}


@pytest.mark.parametrize(
    ('kind', 'line'),
    [
        ('ITK-SNAP', '{0} {2} 1 1 1 "{1}"'),
        ('3D Slicer', '{0} {1} {2} 255'),
        ('no opacity', '{0} {1} {2}'),
        ('equal colours', '{0}   {1}    0   0   0   0'),
    ],
)
def test_tables_of_medical_viewers(tmp_path, kind, line):
    rows = (0, 'bg', '0 0 0'), (1, 'left disc', '255 0 0'), (2, 'box', '0 0 255')
    text = ''.join(f'{line.format(*row)}\n' for row in rows)
    classes = read(tmp_path, f'# Table\n#{text}')
    assert named(classes, classes.values) == {1: 'left disc', 2: 'box'}
    classes = read(tmp_path, f'# Table\n\n{text}')
    assert named(classes, classes.values) == {0: 'bg', 1: 'left disc', 2: 'box'}
    assert len(classes.colors) == (0 if kind == 'equal colours' else 3)


def test_a_name_that_ends_in_a_number_beside_a_colour(tmp_path):
    classes = read(tmp_path, '1 route 66 10 20 30\n2 road 1 2 3\n')
    assert named(classes, classes.values) == {1: 'route 66', 2: 'road'}
    with pytest.raises(ValueError, match='300'):
        read(tmp_path, '0 bg 0 0 0\n1 disc 300 0 0\n')


def test_names_with_numbers_in_them(tmp_path):
    assert read(tmp_path, 'lane 1\nlane 2\n').names == ('lane 1', 'lane 2')
    classes = read(tmp_path, '7 lane 1\n8 lane 2\n9 3d box\n')
    assert named(classes, classes.values) == {7: 'lane 1', 8: 'lane 2', 9: '3d box'}


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('0 1 bg\n1 2 disc\n', 'line 1: has 2 numbers'),
        ('name,id,trainId\nbg,0,1\ndisc,1,2\n', 'line 1: has the columns id, trainId'),
        ('bg\n\n1\n', 'line 3 has no name'),
        ('{"bg":\n', 'line 2: is no JSON'),
        ('names: [bg\n', 'line 2: is no YAML'),
        ('name,nummer\nbg,1\ndisc,0\n', "has numbers as 'nummer': call them id"),
        ('id,label,name\n0,1,bg\n1,2,disc\n', 'has numbers as id and as label: leave'),
        ('class,label\n0,7\n1,8\n', 'has numbers as label and as class'),
        (
            '[{"name": "bg", "color": 1.5}, {"name": "disc", "color": null}]',
            'entry 1: has a number',
        ),
        ('[{"name": "bg", "color": 99999999}, {"name": "disc", "color": 1}]', 'entry 1: has a nu'),
        ('{"classes": ["bg", "disc"], "palette": [1.5, 2]}', 'the colour of entry 1 in the palet'),
        ('- bg\n- di\x07sc\n', 'line 2: is no YAML: unacceptable character'),
        ('[[0, 1], [2, 3]]', 'entry 0 is no class'),
        ('\n', 'has no class: write a line for each'),
        ('PK\x03\x04', 'is a table of Excel or an archive'),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words) as caught:
        read(tmp_path, text)
    assert 'classes.txt' in str(caught.value) and '\n' not in str(caught.value)


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(ValueError, match='is a folder: give a file, or the names'):
        read_classes([str(tmp_path)])


def test_a_blank_name():
    with pytest.raises(ValueError, match='--classes: name 2 is blank'):
        read_classes(['bg', ' ', 'box'])
