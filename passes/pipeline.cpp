// SPDX-License-Identifier: Apache-2.0
// The order of the passes.
#include "passes/pipeline.h"

#include "passes/passes.h"

namespace tessera {
namespace {

constexpr bool PassOptions::* kAlways = nullptr;
constexpr bool PassOptions::* kPositions = &PassOptions::position_ids;
constexpr bool PassOptions::* kFormA = &PassOptions::pack_unpack;
constexpr bool PassOptions::* kFormB = &PassOptions::pack_attention_mask;
constexpr bool PassOptions::* kFp16 = &PassOptions::fp16;

// Positions come before folding: a table looked up at constant positions folds to a constant.
// Masks are clamped after attention has taken those that it knows for what they mean. Precision is
// lowered last, because patterns know constants in the precision of the model.
constexpr Pass kPasses[] = {
    {"extract_position_ids",  "positions become an input",                        extract_position_ids,  kPositions},
    {"fold_constants",        "compute what is known, drop what changes nothing", fold_constants,        kAlways   },
    {"cancel_reshapes",       "a reshape of a reshape is one",                    cancel_reshapes,       kAlways   },
    {"cancel_transposes",     "two transposes are one, or none",                  cancel_transposes,     kAlways   },
    {"merge_duplicates",      "equal nodes and equal constants are one",          merge_duplicates,      kAlways   },
    {"fuse_gelu",             "x/2 (1 + erf(x/sqrt 2)), or by tanh: gelu",        fuse_gelu,             kAlways   },
    {"fuse_layer_norm",       "(x - mean) / deviation, scaled and moved",         fuse_layer_norm,       kAlways   },
    {"fuse_attention",        "softmax(q k' scale + mask) v over heads",          fuse_attention,        kAlways   },
    {"clamp_mask_constants",  "masks stay within f16",                            clamp_mask_constants,  kAlways   },
    {"merge_qkv",             "query, key and value are one matmul",              merge_qkv,             kAlways   },
    {"insert_packing",        "form A: unpack around attention",                  insert_packing,        kFormA    },
    {"insert_attention_mask", "form B: attention by segment",                     insert_attention_mask, kFormB    },
    {"lower_precision",       "f32 values become f16",                            lower_precision,       kFp16     },
    {"clean_up",              "fold, cancel and merge to the end",                clean_up,              kAlways   },
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

}  // namespace tessera
