"""The page as text: what is escaped, what it may load, what it needs."""

import base64
import hashlib
import json
import re
import sys

import pytest
from made_report import EVIL, make_report
from markupsafe import escape

from mmpldc.report import render, write_page


@pytest.fixture(scope='module')
def page():
    return render(make_report())


def test_names_are_text(page):
    assert EVIL not in page
    assert page.count(str(escape(EVIL))) > 10
    embedded = re.search(r'id="report-data">(.*?)</script>', page, re.DOTALL).group(1)
    assert '<' not in embedded
    data = json.loads(embedded)
    assert EVIL in data['galleries'][0]['classes']
    assert data['panels'][0]['series'][0]['name'] == f'{EVIL} first'


def test_it_allows_its_own_scripts_and_no_server(page):
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page).group(1)
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    scripts = re.findall(r'<script>(.*?)</script>', page, re.DOTALL)
    hashes = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    ]
    assert re.findall(r"'sha256-(.*?)'", policy) == hashes
    assert len(hashes) == 3
    assert not re.search(r'(src|href)="?(https?:)?//|@import|url\(', page)


def test_undefined_values_are_no_numbers(page):
    assert 'no objects' in page
    assert 'nan' not in re.sub(r'<script.*?</script>', '', page, flags=re.DOTALL).lower()


def test_the_library_of_the_charts_brings_its_licence(page):
    assert 'Copyright (c) 2022 Leon Sorokin' in page


def test_without_jinja2_one_line_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, 'jinja2', None)
    with pytest.raises(SystemExit) as error:
        render(make_report())
    assert re.fullmatch(
        r"the report needs jinja2: pip install 'mmpldc\[report\]'.*", str(error.value)
    )


def test_a_page_of_200_pictures_is_below_10_mb(tmp_path):
    size = write_page(make_report(200), tmp_path / 'report.html')
    assert size == (tmp_path / 'report.html').stat().st_size < 10e6
