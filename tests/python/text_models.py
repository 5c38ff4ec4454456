# SPDX-License-Identifier: Apache-2.0
"""Tiny models of random weights for each task, as transformers and sentence-transformers save
them, with a tokenizer of their own."""

import json
import os
import re
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

TEXT = """Anna Berg lives in Oslo and works for Nordic Rail, which runs trains to the coast.
The old captain sold his blue boat in winter; nobody in the harbour knew why he had left.
How can I reset my password? Open the settings, choose security, then follow the steps.
Interest rates rose again this month, said the central bank of Norway on Thursday.
She plays the violin in an orchestra, and her sister Marie paints maps of the world.
Water boils at one hundred degrees; pasta wants nine minutes, rice about twelve."""
LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
POSITIONS = 64


def _vocabulary():
    """Letters, and halves of the words: what a trainer finds depends on its hashes."""
    found = set()
    for word in re.findall(r"\w+|[^\w\s]", TEXT):
        half = (len(word) + 1) // 2
        found |= {word[:half], "##" + word[half:], *word, *("##" + letter for letter in word)}
    found -= {"##", "k", "##k"}  # words with this letter are unknown
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return {word: i for i, word in enumerate([*marks, *sorted(found)])}


def tokenizer(folder):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece(_vocabulary(), unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=False)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    numbers = [(mark, made.token_to_id(mark)) for mark in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=numbers
    )
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=POSITIONS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    wrapped.save_pretrained(folder)
    return wrapped


def _config(vocabulary, **more):
    return transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=POSITIONS,
        **more,
    )


def _random(model):
    """Weights that are large enough for answers to differ."""
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            drawn = torch.randn(weight.shape, generator=random)
            if weight.dim() > 1:
                weight.copy_(drawn * (1.0 if "embeddings" in name else 0.25))
            elif "LayerNorm.weight" in name:
                weight.copy_(1 + 0.1 * drawn)
            else:
                weight.copy_(drawn * 0.1)
    return model.eval()


def save(folder, kind, **config):
    """``kind``: a class of transformers."""
    os.makedirs(folder, exist_ok=True)
    words = tokenizer(folder)
    made = getattr(transformers, kind)(_config(len(words), **config))
    _random(made).save_pretrained(folder)
    return folder


def labelled(names):
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def save_sentences(folder, pooling, dense=False, normalize=True, prompts=None):
    """A model of sentence-transformers. ``pooling``: its arguments."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

    encoder = Transformer(save(folder + ".encoder", "BertModel"))
    steps = [encoder, Pooling(32, **pooling)]
    if dense:
        torch.manual_seed(3)
        steps.append(Dense(steps[-1].get_sentence_embedding_dimension(), 16))
    if normalize:
        steps.append(Normalize())
    SentenceTransformer(modules=steps, prompts=prompts, device="cpu").save(folder)
    return folder


def write_json(path, **changes):
    with open(path) as file:
        content = json.load(file)
    content.update(changes)
    with open(path, "w") as file:
        json.dump(content, file)


if __name__ == "__main__":
    save(sys.argv[1], sys.argv[2])
