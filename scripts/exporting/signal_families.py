# SPDX-License-Identifier: Apache-2.0
"""The families whose input is a picture or a sound."""

from exporting.family import (
    FAMILIES,
    HEADS,
    INNER,
    LAYERS,
    SPECIAL,
    VOCABULARY,
    WIDTH,
    Family,
    add,
    named,
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
