"""The page in a real browser: console, network, charts, galleries, keyboard, phone, dark mode."""

import io
import json
import time

import numpy as np
import pytest
from headless_browser import TIMEOUT
from made_report import EVIL, make_report
from PIL import Image

from mmpldc.report import write_page

pytestmark = pytest.mark.slow
RANGE = 'document.querySelector("[data-panel={}] .plot").dataset.range'
SECTIONS = [
    'result',
    'accuracy',
    'curves',
    'errors',
    'validation',
    'unlabelled',
    'data',
    'settings',
]


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp('page') / 'report.html'
    write_page(make_report(), path)
    return path


def visible_cards(browser, gallery='validation'):
    return browser.run(
        f'[...document.querySelectorAll("#{gallery} .card")].filter((card) => !card.hidden)'
        '.map((card) => card.querySelector("p").firstChild.textContent)'
    )


def choose(browser, field, value, gallery='validation'):
    browser.run(
        f'(() => {{ const field = document.querySelector("#{gallery} [data-filter={field}]");'
        f'field.value = {json.dumps(value)};'
        'field.dispatchEvent(new Event("change", { bubbles: true })); })()'
    )


def middle_of(browser, selector):
    browser.run(
        f'document.querySelector({json.dumps(selector)}).scrollIntoView({{block: "center"}})'
    )
    return browser.run(
        f'(() => {{ const box = document.querySelector({json.dumps(selector)})'
        '.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()'
    )


def is_drawn(browser, section):
    picture = Image.open(io.BytesIO(browser.screenshot(f'#{section}'))).convert('L')
    return np.asarray(picture).std() > 5


def range_of(browser, chart):
    """First and last iteration that a chart shows."""
    return [int(step) for step in browser.run(RANGE.format(chart)).split(' to ')]


def legend(browser, chart='accuracy'):
    return browser.run(
        f'[...document.querySelectorAll("[data-panel={chart}] .u-value")]'
        '.map((cell) => cell.textContent)'
    )


@pytest.mark.parametrize(
    ('width', 'dark'), [(1280, False), (390, False), (1280, True)], ids=['wide', 'phone', 'dark']
)
def test_it_opens_from_disk_in_silence(browser, file, width, dark):
    browser.open(file, width=width, dark=dark)
    browser.wait('document.querySelectorAll("#unlabelled .card").length === 3')
    for section in SECTIONS:
        middle_of(browser, f'#{section} h1, #{section} h2')
        end = time.monotonic() + TIMEOUT  # what is out of view is drawn late
        while not is_drawn(browser, section):
            assert time.monotonic() < end, f'{section} is empty'
    assert browser.run('[...document.querySelectorAll("section")].map((one) => one.id)') == SECTIONS
    assert browser.run('document.documentElement.scrollWidth') <= width
    ground = browser.run('getComputedStyle(document.body).backgroundColor')
    shade = np.mean([int(part) for part in ground.strip('rgb()').split(',')])
    assert (shade < 60) if dark else (shade > 200)
    assert browser.complaints() == []
    assert browser.requests() == [file.resolve().as_uri()]


def test_names_are_text(browser, file):
    browser.open(file)
    assert browser.run('document.title') == f'supervised, {EVIL} - report'
    assert browser.run('document.querySelector(".sentence").textContent') == (
        f'Unlabelled images helped {EVIL}.'
    )
    names = browser.run('[...document.querySelectorAll("svg text")].map((one) => one.textContent)')
    assert EVIL in names
    options = '#validation [data-filter=name] option'
    texts = browser.run(
        f'[...document.querySelectorAll({json.dumps(options)})].map((o) => o.value)'
    )
    assert texts == ['', 'cat', 'dog', EVIL]
    assert browser.run('document.scripts.length') == 4


def test_a_chart_tells_its_values_and_zooms(browser, file):
    browser.open(file)
    assert set(legend(browser)) == {'-'}
    x, y = middle_of(browser, '[data-panel=accuracy] .u-over')
    browser.mouse('mouseMoved', x, y)
    browser.wait('document.querySelector("[data-panel=accuracy] .u-value").textContent !== "-"')
    step = int(legend(browser)[0].replace(',', ''))
    assert legend(browser)[1:] == [f'{1000 / step:.4g}'] * 4
    assert range_of(browser, 'accuracy') == [100, 1000]
    browser.mouse('mousePressed', x - 50, y, button='left', clickCount=1)
    browser.mouse('mouseMoved', x + 50, y, button='left', buttons=1)
    browser.mouse('mouseReleased', x + 50, y, button='left', clickCount=1)
    browser.wait(f'{RANGE.format("accuracy")} !== "100 to 1000"')
    low, high = range_of(browser, 'accuracy')
    assert 100 < low < step < high < 1000
    browser.run('document.querySelector("[data-panel=accuracy] [data-act=all]").click()')
    browser.wait(f'{RANGE.format("accuracy")} === "100 to 1000"')


def test_a_chart_shows_its_marks(browser, file):
    browser.open(file)
    marks = 'document.querySelector("[data-panel={}] .plot").dataset.marks'
    shown = [browser.run(marks.format(name)) for name in ('accuracy', 'loss')]
    assert shown == ['1', '0']
    text = browser.run('document.querySelector("[data-panel=accuracy] p").textContent')
    assert text.startswith('A note. Early stopping would have ended <script>')


def test_a_chart_has_room_for_long_numbers(browser, file):
    browser.open(file)
    left = 'parseFloat(document.querySelector("[data-panel={}] .u-over").style.left)'
    short, long = (browser.run(left.format(name)) for name in ('loss', 'rate'))
    assert short < 60 and long >= 20 + 7 * len('5.00e-4')


def test_a_chart_obeys_the_keyboard(browser, file):
    browser.open(file)
    browser.run('document.querySelector("[data-panel=loss] .plot").focus()')
    for expected in ('100', '200'):
        browser.key('ArrowRight', 39)
        assert legend(browser, 'loss')[0] == expected
    browser.key('+')
    browser.wait(f'{RANGE.format("loss")} !== "100 to 1000"')
    assert range_of(browser, 'loss')[1] < 1000
    browser.key('0')
    browser.wait(f'{RANGE.format("loss")} === "100 to 1000"')
    browser.run('document.querySelector("[data-panel=loss] .u-series:nth-child(2) th").focus()')
    browser.key('Enter', 13)
    assert browser.run(
        'document.querySelector("[data-panel=loss] .u-series:nth-child(2)").classList'
        '.contains("u-off")'
    )
    label = browser.run('document.querySelector("[data-panel=loss] .plot").ariaLabel')
    assert 'pldc first: 10 at iteration 100, 1 at 1000' in label
    assert browser.complaints() == []


def test_filters(browser, file):
    browser.open(file)
    everything = [f'val_{rank}.jpg' for rank in range(6)]
    assert visible_cards(browser) == everything
    choose(browser, 'name', EVIL)
    assert visible_cards(browser) == everything[1::2]
    choose(browser, 'kind', 'correct')
    assert visible_cards(browser) == []
    choose(browser, 'name', 'dog')
    choose(browser, 'kind', 'category')
    assert visible_cards(browser) == everything[::2]
    choose(browser, 'order', '-rank')
    assert visible_cards(browser) == everything[-2::-2]
    assert browser.run('document.querySelector("#validation output").value') == '3 of 6 images'
    assert len(visible_cards(browser, 'unlabelled')) == 3
    choose(browser, 'kind', 'mask', gallery='unlabelled')
    assert len(visible_cards(browser, 'unlabelled')) == 3
    browser.run('document.querySelector("#validation [data-filter=masks]").click()')
    shown = browser.run('getComputedStyle(document.querySelector("#validation path")).display')
    assert shown == 'none'


def test_pictures_have_texts_and_masks_tell_what_they_are(browser, file):
    browser.open(file)
    alternatives = browser.run('[...document.images].map((image) => image.alt)')
    assert len(alternatives) == 2 * (6 + 3)
    assert all(text.count(': ') >= 1 for text in alternatives)
    assert 'val_1.jpg, pldc: cat 0.90: correct; ' + EVIL + ' 0.90: category' in alternatives
    x, y = middle_of(browser, '#validation path')
    browser.wait('document.querySelector("#validation img").naturalWidth === 120')
    browser.mouse('mouseMoved', x, y)
    browser.wait('!document.getElementById("tip").hidden')
    assert browser.run('document.getElementById("tip").textContent') == 'cat 0.90: correct'


def test_the_large_view_by_keyboard(browser, file):
    browser.open(file)
    browser.run('document.querySelector("#validation .open").focus()')
    browser.key('Enter', 13)
    browser.run('document.querySelector("#validation .open").click()')
    title = 'document.querySelector("#large strong").textContent'
    assert browser.run(title) == 'val_0.jpg'
    browser.key('ArrowRight', 39)
    assert browser.run(title) == 'val_1.jpg'
    browser.key('ArrowLeft', 37)
    browser.key('ArrowLeft', 37)
    assert browser.run(title) == 'val_5.jpg'
    listed = browser.run(
        '[...document.querySelectorAll("#large li")].map((line) => line.textContent)'
    )
    assert f'{EVIL} 0.90: category' in listed
    browser.wait('document.querySelector("#large img").naturalWidth === 120')
    browser.key('Escape', 27)
    browser.wait('!document.getElementById("large").open')
    assert browser.complaints() == []


def test_200_pictures_are_decoded_as_they_come(browser, tmp_path):
    path = tmp_path / 'large.html'
    write_page(make_report(200), path)
    browser.open(path)
    middle_of(browser, '#validation h2')
    loaded = '[...document.querySelectorAll("#validation img")].filter((i) => i.src).length'
    browser.wait(f'{loaded} > 0')
    assert browser.run(loaded) < 200  # of 400
    seconds = browser.run(
        '(async () => { const start = performance.now(); let longest = 0, last = start;'
        'for (let step = 0; step < 60; step++) { scrollBy(0, 400);'
        'await new Promise(requestAnimationFrame); const now = performance.now();'
        'longest = Math.max(longest, now - last); last = now; } return longest / 1000; })()'
    )
    assert seconds < 1  # of one frame, on a machine that is busy
    assert browser.complaints() == []
