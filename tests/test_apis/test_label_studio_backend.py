"""Label Studio's questions to a machine learning backend, with a stand-in that labels."""

import json
import threading
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmpldc.apis import (
    LabeledImage,
    PseudoLabel,
    UnreadableImage,
    encode_mask,
    label_studio_config,
    label_studio_rle,
)
from mmpldc.apis.label_studio_backend import Backend, Refused, find_photos, read_interface, serve

CLASSES = ('cat', 'dog', 'owl')
CONFIG = label_studio_config(CLASSES, polygons=False)
MASK = np.zeros((6, 8), bool)
MASK[1:4, 2:7] = True


def label(number: int) -> PseudoLabel:
    return PseudoLabel(number, 0.5 + number / 10, 0.9, 0.9, encode_mask(MASK))


def predict(images: list[dict]) -> list:
    """A cat and an owl on each; ``broken.png`` cannot be read, ``odd.png`` ends in an error."""
    found = []
    for image in images:
        if image['file_name'] == 'odd.png':
            raise RuntimeError('out of\nmemory')
        if image['file_name'] == 'broken.png':
            found.append(UnreadableImage(Path('broken.png'), 'no header'))
        else:
            found.append(LabeledImage(image | dict(width=8, height=6), [label(0), label(2)]))
    return found


@pytest.fixture
def backend(tmp_path):
    """A running server, ``ask`` for its answers, and what it ``said``."""
    folder = tmp_path / 'photos'
    (folder / 'deep').mkdir(parents=True)
    for name in 'a b.png', 'deep/c.png', 'broken.png', 'odd.png':
        (folder / name).write_bytes(b'')
    (tmp_path / 'secret.png').write_bytes(b'')
    said: list[str] = []
    server = serve(Backend(predict, CLASSES, folder, 'iter_9', said.append), '127.0.0.1', 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(method: str, path: str, content: object = None, *, raw: bytes | None = None):
        connection = HTTPConnection(*server.server_address, timeout=20)
        body = raw if raw is not None else None if content is None else json.dumps(content)
        connection.request(method, path, body)
        response = connection.getresponse()
        found = json.loads(response.read())
        connection.close()
        return SimpleNamespace(status=response.status, phrase=response.reason, content=found)

    yield SimpleNamespace(ask=ask, said=said, folder=folder)
    server.shutdown()
    thread.join()
    server.server_close()


def tasks_of(*addresses: object, config: str = CONFIG) -> dict:
    tasks = [dict(id=7 + n, data=dict(image=address)) for n, address in enumerate(addresses)]
    return dict(tasks=tasks, label_config=config, project='1.2', params={})


def test_health_setup_and_what_needs_no_answer(backend):
    for path in '/', '/health':
        assert backend.ask('GET', path).content['status'] == 'UP'
    setup = backend.ask('POST', '/setup', dict(project='1.2', schema=CONFIG, extra_params=None))
    assert setup.status == 200 and setup.content == dict(model_version='iter_9')
    assert backend.ask('GET', '/versions').content == dict(versions=['iter_9'])
    assert backend.ask('POST', '/webhook', dict(action='ANNOTATION_CREATED')).content == {}
    assert not backend.said


def test_predictions_fit_the_tasks(backend):
    addresses = '/data/local-files/?d=photos/a%20b.png', 'http://x.org/p/deep/c.png'
    found = backend.ask('POST', '/predict', tasks_of(*addresses)).content
    assert found['model_version'] == 'iter_9' and len(found['results']) == 2
    for (prediction,) in found['results']:
        assert prediction['model_version'] == 'iter_9'
        assert prediction['score'] == pytest.approx(0.6)
        cat, owl = prediction['result']
        assert cat['value'] == dict(format='rle', rle=label_studio_rle(MASK), brushlabels=['cat'])
        assert owl['value']['brushlabels'] == ['owl'] and owl['score'] == pytest.approx(0.7)
        assert (cat['original_width'], cat['original_height']) == (8, 6)
        assert (cat['from_name'], cat['to_name']) == ('label', 'image')


def test_the_projects_own_names_and_shapes(backend):
    """The labelling configuration decides on names, on polygons, and on which classes exist."""
    config = (
        '<View><Header value="x"/><Image name="photo" value="$file"/>'
        '<PolygonLabels name="what" toName="photo"><Label value="owl"/><Label value="elk"/>'
        '</PolygonLabels></View>'
    )
    assert backend.ask('POST', '/setup', dict(schema=config)).status == 200
    assert backend.said == ['no label of the project: cat, dog; left out']
    request = tasks_of(config=config)
    request['tasks'] = [dict(id=1, data=dict(file='deep/c.png', image='a b.png'))]
    ((prediction,),) = backend.ask('POST', '/predict', request).content['results']
    (owl,) = prediction['result']
    assert (owl['from_name'], owl['to_name'], owl['type']) == ('what', 'photo', 'polygonlabels')
    assert owl['value']['polygonlabels'] == ['owl'] and len(owl['value']['points']) == 4


def test_a_task_without_its_photo_gets_no_prediction(backend):
    addresses = ['gone.png', 'broken.png', None, ['a b.png'], '../secret.png', 'a b.png']
    found = backend.ask('POST', '/predict', tasks_of(*addresses)).content
    assert [len(one) for one in found['results']] == [0, 0, 0, 0, 0, 1]
    assert len(backend.said) == 5 and 'broken.png: no header' in backend.said
    assert f'gone.png: no such image in {backend.folder}' in backend.said


@pytest.mark.parametrize(
    ('method', 'path', 'content', 'status', 'words'),
    [
        ('POST', '/predict', tasks_of('odd.png'), 500, 'RuntimeError: out of memory'),
        ('POST', '/predict', dict(tasks=[]), 400, 'no text "label_config"'),
        ('POST', '/predict', tasks_of() | dict(tasks=[3]), 400, 'no list "tasks"'),
        ('POST', '/setup', dict(schema='<View>'), 400, 'is no XML'),
        ('POST', '/setup', dict(schema='<!DOCTYPE x><View/>'), 400, 'has a DOCTYPE'),
        ('POST', '/setup', dict(schema='<View/>'), 400, 'no BrushLabels or PolygonLabels'),
        ('POST', '/setup', [], 400, 'no text "schema"'),
        ('POST', '/train', {}, 404, 'POST /train is not part of the protocol'),
        ('GET', '/predict', None, 404, 'not part'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_what_is_wrong_is_in_the_phrase_that_label_studio_shows(
    backend, method, path, content, status, words
):
    found = backend.ask(method, path, content)
    assert found.status == status and words in found.phrase
    assert words in ' '.join(found.content['error'].split()) and len(backend.said) == 1
    assert backend.ask('GET', '/health').status == 200  # it lives on


def test_a_body_that_is_no_json(backend):
    found = backend.ask('POST', '/predict', raw=b'{"tasks": ')
    assert found.status == 400 and 'the body is no JSON' in found.phrase


def test_labels_of_other_classes_are_refused():
    with pytest.raises(Refused, match='has the labels elk, fox, the model the classes cat, dog'):
        read_interface(label_studio_config(['fox', 'elk'], polygons=True), ('cat', 'dog'))


def test_health_is_answered_while_images_are_labelled(tmp_path):
    (tmp_path / 'a.png').write_bytes(b'')
    begun, go_on = threading.Event(), threading.Event()

    def wait(images):
        begun.set()
        assert go_on.wait(20)
        return predict(images)

    with serve(Backend(wait, CLASSES, tmp_path, 'v', print), '127.0.0.1', 0) as server:
        threads = [threading.Thread(target=server.serve_forever)]
        threads[0].start()

        def ask(method, path, content):
            connection = HTTPConnection(*server.server_address, timeout=20)
            connection.request(method, path, json.dumps(content))
            return json.loads(connection.getresponse().read())

        found = []
        request = 'POST', '/predict', tasks_of('a.png')
        threads.append(threading.Thread(target=lambda: found.append(ask(*request))))
        threads[1].start()
        assert begun.wait(20)
        assert ask('GET', '/health', None)['status'] == 'UP'
        assert ask('POST', '/setup', dict(schema=CONFIG)) == dict(model_version='v')
        go_on.set()
        threads[1].join()
        server.shutdown()
        threads[0].join()
    assert len(found[0]['results']) == 1


def test_photos_outside_the_folder_are_not_found(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'')
    (tmp_path / 'b.png').write_bytes(b'')
    addresses = [str(tmp_path / 'b.png'), '../b.png', 'a.png', '/data/upload/1/1a2b3c4d-a.png']
    assert find_photos(addresses, folder) == {'a.png': 'a.png'}
    assert find_photos(addresses[3:], folder) == {addresses[3]: 'a.png'}
