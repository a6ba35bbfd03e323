"""A teacher as Label Studio's machine learning backend: it labels the tasks of a project.

Label Studio asks over HTTP: ``GET /health``, ``POST /setup`` with the project's labelling
configuration, ``POST /predict`` with tasks, and ``POST /webhook`` when something has changed.
:func:`answer` holds the protocol, :func:`serve` the connection.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from mmpldc.datasets.converters.photos import find_meant

from .label_files import label_studio_prediction
from .pseudo_labels import LabeledImage, UnreadableImage

CONTROLS = {'BrushLabels': None, 'PolygonLabels': 1.0}  # and the tolerance of outlines, in pixels
LARGEST_REQUEST = 2**28  # bytes

Predict = Callable[[list[dict]], list[LabeledImage | UnreadableImage]]


class Refused(ValueError):
    """A request that cannot be answered; the message tells the annotator why."""

    status = 400


class UnknownAddress(Refused):
    """An address that the protocol does not have."""

    status = 404


class Interface(NamedTuple):
    """What a labelling configuration says of masks.

    Attributes:
        control, image: names of the tag with the labels and of the image's.
        key: of a task's data, which holds the image's address.
        labels: names of the classes that it offers.
        polygon_tolerance: as for :func:`~mmpldc.apis.label_studio_prediction`.
    """

    control: str
    image: str
    key: str
    labels: frozenset[str]
    polygon_tolerance: float | None


@dataclass(frozen=True)
class Backend:
    """A labeller and its images.

    Attributes:
        predict: labels entries of a COCO-format file, with ``id`` and ``file_name`` relative to
            ``folder``, and returns a :class:`LabeledImage` or :class:`UnreadableImage` for each.
        classes: names of the labeller's classes.
        folder: of the images.
        model_version: name under which Label Studio lists the predictions.
        say: takes lines for whoever runs the server.
    """

    predict: Predict
    classes: Sequence[str]
    folder: Path
    model_version: str
    say: Callable[[str], None] = print


def read_interface(config: str, classes: Sequence[str]) -> Interface:
    """Find the tags for masks in a labelling configuration.

    Args:
        config: XML.
        classes: of the model; at least one must be among the labels.

    Raises:
        Refused: if it is no XML, or has no brush or polygon labels of an image.
    """
    if '<!DOCTYPE' in config:
        raise Refused('the labelling configuration has a DOCTYPE: leave it out')
    try:
        root = ElementTree.fromstring(config)  # noqa: S314 - no DOCTYPE, so no entity to expand
    except ElementTree.ParseError as error:
        raise Refused(f'the labelling configuration is no XML: {error}') from None
    images = {one.get('name'): one for one in root.iter('Image')}
    controls = [one for one in root.iter() if one.tag in CONTROLS and one.get('toName') in images]
    if not controls:
        raise Refused(f'the labelling configuration has no {" or ".join(CONTROLS)} of an Image')
    found = controls[0]
    labels = frozenset(one.get('value', '') for one in found.iter('Label'))
    if labels.isdisjoint(classes):
        raise Refused(
            f'the labelling configuration has the labels {", ".join(sorted(labels)) or "none"}, '
            f'the model the classes {", ".join(classes)}'
        )
    image = images[found.get('toName')]
    return Interface(
        found.get('name', ''),
        image.get('name', ''),
        image.get('value', '').removeprefix('$'),
        labels,
        CONTROLS[found.tag],
    )


def answer(backend: Backend, method: str, path: str, content: Any) -> dict:
    """Answer a request of Label Studio.

    Args:
        backend: what labels.
        method, path: of the request, such as 'POST' and '/predict'.
        content: of its body, read from JSON; None without a body.

    Raises:
        Refused: if the request or its labelling configuration is not understood, or there is no
            such address.
    """
    match method, path.partition('?')[0].rstrip('/').rpartition('/')[-1]:
        case 'GET', '' | 'health':
            return dict(status='UP', model_class='mmpldc')
        case 'GET' | 'POST', 'versions':
            return dict(versions=[backend.model_version])
        case 'POST', 'setup':
            interface = read_interface(_text(content, 'schema'), backend.classes)
            unknown = [name for name in backend.classes if name not in interface.labels]
            if unknown:
                backend.say(f'no label of the project: {", ".join(unknown)}; left out')
            return dict(model_version=backend.model_version)
        case 'POST', 'predict':
            return _predict(backend, content)
        case 'POST', 'webhook':  # an annotation was submitted or the like: nothing to do
            return {}
    raise UnknownAddress(f'{method} {path} is not part of the protocol')


def _text(content: Any, key: str) -> str:
    value = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(value, str):
        raise Refused(f'the request has no text "{key}"')
    return value


def _predict(backend: Backend, content: Any) -> dict:
    """Label tasks; one without a readable image gets no prediction."""
    interface = read_interface(_text(content, 'label_config'), backend.classes)
    tasks = content.get('tasks')
    if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
        raise Refused('the request has no list "tasks"')
    data = [task.get('data') for task in tasks]
    addresses = [one.get(interface.key) if isinstance(one, Mapping) else None for one in data]
    names = find_photos([one for one in addresses if isinstance(one, str)], backend.folder)
    results: list[list[dict]] = [[] for _ in tasks]
    wanted = []
    for place, address in enumerate(addresses):
        if isinstance(address, str) and address in names:
            wanted.append(dict(id=place, file_name=names[address]))
        else:
            backend.say(f'{address}: no such image in {backend.folder}')
    for item in backend.predict(wanted) if wanted else ():
        if isinstance(item, UnreadableImage):
            backend.say(f'{item.path}: {item.reason}')
        else:
            results[item.image['id']] = [_prediction(backend, interface, item)]
    return dict(results=results, model_version=backend.model_version)


def _prediction(backend: Backend, interface: Interface, item: LabeledImage) -> dict:
    known = [one for one in item.labels if backend.classes[one.label] in interface.labels]
    prediction = label_studio_prediction(
        *(LabeledImage(item.image, known), backend.classes),
        *(interface.polygon_tolerance, backend.model_version),
    )
    for region in prediction['result']:
        region |= dict(from_name=interface.control, to_name=interface.image)
    return prediction


def find_photos(addresses: Sequence[str], folder: Path) -> dict[str, str]:
    """File names, relative to a folder, of images that Label Studio's addresses stand for.

    Args:
        addresses: of local files, uploads or the web; the end of their path counts.
        folder: of the photos, searched through.

    Returns:
        Those that are there; none outside the folder.
    """
    meant = find_meant(addresses, folder)
    found = {one: meant[one].name if one in meant else one for one in addresses}
    root = folder.resolve()
    return {
        address: name
        for address, name in found.items()
        if (path := (root / name).resolve()).is_relative_to(root) and path.is_file()
    }


def serve(backend: Backend, host: str, port: int) -> ThreadingHTTPServer:
    """Open the address; the server answers while its ``serve_forever`` runs.

    Images are labelled for one request at a time; health and set-up are answered meanwhile, as
    Label Studio waits for these a second or three.

    Args:
        backend: what labels.
        host, port: to listen at; 0 is a free port.

    Raises:
        OSError: if the address cannot be had.
    """
    lock = threading.Lock()

    def predict(images: list[dict]) -> list[LabeledImage | UnreadableImage]:
        with lock:
            return backend.predict(images)

    shared = replace(backend, predict=predict)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.respond(None)

        def do_POST(self) -> None:
            length = self.headers.get('Content-Length', '')
            if not length.isdecimal():
                self.send(411, {}, 'the request has no Content-Length')
            elif int(length) > LARGEST_REQUEST:
                self.send(413, {}, f'the request has more than {LARGEST_REQUEST} bytes')
            else:
                try:
                    content = json.loads(self.rfile.read(int(length)) or 'null')
                except ValueError as error:
                    self.send(400, {}, f'the body is no JSON: {error}')
                else:
                    self.respond(content)

        def respond(self, content: Any) -> None:
            try:
                self.send(200, answer(shared, self.command, self.path, content))
            except Refused as error:
                self.send(error.status, {}, str(error))
            except Exception as error:  # the server lives on, and the annotator sees why
                self.send(500, {}, f'{type(error).__name__}: {error}')

        def send(self, status: int, content: dict, problem: str = '') -> None:
            if problem:
                backend.say(f'{self.command} {self.path}: {problem}')
                content = dict(error=problem)
            body = json.dumps(content).encode()
            # Label Studio shows an error's phrase, not its body.
            phrase = ' '.join(problem.split()).encode('ascii', 'replace').decode()
            self.send_response(status, phrase or None)
            self.send_header('Content-Type', 'application/json')
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: what went wrong is said."""

    return ThreadingHTTPServer((host, port), Handler)
