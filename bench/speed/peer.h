// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime in a process of its own (bench/onnxruntime.js --serve), which waits while we run and
// runs while we wait.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/expected.h"

namespace tessera::speed {

// One run of the peer: `lengths` has a request's length by row; the rows are padded to `length`.
struct PeerBatch {
  int64_t length = 0;
  std::vector<int64_t> lengths;
};

class Peer {
 public:
  // Loads the model, with all optimisations. Errors: node or the package onnxruntime-node is not
  // there (NODE_PATH names the folder where it was installed), or the model does not load.
  static Expected<std::unique_ptr<Peer>> start(const std::string& model, int threads);
  ~Peer();
  // Seconds that each batch took inside the peer, in order; feeds are made before the clock starts.
  Expected<std::vector<double>> run(const std::vector<PeerBatch>& batches);
  Expected<double> peak_resident_mib();  // since it started
  const std::string& version() const { return version_; }
  double create_seconds() const { return create_seconds_; }  // of its session

 private:
  struct Process;
  Peer();
  std::unique_ptr<Process> process_;
  std::string version_;
  double create_seconds_ = 0;
};

}  // namespace tessera::speed
