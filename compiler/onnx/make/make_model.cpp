// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/make/make_model.h"

#include <utility>

#include "compiler/onnx/make/families.h"

namespace tessera {
namespace {

Status check(const MakeModelOptions& o) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"layers",       o.layers      },
      {"hidden",       o.hidden      },
      {"heads",        o.heads       },
      {"ffn",          o.ffn         },
      {"vocab",        o.vocab       },
      {"max_position", o.max_position}
  };
  for (const auto& [name, size] : sizes)
    if (size < 1 || size > 1 << 24)
      return Error{std::string("make-model: ") + name + " is " + std::to_string(size) +
                       ", must be from 1 to 2^24",
                   ErrorKind::Usage};
  if (o.hidden % o.heads != 0)
    return Error{"make-model: hidden is " + std::to_string(o.hidden) + " and heads is " +
                     std::to_string(o.heads) + ", which must divide it",
                 ErrorKind::Usage};
  if (o.family == ModelFamily::RoFormerV2 && o.hidden / o.heads % 2 != 0)
    return Error{"make-model: hidden over heads is " + std::to_string(o.hidden / o.heads) +
                     ", must be even to rotate pairs",
                 ErrorKind::Usage};
  if (o.layers > 1000)
    return Error{"make-model: layers is " + std::to_string(o.layers) + ", must be at most 1000",
                 ErrorKind::Usage};
  return {};
}

}  // namespace

Expected<MakeModelOptions> make_model_preset(const std::string& name) {
  if (name == "tiny") return MakeModelOptions{2, 32, 2, 64, 100, 64};
  if (name == "mini") return MakeModelOptions{4, 256, 4, 1024, 30522, 512};
  if (name == "minilm") return MakeModelOptions{6, 384, 12, 1536, 30522, 512};
  if (name == "base") return MakeModelOptions{12, 768, 12, 3072, 30522, 512};
  if (name == "large") return MakeModelOptions{24, 1024, 16, 4096, 30522, 512};
  if (name == "roformer-small") {
    MakeModelOptions options{6, 384, 6, 1536, 12000, 512};
    options.family = ModelFamily::RoFormerV2;
    return options;
  }
  if (name == "albert") {
    MakeModelOptions options{12, 768, 12, 3072, 30000, 512};
    options.family = ModelFamily::Albert;
    options.gelu = GeluForm::Tanh;
    return options;
  }
  if (name == "vit") {
    MakeModelOptions options{12, 768, 12, 3072, 1000, 197};
    options.family = ModelFamily::Vit;
    return options;
  }
  return Error{"make-model: preset is '" + name +
                   "', must be tiny, mini, minilm, base, large, albert, vit or roformer-small",
               ErrorKind::Usage};
}

Status make_model(const MakeModelOptions& options, const std::string& path) {
  TRY(check(options));
  switch (options.family) {
    case ModelFamily::Bert:
    case ModelFamily::Albert: return make_bert(options, path);
    case ModelFamily::Vit: return make_vit(options, path);
    case ModelFamily::RoFormerV2: return make_roformer(options, path);
  }
  return {};
}

}  // namespace tessera
