// SPDX-License-Identifier: Apache-2.0
// The order of the passes.
#include "passes/pipeline.h"

#include "passes/passes.h"

namespace tessera {
namespace {

constexpr bool PassOptions::* kAlways = nullptr;
constexpr bool PassOptions::* kEither = &PassOptions::position_ids;
constexpr bool PassOptions::* kFormA = &PassOptions::pack_unpack;
constexpr bool PassOptions::* kFormB = &PassOptions::pack_attention_mask;
constexpr bool PassOptions::* kFp16 = &PassOptions::fp16;

// Halves are widened first, as no pattern reaches across the casts of a model in f16. Positions
// come before folding: a table looked up at constant positions folds to a constant. Masks are
// clamped after attention has taken those that it knows for what they mean. Precision is lowered
// last, because patterns know constants in the precision of the model.
constexpr Pass kPasses[] = {
    {"widen_halves",          "an f16 model is read as f32",        widen_halves,          kFp16  },
    {"extract_position_ids",  "positions become an input",          extract_position_ids,  kEither},
    {"fold_constants",        "compute what is known already",      fold_constants,        kAlways},
    {"cancel_reshapes",       "a reshape of a reshape is one",      cancel_reshapes,       kAlways},
    {"cancel_transposes",     "two transposes are one, or none",    cancel_transposes,     kAlways},
    {"merge_duplicates",      "equal nodes and constants are one",  merge_duplicates,      kAlways},
    {"fuse_gelu",             "its erf and tanh forms become gelu", fuse_gelu,             kAlways},
    {"fuse_layer_norm",       "its spellings become layer_norm",    fuse_layer_norm,       kAlways},
    {"fuse_rms_norm",         "one without a mean is rms_norm",     fuse_rms_norm,         kAlways},
    {"fuse_rotary",           "pairs turned by angles are rotary",  fuse_rotary,           kAlways},
    {"fuse_attention",        "softmax(q k' + mask) v by heads",    fuse_attention,        kAlways},
    {"clamp_mask_constants",  "masks stay within f16",              clamp_mask_constants,  kAlways},
    {"merge_qkv",             "q, k and v come of one matmul",      merge_qkv,             kAlways},
    {"insert_packing",        "form A: unpack around attention",    insert_packing,        kFormA },
    {"insert_attention_mask", "form B: attention by segment",       insert_attention_mask, kFormB },
    {"lower_precision",       "f32 values become f16",              lower_precision,       kFp16  },
    {"clean_up",              "fold, cancel and merge to the end",  clean_up,              kAlways},
};

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

}  // namespace tessera
