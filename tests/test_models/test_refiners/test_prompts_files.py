"""Texts of classes: the files that come with mmpldc, and what is said about wrong ones."""

import json

import pytest
from mmdet.datasets import CityscapesDataset, CocoDataset

from mmpldc.models.refiners.prompts import FOLDER, read_prompts

DATASETS = dict(coco=CocoDataset, cityscapes=CityscapesDataset)


@pytest.fixture
def write(tmp_path):
    def write(content, name='texts.json') -> str:
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


# ---------------------------------------------------------------- the files that come along


@pytest.mark.parametrize(('name', 'count'), [('coco', 80), ('cityscapes', 8)])
def test_five_descriptions_of_each_class_of_mmdet(name, count):
    classes = DATASETS[name].METAINFO['classes']
    prompts = read_prompts(classes, descriptions=name, templates=None)
    assert len(prompts) == count and [len(texts) for texts in prompts] == [5] * count
    texts = [text for own in prompts for text in own]
    assert len(set(texts)) == len(texts), 'a text describes two classes'
    assert all(text == text.strip() and '{' not in text for text in texts)


@pytest.mark.parametrize('name', DATASETS)
def test_classes_of_the_file_stand_in_mmdets_order(name):
    by_class = json.loads((FOLDER / f'{name}.json').read_text())
    assert tuple(by_class) == DATASETS[name].METAINFO['classes']


@pytest.mark.parametrize('name', DATASETS)
def test_texts_fit_into_clips_77_tokens(name):
    """A longer one would lose its end in silence."""
    tokenizer = pytest.importorskip('open_clip').SimpleTokenizer()
    for texts in json.loads((FOLDER / f'{name}.json').read_text()).values():
        for text in texts:
            assert len(tokenizer.encode(text)) + 2 <= 77, text


def test_templates():
    prompts = read_prompts(['cat', 'fire hydrant'], descriptions=None, templates='templates')
    assert [len(texts) for texts in prompts] == [5, 5]
    for name, texts in zip(['cat', 'fire hydrant'], prompts, strict=True):
        assert all(name in text and '{' not in text for text in texts)
        assert len(set(texts)) == 5


# ---------------------------------------------------------------- what is read


def test_order_is_that_of_the_classes_and_templates_come_first(write):
    descriptions = write({'a': ['first'], 'b': ['second', 'third'], 'unused': ['x']})
    templates = write(['a {}.', '{}, small'], 'templates.json')
    assert read_prompts(['b', 'a'], descriptions=descriptions, templates=templates) == [
        ['a b.', 'b, small', 'second', 'third'],
        ['a a.', 'a, small', 'first'],
    ]
    assert read_prompts(['b'], descriptions=descriptions, templates=None) == [['second', 'third']]
    assert read_prompts(['b'], descriptions=None, templates=templates) == [['a b.', 'b, small']]


def test_text_may_be_any_language(write):
    descriptions = write('{"猫": ["一只猫"]}')
    assert read_prompts(['猫'], descriptions=descriptions, templates=None) == [['一只猫']]


def test_texts_of_classes_do_not_share_a_list(write):
    prompts = read_prompts(['a', 'b'], descriptions=None, templates=write(['{}']))
    prompts[0].append('more')
    assert prompts[1] == ['b']


@pytest.mark.parametrize('templates', [None, 'templates'])
def test_all_missing_classes_are_named(write, templates):
    descriptions = write({'a': ['text'], 'empty': [], 'text': 'no list', 'number': [1]})
    classes = ['a', 'absent', 'empty', 'text', 'number']
    with pytest.raises(ValueError, match=r"\['absent', 'empty', 'text', 'number'\]"):
        read_prompts(classes, descriptions=descriptions, templates=templates)


def test_classes_of_another_data_set_are_named():
    with pytest.raises(ValueError, match=r"cityscapes has no descriptions of \['zebra', 'kite'\]"):
        read_prompts(
            ['car', 'zebra', 'bus', 'kite'], descriptions='cityscapes', templates='templates'
        )


@pytest.mark.parametrize('content', [[], {}, ['no place'], ['{}', 'none'], [1], 'text', None])
def test_wrong_templates(write, content):
    with pytest.raises(ValueError, match='a JSON list of texts with'):
        read_prompts(['a'], descriptions=None, templates=write(json.dumps(content)))


@pytest.mark.parametrize(
    ('template', 'text'),
    [
        ('{} or {} of {}', 'cat or cat of cat'),
        ('a {} in {place}', 'a cat in {place}'),
        ('a {} {', 'a cat {'),
        ('a {} {{}', 'a cat {cat'),
    ],
)
def test_every_pair_of_braces_is_the_place_and_other_braces_are_text(write, template, text):
    """Not an IndexError or a KeyError of ``str.format``."""
    prompts = read_prompts(['cat'], descriptions=None, templates=write([template]))
    assert prompts == [[text]]


@pytest.mark.parametrize('content', [[], ['a'], 'text', None, 3])
def test_wrong_descriptions(write, content):
    with pytest.raises(ValueError, match='must hold a JSON object'):
        read_prompts(['a'], descriptions=write(json.dumps(content)), templates=None)


def test_broken_json(write):
    path = write('{"a": [')
    with pytest.raises(ValueError, match='is not JSON') as error:
        read_prompts(['a'], descriptions=path, templates=None)
    assert path in str(error.value)


@pytest.mark.parametrize('option', ['descriptions', 'templates'])
def test_unknown_name_lists_the_known_ones(option):
    options = dict(descriptions=None, templates=None) | {option: 'pascal'}
    with pytest.raises(ValueError, match=r"pascal.*\['cityscapes', 'coco', 'templates'\]"):
        read_prompts(['a'], **options)


def test_no_text_at_all():
    with pytest.raises(ValueError, match='give descriptions or templates'):
        read_prompts(['a'], descriptions=None, templates=None)
