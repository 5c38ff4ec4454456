// SPDX-License-Identifier: Apache-2.0
// tessera verify: says what was checked of an executable. Nothing is compiled, run or written.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "executor/verification.h"
#include "support/file.h"
#include "support/human.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;
using Words = std::vector<std::string>;

po::options_description verify_flags() {
  po::options_description own("Verifying");
  own.add_options()("files", po::value<Words>(), "executables (.popef)")(
      "json", po::bool_switch(), "print what was checked as JSON: an array, one object a file");
  po::options_description all;
  all.add(own).add(signature_flags()).add(limit_flags());
  return all;
}

// minisign puts tabs between the words of a comment; the filter would show them as \t.
std::string on_one_line(std::string comment) {
  std::ranges::replace(comment, '\t', ' ');
  return comment;
}

std::string signature_text(const Verification& is, const std::string& path) {
  if (is.signed_by)
    return fmt::format("right, by key {}: {}", to_string(*is.signed_by),
                       on_one_line(is.trusted_comment));
  const auto text = read_text_file(path + ".minisig", size_t{1} << 16);
  const auto signer = text.ok() ? signer_of(*text) : Expected<KeyNumber>(text.error());
  if (!signer.ok()) return "none asked for (--require_signature KEY)";
  return fmt::format("there is one by key {}: not checked, for no --require_signature is given",
                     to_string(*signer));
}

void print_text(const std::string& path, const Verification& is) {
  print("{}: sound\n", path);
  print("  container  {} blobs, {}: headers, chain, padding; {}\n", is.blobs.size(),
        human_bytes(static_cast<int64_t>(is.bytes)), is.sha256);
  print("  contents   {} SHA-256, of every blob\n", is.blobs.size());
  print("  Program    {} variables, {} supersteps, {} vertices for {}\n", human_count(is.variables),
        human_count(is.supersteps), human_count(is.vertices), is.target);
  print(
      "             {} operands and {} transfers proved inside their variables,\n"
      "             each vertex on its own tile, each element written once\n",
      human_count(is.operands), human_count(is.transfers));
  print("  metadata   '{}', {} inputs, {} outputs, packing {}: describes this Program\n",
        is.model_name, is.inputs, is.outputs, to_string(is.packing));
  print("  memory     {} of {} bytes on the fullest tile: {}\n", human_count(is.peak_bytes),
        human_count(is.bytes_per_tile), is.fits ? "fits" : "does not fit, no run loads it");
  for (const LimitUse& use : is.limits)
    print("  limit      {} {} of {}\n", use.name, human_count(use.used), human_count(use.limit));
  print("  signature  {}\n", signature_text(is, path));
}

Json to_json(const std::string& path, const Verification& is) {
  Json json = {
      {"file",   path     },
      {"sound",  true     },
      {"bytes",  is.bytes },
      {"sha256", is.sha256}
  };
  for (const BlobInfo& blob : is.blobs)
    json["blobs"].push_back({
        {"type",   blob.type  },
        {"name",   blob.name  },
        {"bytes",  blob.bytes },
        {"sha256", blob.sha256}
    });
  json["program"] = {
      {"target",     is.target    },
      {"variables",  is.variables },
      {"constants",  is.constants },
      {"supersteps", is.supersteps},
      {"vertices",   is.vertices  },
      {"operands",   is.operands  },
      {"transfers",  is.transfers }
  };
  json["metadata"] = {
      {"model",   is.model_name        },
      {"inputs",  is.inputs            },
      {"outputs", is.outputs           },
      {"packing", to_string(is.packing)}
  };
  json["memory"] = {
      {"peak_bytes",     is.peak_bytes    },
      {"bytes_per_tile", is.bytes_per_tile},
      {"fits",           is.fits          }
  };
  for (const LimitUse& use : is.limits)
    json["limits"][std::string(use.name)] = {
        {"used",  use.used },
        {"limit", use.limit}
    };
  json["signature"] = nullptr;
  if (is.signed_by)
    json["signature"] = {
        {"key",     to_string(*is.signed_by)},
        {"comment", is.trusted_comment      }
    };
  return json;
}

Expected<Verification> verify_one(const std::string& path, const std::optional<PublicKey>& key,
                                  const Limits& limits) {
  if (path.ends_with(".onnx"))
    return Error{path +
                     ": is a model, must be an executable (.popef): 'tessera convert' and "
                     "'tessera compile' check a model",
                 ErrorKind::Usage};
  return verify_popef(TRY(open_popef(path, key, limits)), limits);
}

// The kind that the exit code tells where several files are not sound: a bad file before a limit.
ErrorKind graver(ErrorKind a, ErrorKind b) { return std::max(a, b); }

Status do_verify(const po::variables_map& flags) {
  if (!flags.count("files"))
    return Error{"verify: no file, must be MODEL.popef …", ErrorKind::Usage};
  const auto files = flags["files"].as<Words>();
  const std::optional<PublicKey> key = TRY(required_key(flags));
  const Limits limits = TRY(limits_of(flags));
  const bool as_json = flags["json"].as<bool>();
  Json all = Json::array();
  std::optional<Error> last;
  size_t failed = 0;
  for (const std::string& path : files) {
    Expected<Verification> is = verify_one(path, key, limits);
    if (is.ok() && !as_json) print_text(path, *is);
    if (is.ok()) {
      all.push_back(to_json(path, *is));
      continue;
    }
    all.push_back({
        {"file",  path              },
        {"sound", false             },
        {"error", is.error().message}
    });
    if (last) print_error("tessera: {}\n", last->message);
    const ErrorKind kind = last ? graver(last->kind, is.error().kind) : is.error().kind;
    last = Error{is.error().message, kind, is.error().type};
    ++failed;
  }
  if (as_json)
    print_json(
        Json{
            {"schema", "tessera-verify/1"},
            {"files",  all               }
    },
        2);
  if (!last) return {};
  if (failed > 1) print_error("tessera: {} of {} files are not sound\n", failed, files.size());
  return *last;
}

}  // namespace

Verb verify_verb() {
  return {"say what was checked of an executable: nothing is compiled, run or written",
          "MODEL.popef … [--require_signature KEY] [--json]",
          "tessera verify bert.popef\n"
          "  tessera verify bert.popef --require_signature release.pub",
          verify_flags,
          "files",
          do_verify};
}

}  // namespace tessera::tools
