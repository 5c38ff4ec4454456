# SPDX-License-Identifier: Apache-2.0
"""The families whose input is tokens."""

import torch

from exporting.family import (
    FAMILIES,
    HEADS,
    INNER,
    LAYERS,
    PLACES,
    SPECIAL,
    TEXT,
    TYPED,
    VOCABULARY,
    WIDTH,
    Family,
    add,
    named,
    usual,
)

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
