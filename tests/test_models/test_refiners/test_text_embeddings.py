"""Texts are encoded once and then read from disk."""

import os

import pytest
import torch

from mmpldc.models.refiners.text_embeddings import (
    cached_text_embeddings,
    default_cache,
    weights_key,
)


class Encoder:
    """Embeds a text by its length; remembers what it was asked."""

    def __init__(self, factor: float = 1.0, dtype=torch.float32):
        self.factor, self.dtype = factor, dtype
        self.asked = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        rows = [[self.factor * len(text), 1.5] for text in texts]
        return torch.tensor(rows, dtype=self.dtype)


def expected(texts, factor=1.0):
    return torch.tensor([[factor * len(text), 1.5] for text in texts])


# ---------------------------------------------------------------- the cache


def test_encoded_once_then_read(tmp_path):
    encode = Encoder()
    texts = ['a', 'bcd', 'ef']
    for _ in range(3):
        rows = cached_text_embeddings(texts, 'key', encode, tmp_path)
        assert rows.equal(expected(texts))
        assert rows.dtype == torch.float32 and rows.device.type == 'cpu'
    assert encode.asked == [texts]


def test_only_unknown_texts_are_encoded(tmp_path):
    encode = Encoder()
    cached_text_embeddings(['a', 'bcd'], 'key', encode, tmp_path)
    texts = ['ef', 'a', 'ghij', 'bcd']
    assert cached_text_embeddings(texts, 'key', encode, tmp_path).equal(expected(texts))
    assert encode.asked == [['a', 'bcd'], ['ef', 'ghij']]
    assert cached_text_embeddings(['bcd'], 'key', encode, tmp_path).equal(expected(['bcd']))
    assert len(encode.asked) == 2


def test_a_text_may_stand_twice(tmp_path):
    encode = Encoder()
    texts = ['ab', 'c', 'ab']
    assert cached_text_embeddings(texts, 'key', encode, tmp_path).equal(expected(texts))
    assert encode.asked == [['ab', 'c']]


def test_other_weights_have_another_file(tmp_path):
    one, other = Encoder(1.0), Encoder(2.0)
    cached_text_embeddings(['ab'], 'one', one, tmp_path)
    assert cached_text_embeddings(['ab'], 'other', other, tmp_path).equal(expected(['ab'], 2.0))
    assert cached_text_embeddings(['ab'], 'one', one, tmp_path).equal(expected(['ab']))
    assert (len(one.asked), len(other.asked)) == (1, 1)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_as_float32(tmp_path, dtype):
    rows = cached_text_embeddings(['ab'], 'key', Encoder(dtype=dtype), tmp_path)
    assert rows.dtype == torch.float32 and rows.equal(expected(['ab']))


def test_folder_is_made(tmp_path):
    cached_text_embeddings(['ab'], 'key', Encoder(), tmp_path / 'new/folder')
    assert len(list((tmp_path / 'new/folder').iterdir())) == 1


@pytest.mark.parametrize(
    'key', ['RN50-openai-0123', 'ViT-B-16-v1.5_weights.pt-ab', 'a.b-1', 'a.c-1']
)
def test_keys_with_dots(tmp_path, key):
    """``with_suffix`` and the like would cut them."""
    encode = Encoder()
    for _ in range(2):
        cached_text_embeddings(['ab'], key, encode, tmp_path)
    assert len(encode.asked) == 1
    assert [path.name for path in tmp_path.iterdir()] == [f'{key}.pt']


def test_file_is_replaced_in_one_step(tmp_path, monkeypatch):
    """At any time there is a whole file under the name: the old one or the new one."""
    cached_text_embeddings(['a'], 'key', Encoder(), tmp_path)
    (path,) = tmp_path.iterdir()
    seen, replace = [], os.replace

    def checked(source, target):
        assert os.fspath(target) == str(path) and os.path.dirname(source) == str(tmp_path)
        seen.append((set(torch.load(path)), set(torch.load(source))))
        replace(source, target)

    monkeypatch.setattr(os, 'replace', checked)
    cached_text_embeddings(['b'], 'key', Encoder(), tmp_path)
    assert seen == [({'a'}, {'a', 'b'})]
    assert list(tmp_path.iterdir()) == [path], 'a partial file is left'


def test_failing_encoder_leaves_the_cache_as_it_was(tmp_path):
    cached_text_embeddings(['a'], 'key', Encoder(), tmp_path)

    def fail(texts):
        raise RuntimeError('out of memory')

    with pytest.raises(RuntimeError, match='out of memory'):
        cached_text_embeddings(['a', 'b'], 'key', fail, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    encode = Encoder()
    assert cached_text_embeddings(['a'], 'key', encode, tmp_path).equal(expected(['a']))
    assert encode.asked == []


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv('MMPLDC_CACHE', str(tmp_path / 'there'))
    assert default_cache() == tmp_path / 'there/text_embeddings'
    monkeypatch.delenv('MMPLDC_CACHE')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert default_cache() == tmp_path / '.cache/mmpldc/text_embeddings'


# ---------------------------------------------------------------- the key


@pytest.mark.parametrize(
    ('model', 'pretrained'),
    [('RN50', 'openai'), ('convnext_large_d_320', 'laion2b_s29b_b131k_ft_soup'), ('RN50', None)],
)
def test_key_of_a_tag(model, pretrained):
    key = weights_key(model, pretrained)
    assert key == weights_key(model, pretrained)
    assert model in key and '/' not in key
    assert key != weights_key(model, 'yfcc15m') != weights_key('RN101', 'yfcc15m')


def test_names_that_look_alike_in_a_file_name_have_other_keys():
    keys = {weights_key(model, 'tag') for model in ('hf-hub:a/b', 'hf-hub:c/b', 'b', 'b:', 'b/b')}
    assert len(keys) == 5


def test_key_follows_the_content_of_a_checkpoint(tmp_path):
    path = tmp_path / 'weights.pt'
    keys = []
    for content in (b'one', b'two', b'one'):
        path.write_bytes(content)
        keys.append(weights_key('RN50', str(path)))
    assert keys[0] == keys[2] != keys[1]
    assert all('/' not in key and 'weights.pt' in key for key in keys)
    path.write_bytes(b'one' * 2**20)  # more than one block
    long = weights_key('RN50', str(path))
    path.write_bytes(b'one' * 2**20 + b'!')
    assert long != weights_key('RN50', str(path))


def test_key_follows_the_content_of_a_folder(tmp_path):
    model = f'local-dir:{tmp_path}'
    (tmp_path / 'subfolder').mkdir()
    (tmp_path / 'open_clip_config.json').write_text('{}')
    (tmp_path / 'open_clip_model.safetensors').write_bytes(b'one')
    first = weights_key(model, None)
    assert first == weights_key(model, None) and '/' not in first
    (tmp_path / 'open_clip_model.safetensors').write_bytes(b'two')
    second = weights_key(model, None)
    (tmp_path / 'open_clip_config.json').write_text('{"a": 1}')
    assert len({first, second, weights_key(model, None)}) == 3
