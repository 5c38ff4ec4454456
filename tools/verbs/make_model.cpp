// SPDX-License-Identifier: Apache-2.0
// tessera make-model: an encoder as an exporter writes it, with seeded weights, because no trained
// ones come with the project.
#include "compiler/onnx/make/make_model.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/human.h"
#include "tools/files/outputs.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description make_model_flags() {
  po::options_description flags("Model");
  flags.add_options()("output,o", po::value<std::string>(), "the ONNX file to write")(
      "preset", po::value<std::string>()->default_value("base"),
      "tiny, mini, minilm, base or large (BERT), albert, vit, or roformer-small")(
      "layers", po::value<int64_t>(), "override the preset's number of layers")(
      "hidden", po::value<int64_t>(), "override the hidden size")("heads", po::value<int64_t>(),
                                                                  "override the number of heads")(
      "ffn", po::value<int64_t>(), "override the size between the two feed-forward maps")(
      "vocab", po::value<int64_t>(), "override the vocabulary size")(
      "max_position", po::value<int64_t>(), "override the longest sequence")(
      "gelu", po::value<std::string>()->default_value("erf"), "erf or tanh (its approximation)")(
      "seed", po::value<uint64_t>(), "seed of the weights")("json", po::bool_switch(),
                                                            "print the summary as JSON");
  return flags;
}

struct FamilyText {
  const char *word, *what;
};
FamilyText text_of(ModelFamily family) {
  switch (family) {
    case ModelFamily::Bert: return {"bert", "BERT for question answering"};
    case ModelFamily::Albert: return {"albert", "ALBERT for question answering"};
    case ModelFamily::Vit: return {"vit", "ViT for classification"};
    case ModelFamily::RoFormerV2: return {"roformer", "RoFormerV2 for classification"};
  }
  return {};
}

Status make_with_progress(const MakeModelOptions& options, const std::string& path) {
  Progress progress("make-model");
  progress.step("writing " + path);
  return make_model(options, path);
}

Status do_make_model(const po::variables_map& flags) {
  if (!flags.count("output"))
    return Error{"make-model: no output, must be -o MODEL.onnx", ErrorKind::Usage};
  MakeModelOptions options = TRY(make_model_preset(flags["preset"].as<std::string>()));
  const auto override_with = [&](const char* flag, int64_t& field) {
    if (flags.count(flag)) field = flags[flag].as<int64_t>();
  };
  override_with("layers", options.layers);
  override_with("hidden", options.hidden);
  override_with("heads", options.heads);
  override_with("ffn", options.ffn);
  override_with("vocab", options.vocab);
  override_with("max_position", options.max_position);
  const std::string gelu = flags["gelu"].as<std::string>();
  if (gelu != "erf" && gelu != "tanh")
    return Error{fmt::format("--gelu: '{}', must be erf or tanh", gelu), ErrorKind::Usage};
  options.gelu = gelu == "erf" ? GeluForm::Erf : GeluForm::Tanh;
  if (flags.count("seed")) options.seed = flags["seed"].as<uint64_t>();

  const std::string path = flags["output"].as<std::string>();
  TRY(check_output_file(path));
  TRY(make_with_progress(options, path));
  std::error_code ignored;
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path, ignored));
  const FamilyText family = text_of(options.family);
  if (flags["json"].as<bool>())
    print_json(
        nlohmann::ordered_json{
            {"schema",     "tessera-make-model/1"},
            {"model",      path                  },
            {"family",     family.word           },
            {"layers",     options.layers        },
            {"hidden",     options.hidden        },
            {"heads",      options.heads         },
            {"file_bytes", bytes                 }
    },
        2);
  else
    print("{}: {}, {} layers, hidden {}, {} heads, {}\n", path, family.what, options.layers,
          options.hidden, options.heads, human_bytes(bytes));
  return {};
}

}  // namespace

Verb make_model_verb() {
  return {"write a BERT, ALBERT, RoFormerV2 or ViT model with seeded weights",
          "--preset base -o MODEL.onnx",
          "tessera make-model --preset base -o bert.onnx",
          make_model_flags,
          nullptr,
          do_make_model};
}

}  // namespace tessera::tools
