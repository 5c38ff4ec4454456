// SPDX-License-Identifier: Apache-2.0
// Every pass by name, for the table in pipeline.cpp. What each does stands at the top of its file.
#pragma once

#include "passes/pipeline.h"

namespace tessera {

Expected<bool> widen_halves(Graph& graph, PassState& state);
Expected<bool> extract_position_ids(Graph& graph, PassState& state);
Expected<bool> fold_constants(Graph& graph, PassState& state);
Expected<bool> cancel_reshapes(Graph& graph, PassState& state);
Expected<bool> cancel_transposes(Graph& graph, PassState& state);
Expected<bool> merge_duplicates(Graph& graph, PassState& state);
Expected<bool> fuse_gelu(Graph& graph, PassState& state);
Expected<bool> fuse_layer_norm(Graph& graph, PassState& state);
Expected<bool> fuse_rms_norm(Graph& graph, PassState& state);
Expected<bool> fuse_rotary(Graph& graph, PassState& state);
Expected<bool> fuse_attention(Graph& graph, PassState& state);
Expected<bool> clamp_mask_constants(Graph& graph, PassState& state);
Expected<bool> merge_qkv(Graph& graph, PassState& state);
Expected<bool> insert_packing(Graph& graph, PassState& state);
Expected<bool> insert_attention_mask(Graph& graph, PassState& state);
Expected<bool> lower_precision(Graph& graph, PassState& state);
Expected<bool> clean_up(Graph& graph, PassState& state);

}  // namespace tessera
