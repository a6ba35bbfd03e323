"""Texts as other programs write them."""

import pytest

from mmpldc.utils.text import read_lines


def test_lines_of_a_list(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('[a] 1.jpg\r\n\r\n {b}.jpg \r\n', encoding='utf-16')
    assert read_lines(path) == ['[a] 1.jpg', '', '{b}.jpg']


def test_markup_is_no_list(tmp_path):
    path = tmp_path / 'list.txt'
    path.write_text('<View>\n<Label value="a"/>\n</View>\n')
    with pytest.raises(ValueError, match=r'list\.txt is XML or HTML: give a text'):
        read_lines(path)


@pytest.mark.parametrize('content', ['{"images": []}', '\n[\n "a.jpg",\n "b.jpg"\n]\n'])
def test_json_is_no_list(tmp_path, content):
    path = tmp_path / 'list.txt'
    path.write_text(content)
    with pytest.raises(ValueError, match=r'list\.txt is JSON: give a text with a name in each'):
        read_lines(path)
