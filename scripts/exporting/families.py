# SPDX-License-Identifier: Apache-2.0
"""The families of models that scripts/exports writes: classes of Transformers, small enough to
export in seconds, with heads and poolings as people export them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import normalize

TEXT = ("input_ids", "attention_mask")
TYPED = (*TEXT, "token_type_ids")
VOCABULARY, WIDTH, LAYERS, HEADS, INNER, PLACES = 128, 32, 2, 4, 48, 64


@dataclass(frozen=True)
class Family:
    config: str  # a class of Transformers
    model: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    pick: Callable[..., Any]  # the outputs, of what the model returned and of the inputs by name
    sizes: dict[str, Any] = field(default_factory=dict)
    signal: tuple[int, ...] = ()  # sizes behind the batch, of an input that is not tokens


def first(count):
    return lambda made, given: tuple(made[i] for i in range(count))


def named(*names):
    return lambda made, given: tuple(getattr(made, name) for name in names)


def mean_pooled(made, given):
    weights = given["attention_mask"][..., None].to(made[0].dtype)
    mean = (made[0] * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
    return (normalize(mean, dim=1),)


def first_pooled(made, given):
    return (normalize(made[0][:, 0], dim=1),)


def last_pooled(made, given):
    rows = torch.arange(made[0].shape[0], device=made[0].device)
    return (normalize(made[0][rows, given["attention_mask"].sum(dim=1) - 1], dim=1),)


HIDDEN = (("last_hidden_state",), first(1))
POOLED = (("last_hidden_state", "pooler_output"), first(2))
LOGITS = (("logits",), named("logits"))
SPANS = (("start_logits", "end_logits"), named("start_logits", "end_logits"))
MEAN = (("sentence_embedding",), mean_pooled)
FIRST = (("sentence_embedding",), first_pooled)
LAST = (("sentence_embedding",), last_pooled)

HEAD_CLASSES = {
    "hidden": ("Model", HIDDEN),
    "default": ("Model", POOLED),
    "meanpool": ("Model", MEAN),
    "clspool": ("Model", FIRST),
    "lastpool": ("Model", LAST),
    "qa": ("ForQuestionAnswering", SPANS),
    "tokcls": ("ForTokenClassification", LOGITS),
    "seqcls": ("ForSequenceClassification", LOGITS),
    "mlm": ("ForMaskedLM", LOGITS),
    "disc": ("ForPreTraining", LOGITS),
    "cls": ("ForImageClassification", LOGITS),
}


def usual(**more):
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": PLACES,
        **more,
    }


FAMILIES: dict[str, Family] = {}


def add(name, stem, heads, takes, sizes, signal=(), model=None):
    """A family for each head, named NAME_HEAD; `stem` is what the classes' names begin with."""
    for head in heads.split():
        suffix, (gives, pick) = HEAD_CLASSES[head]
        FAMILIES[f"{name}_{head}"] = Family(
            f"{stem}Config", model or stem + suffix, takes, gives, pick, sizes, signal
        )


SPECIAL = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PAD_IS_ONE = usual(pad_token_id=1)
add("bert", "Bert", "default qa tokcls seqcls mlm meanpool clspool", TYPED, usual())
add("roberta", "Roberta", "hidden seqcls mlm", TEXT, PAD_IS_ONE)
add("xlmr", "XLMRoberta", "tokcls meanpool", TEXT, PAD_IS_ONE)
add(
    "distilbert",
    "DistilBert",
    "hidden seqcls qa",
    TEXT,
    {
        "vocab_size": VOCABULARY,
        "dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "hidden_dim": INNER,
        "max_position_embeddings": PLACES,
    },
)
add("albert", "Albert", "default seqcls", TYPED, usual(embedding_size=16))
add("electra", "Electra", "tokcls disc", TYPED, usual(embedding_size=16))
add("mpnet", "MPNet", "hidden meanpool", TEXT, usual())
DISENTANGLED = usual(
    type_vocab_size=0,
    relative_attention=True,
    pos_att_type=["c2p", "p2c"],
    position_biased_input=False,
)
add("deberta_v1", "Deberta", "hidden", TEXT, DISENTANGLED)
BY_BUCKETS = {
    **DISENTANGLED,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
}
add("debertav3", "DebertaV2", "hidden seqcls tokcls", TEXT, BY_BUCKETS)
add("debertav2_conv", "DebertaV2", "hidden", TEXT, {**BY_BUCKETS, "conv_kernel_size": 3})
MODERN = usual(num_hidden_layers=3, local_attention=8, cls_token_id=1, sep_token_id=2, **SPECIAL)
add(
    "modernbert",
    "ModernBert",
    "hidden mlm seqcls",
    TEXT,
    {**MODERN, "global_attn_every_n_layers": 3},
)
add("modernbert_global", "ModernBert", "hidden", TEXT, {**MODERN, "global_attn_every_n_layers": 1})
add("nomicbert", "NomicBert", "hidden", TYPED, usual())
add("gte", "Gte", "hidden", TEXT, usual())
add("roformer", "RoFormer", "hidden seqcls", TYPED, usual(embedding_size=16))
add("bigbird", "BigBird", "hidden", TYPED, usual(attention_type="original_full"))
add("longformer", "Longformer", "hidden", TEXT, usual(attention_window=8))
add("ernie", "Ernie", "hidden", TYPED, usual())
add(
    "esm",
    "Esm",
    "hidden",
    TEXT,
    {
        **PAD_IS_ONE,
        "position_embedding_type": "rotary",
        "mask_token_id": 4,
        "token_dropout": False,
    },
)
add(
    "squeezebert",
    "SqueezeBert",
    "hidden",
    TYPED,
    usual(embedding_size=WIDTH, q_groups=2, k_groups=2, v_groups=2),
)
add(
    "mobilebert",
    "MobileBert",
    "hidden",
    TYPED,
    usual(
        embedding_size=WIDTH,
        intra_bottleneck_size=WIDTH,
        true_hidden_size=WIDTH,
        num_feedforward_networks=2,
    ),
)
add(
    "layoutlm",
    "LayoutLM",
    "tokcls",
    ("input_ids", "bbox", *TYPED[1:]),
    usual(max_2d_position_embeddings=64),
)
add("fnet", "FNet", "hidden", ("input_ids", "token_type_ids"), usual())
add(
    "xlnet",
    "XLNet",
    "hidden",
    TEXT,
    {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "d_inner": INNER,
        "use_mems_eval": False,
    },
)
add(
    "funnel",
    "Funnel",
    "hidden",
    TYPED,
    {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "n_head": HEADS,
        "d_head": 8,
        "d_inner": INNER,
        "block_sizes": [1, 1],
        "num_decoder_layers": 1,
    },
    model="FunnelBaseModel",
)
add(
    "t5enc",
    "T5",
    "hidden",
    TEXT,
    {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "d_kv": 8,
        "d_ff": INNER,
        "num_layers": LAYERS,
        "num_heads": HEADS,
    },
    model="T5EncoderModel",
)
CAUSAL = usual(num_key_value_heads=2, use_cache=False, **SPECIAL)
add("llama", "Llama", "hidden", TEXT, CAUSAL)
add("qwen3", "Qwen3", "hidden lastpool", TEXT, {**CAUSAL, "head_dim": 8})
add(
    "gpt2",
    "GPT2",
    "hidden",
    TEXT,
    {
        "vocab_size": VOCABULARY,
        "n_embd": WIDTH,
        "n_layer": LAYERS,
        "n_head": HEADS,
        "n_positions": PLACES,
        "use_cache": False,
    },
)
FAMILIES["clip_text"] = Family(
    "CLIPTextConfig",
    "CLIPTextModelWithProjection",
    TEXT,
    ("text_embeds", "last_hidden_state"),
    named("text_embeds", "last_hidden_state"),
    usual(projection_dim=24, **SPECIAL),
)

PAD_IS_ONE_TEXT = "Camembert Data2VecText IBert JinaEmbeddingsV3 RobertaPreLayerNorm XLMRobertaXL"
for stem in PAD_IS_ONE_TEXT.split():
    add(stem.lower(), stem, "hidden", TEXT, PAD_IS_ONE)
for stem in "ChineseCLIPText ClapText FlavaText Luke MegatronBert RoCBert Splinter".split():
    add(stem.lower(), stem, "hidden", TEXT, usual(pad_token_id=1))
add("convbert", "ConvBert", "hidden", TYPED, usual(embedding_size=16, head_ratio=2))
add("dpr", "DPR", "hidden", TYPED, usual(), model="DPRQuestionEncoder")
add("markuplm", "MarkupLM", "hidden", TYPED, usual(pad_token_id=1))
add("rembert", "RemBert", "hidden", TYPED, usual(input_embedding_size=16))
add(
    "layoutlmv3",
    "LayoutLMv3",
    "hidden",
    ("input_ids", "bbox", "attention_mask"),
    usual(
        visual_embed=False,
        pad_token_id=1,
        coordinate_size=6,
        shape_size=4,
        max_2d_position_embeddings=64,
    ),
)
add(
    "xlm",
    "XLM",
    "hidden",
    TEXT,
    {
        "vocab_size": VOCABULARY,
        "emb_dim": WIDTH,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "max_position_embeddings": PLACES,
    },
)
for stem in ("GroupViTText", "XCLIPText", "BlipText"):
    add(
        stem.lower(),
        stem,
        "hidden",
        TEXT,
        usual(encoder_hidden_size=WIDTH, is_decoder=False, **SPECIAL),
    )
SPARSE = (
    ("weights",),
    lambda made, given: (
        (torch.log1p(torch.relu(made.logits)) * given["attention_mask"][..., None]).amax(dim=1),
    ),
)
FAMILIES["bert_splade"] = Family("BertConfig", "BertForMaskedLM", TYPED, *SPARSE, usual())
ENCODERS = {
    "bart": "Bart",
    "m2m_100": "M2M100",
    "marian": "Marian",
    "mbart": "MBart",
    "pegasus": "Pegasus",
}
for module, stem in ENCODERS.items():
    add(
        f"{module}_encoder",
        stem,
        "hidden",
        TEXT,
        {
            "vocab_size": VOCABULARY,
            "d_model": WIDTH,
            "encoder_layers": LAYERS,
            "encoder_attention_heads": HEADS,
            "encoder_ffn_dim": INNER,
            "decoder_layers": 1,
            "decoder_attention_heads": HEADS,
            "decoder_ffn_dim": INNER,
            "max_position_embeddings": PLACES,
            "pad_token_id": 1,
            "bos_token_id": 0,
        },
        model=f"transformers.models.{module}.modeling_{module}.{stem}Encoder",
    )
for name, stem in {"mt5enc": "MT5", "umt5enc": "UMT5", "longt5enc": "LongT5"}.items():
    sizes = {**FAMILIES["t5enc_hidden"].sizes, "feed_forward_proj": "gated-gelu"}
    add(name, stem, "hidden", TEXT, sizes, model=f"{stem}EncoderModel")

WINDOWED = {
    **CAUSAL,
    "head_dim": 8,
    "sliding_window": 6,
    "query_pre_attn_scalar": 8,
    "layer_types": ["sliding_attention", "full_attention"],
}
for stem in ("Gemma2", "Gemma3Text"):
    add(stem.lower(), stem, "hidden", TEXT, WINDOWED)
add("mistral", "Mistral", "hidden lastpool", TEXT, {**CAUSAL, "sliding_window": 6})
for stem in "EuroBert GPTNeoX Phi Phi3 Qwen2".split():
    add(stem.lower(), stem, "hidden", TEXT, CAUSAL)
BLOCKS = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "use_cache": False,
}
add("bloom", "Bloom", "hidden", TEXT, BLOCKS)
add(
    "mpt",
    "Mpt",
    "hidden",
    TEXT,
    {
        "vocab_size": VOCABULARY,
        "d_model": WIDTH,
        "n_layers": LAYERS,
        "n_heads": HEADS,
        "max_seq_len": PLACES,
        "use_cache": False,
    },
)
add("falcon", "Falcon", "hidden", TEXT, {**BLOCKS, "alibi": False})
add(
    "opt",
    "OPT",
    "hidden",
    TEXT,
    {**BLOCKS, "ffn_dim": INNER, "max_position_embeddings": PLACES, "word_embed_proj_dim": WIDTH},
)

PIXELS = ("pixel_values",)
IMAGE = (3, 32, 32)
PATCHES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "image_size": 32,
    "patch_size": 8,
}
add("vit", "ViT", "cls", PIXELS, PATCHES, IMAGE)
add("beit", "Beit", "cls", PIXELS, PATCHES, IMAGE)
add("dinov2", "Dinov2", "default", PIXELS, PATCHES, IMAGE)
add("siglip_vision", "SiglipVision", "default", PIXELS, PATCHES, IMAGE)
add("deit", "DeiT", "cls", PIXELS, PATCHES, IMAGE)
add("dinov3", "DINOv3ViT", "default", PIXELS, PATCHES, IMAGE)
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
add("convnext", "ConvNext", "cls", PIXELS, STAGES, IMAGE)
add("segformer", "Segformer", "cls", PIXELS, STAGES, (3, 64, 64))
add(
    "swin",
    "Swin",
    "cls",
    PIXELS,
    {
        "image_size": 32,
        "patch_size": 4,
        "embed_dim": 16,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
    },
    IMAGE,
)
FAMILIES["clip_vision"] = Family(
    "CLIPVisionConfig",
    "CLIPVisionModelWithProjection",
    PIXELS,
    ("image_embeds",),
    named("image_embeds"),
    {**PATCHES, "projection_dim": 24},
    IMAGE,
)
WAVES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "conv_dim": [16, 16],
    "conv_kernel": [10, 3],
    "conv_stride": [5, 2],
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
for stem in ("Wav2Vec2", "Hubert", "WavLM"):
    add(stem.lower(), stem, "hidden", ("input_values",), WAVES, (400,))
add(
    "whisper_encoder",
    "Whisper",
    "hidden",
    ("input_features",),
    {
        "vocab_size": VOCABULARY,
        "num_mel_bins": 16,
        "d_model": WIDTH,
        "encoder_layers": LAYERS,
        "encoder_attention_heads": HEADS,
        "encoder_ffn_dim": INNER,
        "max_source_positions": 20,
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
        "decoder_start_token_id": 1,
        **SPECIAL,
    },
    (16, 40),
    model="transformers.models.whisper.modeling_whisper.WhisperEncoder",
)
