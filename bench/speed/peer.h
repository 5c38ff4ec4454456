// SPDX-License-Identifier: Apache-2.0
// Another engine in a process of its own (bench/onnxruntime.js --serve, bench/peers.py), which
// waits while we run and runs while we wait.
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
  // Starts that program, which loads its model. Errors: it or its packages are not there, or the
  // model does not load.
  static Expected<std::unique_ptr<Peer>> start(const std::vector<std::string>& command);
  ~Peer();
  // Seconds that each batch took inside the peer, in order, or that all took where it works on
  // several at once; feeds are made before the clock starts.
  Expected<std::vector<double>> run(const std::vector<PeerBatch>& batches);
  Expected<double> peak_resident_mib();  // since it started
  const std::string& version() const { return version_; }
  double create_seconds() const { return create_seconds_; }  // of its model

 private:
  struct Process;
  Peer();
  std::unique_ptr<Process> process_;
  std::string version_;
  double create_seconds_ = 0;
};

}  // namespace tessera::speed
