// SPDX-License-Identifier: Apache-2.0
// Executable files whose hashes are right. A file that can be read runs by its own anchors.
#include "codelets/codelet.h"
#include "executor/model_runner.h"
#include "program/blobs.h"
#include "program/messages.h"
#include "program/read_popef.h"
#include "tests/fuzz/machines.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/wire.h"
#include "tests/program/mutate.h"

namespace tessera::fuzz {
namespace {

// Buffers by anchor, as a caller makes them who believes the file.
void run_by_anchors(ModelRunner& runner) {
  std::vector<std::vector<std::byte>> buffers;
  InputViews inputs;
  OutputViews outputs;
  for (const Anchor& anchor : runner.executable().metadata.anchors) {
    const int64_t bytes = elements(anchor.shape) * size_of(anchor.dtype);
    if (bytes > (1 << 22)) return;
    buffers.emplace_back(static_cast<size_t>(bytes));
    if (anchor.kind == AnchorKind::Input)
      inputs[anchor.name] = {anchor.dtype, false, anchor.shape, buffers.back()};
    else
      outputs[anchor.name] = {anchor.dtype, anchor.shape, buffers.back()};
  }
  const Status ran = runner.run(inputs, outputs);
  if (!ran) demand(!ran.error().message.empty(), "an error without words");
}

std::string bytes_of(std::vector<BlobView> blobs) {
  std::string file;
  const auto written = write_blobs(std::move(blobs), [&](std::span<const std::byte> part) {
    file.append(reinterpret_cast<const char*>(part.data()), part.size());
    return Status();
  });
  return written.ok() ? file : std::string();
}

std::string changed_content(const BlobView& blob, Random& random) {
  const std::string_view bytes(reinterpret_cast<const char*>(blob.content.data()),
                               blob.content.size());
  if (blob.type == BlobType::Executable && !random.one_in(8))
    if (auto program = program_from(blob.content); program.ok()) {
      mutate_program(*program, random);
      return to_bytes(*program);
    }
  if (blob.type == BlobType::Metadata && !random.one_in(16))
    return mutate_wire(bytes, popef_metadata_schema(), {}, random);
  return mutate_bytes(bytes, random);
}

}  // namespace

void run(std::string_view input) {
  const std::string path = file_of(input, ".popef");
  const auto blobs = list_blobs(path);
  auto executable = read_popef(path, check_compute_set);
  if (!executable) return demand(!executable.error().message.empty(), "an error without words");
  note("read");
  demand(blobs.ok(), "a file was read whose blobs cannot be listed");
  if (!is_small(executable->program)) return;
  MachineOptions options;
  options.threads = 1;
  options.jit = shared_jit();
  options.limits = small_limits();
  const auto runner =
      ModelRunner::create(std::make_shared<const Executable>(executable.take()), options);
  if (!runner) return demand(!runner.error().message.empty(), "an error without words");
  note("run");
  run_by_anchors(**runner);
}

std::string mutate(std::string_view input, Random& random) {
  const auto file = walk_blobs(std::as_bytes(std::span(input)));
  if (!file || file->blobs.empty() || random.one_in(16)) return mutate_bytes(input, random);
  std::vector<BlobView> blobs = file->blobs;
  const size_t at = random.below(blobs.size());
  std::string content;
  switch (random.below(16)) {
    case 0: blobs.erase(blobs.begin() + static_cast<ptrdiff_t>(at)); break;
    case 1: blobs.insert(blobs.begin() + static_cast<ptrdiff_t>(at), BlobView(blobs[at])); break;
    case 2: std::swap(blobs[at], random.pick(blobs)); break;
    case 3: blobs[at].type = static_cast<BlobType>(random.below(7)); break;
    case 4: blobs[at].name = random.pick(blobs).name; break;
    default:
      content = changed_content(blobs[at], random);
      blobs[at].content = std::as_bytes(std::span(content));
  }
  const std::string changed = bytes_of(std::move(blobs));
  return changed.empty() ? std::string(input) : changed;
}

}  // namespace tessera::fuzz
