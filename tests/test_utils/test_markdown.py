"""Tables and blocks of pages that programs write."""

from mmpldc.utils.markdown import put_block, table


def test_numbers_are_aligned_to_the_right():
    text = table(['', 'AP', 's'], [['PL-DC', '38.3', '0.2'], ['PAIS', '36.0', '0.3']])
    assert text.splitlines() == [
        '|  | AP | s |',
        '| --- | ---: | ---: |',
        '| PL-DC | 38.3 | 0.2 |',
        '| PAIS | 36.0 | 0.3 |',
    ]


def test_a_block_is_replaced_and_the_rest_stays():
    page = '# T\n\n<!-- a -->\nold\n<!-- /a -->\n\n<!-- b -->\nkept\n<!-- /b -->\n'
    written = put_block(page, 'a', r'new \1')
    assert written == page.replace('<!-- a -->\nold\n', '<!-- a -->\n\nnew \\1\n\n')
    assert put_block(page, 'c', 'nowhere') == page
