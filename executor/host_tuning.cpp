// SPDX-License-Identifier: Apache-2.0
#include "executor/host_tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "codelets/codelet.h"
#include "executor/jit_host.h"
#include "executor/object_cache.h"

namespace tessera {
namespace {

constexpr int64_t kRows[] = {96, 192, 288};
constexpr int64_t kTerms[] = {256, 384, 768};

Sha256 key_of(const std::string& cpu) {
  Sha256Stream stream;
  const std::string head = "tessera-tuning-1 " + (cpu.empty() ? jit_host().cpu : cpu);
  stream.add(std::as_bytes(std::span(head)));
  for (const Codelet& codelet : all_codelets())
    if (codelet.role == Role::Product) stream.add(codelet.bitcode);
  return stream.finish();
}

bool is_candidate(const MatMulBlocks& blocks) {
  return std::ranges::any_of(tuning_candidates(), [&](const MatMulBlocks& one) {
    return one.rows == blocks.rows && one.terms == blocks.terms && one.prefetch == blocks.prefetch;
  });
}

}  // namespace

std::vector<MatMulBlocks> tuning_candidates() {
  std::vector<MatMulBlocks> all = {MatMulBlocks{}};
  const MatMulBlocks usual;
  for (const int64_t rows : kRows)
    for (const int64_t terms : kTerms)
      for (const bool prefetch : {true, false})
        if (rows != usual.rows || terms != usual.terms || prefetch != usual.prefetch)
          all.push_back({rows, terms, prefetch});
  return all;
}

std::optional<MatMulBlocks> read_tuning(const std::string& cache_folder, const std::string& cpu) {
  if (cache_folder.empty()) return std::nullopt;
  const auto cache = ObjectCache::open(cache_folder);
  if (!cache) return std::nullopt;
  const std::optional<std::string> content = (*cache)->find(key_of(cpu));
  if (!content) return std::nullopt;
  MatMulBlocks blocks;
  std::istringstream text(*content);
  if (!(text >> blocks.rows >> blocks.terms >> blocks.prefetch)) return std::nullopt;
  return is_candidate(blocks) ? std::optional(blocks) : std::nullopt;
}

Status check_tuning_folder(const std::string& cache_folder) {
  if (cache_folder.empty())
    return Error{
        "tuning: there is no folder of compiled codelets to keep it in, must be: "
        "TESSERA_OBJECT_CACHE names one"};
  TRY(ObjectCache::open(cache_folder));
  return {};
}

Status write_tuning(const std::string& cache_folder, const std::string& cpu,
                    const MatMulBlocks& blocks) {
  TRY(check_tuning_folder(cache_folder));
  const auto cache = TRY(ObjectCache::open(cache_folder));
  cache->store(key_of(cpu),
               fmt::format("{} {} {:d}\n", blocks.rows, blocks.terms, blocks.prefetch));
  return {};
}

void add_blocks(const MatMulBlocks& blocks, std::vector<Param>& params) {
  params.push_back({kHostRows, {static_cast<double>(blocks.rows)}});
  params.push_back({kHostTerms, {static_cast<double>(blocks.terms)}});
  params.push_back({kHostPrefetch, {blocks.prefetch ? 1.0 : 0.0}});
}

}  // namespace tessera
