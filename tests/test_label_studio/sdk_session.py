"""Calls of Label Studio's SDK, in its own environment: a JSON line asks, a JSON line answers.

python sdk_session.py http://127.0.0.1:8080 TOKEN
"""

import json
import sys

import numpy as np
from label_studio_sdk import LabelStudio
from label_studio_sdk.converter.brush import decode_rle, mask2rle

answers, sys.stdout = sys.stdout, sys.stderr  # libraries may print
client = LabelStudio(base_url=sys.argv[1], api_key=sys.argv[2])


def make_project(config, photos):
    """A project with a folder of local files, which is not synchronised; its id."""
    project = client.projects.create(title='round', label_config=config)
    client.import_storage.local.create(project=project.id, path=photos, title='photos')
    return project.id


def import_tasks(project, tasks):
    client.projects.import_tasks(id=project, request=tasks)
    return list_tasks(project)


def list_tasks(project):
    """Id, data and predictions of each task."""
    return [
        dict(id=task.id, data=task.data, predictions=predictions_of(task.id))
        for task in client.tasks.list(project=project)
    ]


def predictions_of(task):
    found = client.predictions.list(task=task)
    return [dict(model_version=one.model_version, result=one.result) for one in found]


def annotate(task, result):
    return client.annotations.create(id=task, result=result).id


def connect(project, url):
    """A machine learning backend, and the version of its model."""
    backend = client.ml.create(project=project, url=url, title='teacher')
    return [backend.id, client.ml.get(backend.id).model_version]


def retrieve_predictions(project, tasks):
    """As the data manager's action of this name does."""
    client.actions.create(
        project=project,
        id='retrieve_tasks_predictions',
        selected_items=dict(all=False, included=tasks),
    )


def export(project):
    return client.projects.exports.as_json(project)


def encode(mask):
    """Label Studio's own code of a mask: rows of 0 and 1."""
    return mask2rle(np.array(mask, np.uint8) * 255)


def decode(rle, height, width):
    """Rows of the last channel, in [0, 255]."""
    return decode_rle(rle).reshape(height, width, 4)[..., 3].tolist()


FUNCTIONS = dict(globals())
for line in sys.stdin:
    name, arguments = json.loads(line)
    try:
        answer = dict(result=FUNCTIONS[name](**arguments))
    except Exception as error:
        answer = dict(error=f'{type(error).__name__}: {error}')
    print(json.dumps(answer, default=str), file=answers, flush=True)
