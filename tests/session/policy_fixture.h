// SPDX-License-Identifier: Apache-2.0
// Batches through sessions, and their answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/session/session_fixture.h"

namespace tessera {

// A batch of token ids, owned; some tokens at the end of some rows are masked.
struct Batch {
  std::map<std::string, std::vector<int64_t>> values;
  Shape shape;

  Batch(int64_t rows, int64_t length) : shape{rows, length} {
    std::mt19937 random(static_cast<unsigned>(rows * 1000 + length));
    const auto n = static_cast<size_t>(rows * length);
    for (const char* name : {"attention_mask", "input_ids", "token_type_ids"})
      values[name].resize(n, 1);
    for (size_t i = 0; i < n; ++i) {
      values["input_ids"][i] = static_cast<int64_t>(random() % 100);
      values["token_type_ids"][i] = static_cast<int64_t>(random() % 2);
      const bool last_of_row = (i + 1) % static_cast<size_t>(length) == 0;
      if (last_of_row && length > 1)
        values["attention_mask"][i] = static_cast<int64_t>(random() % 2);
    }
  }
  InputViews views() const {
    InputViews views;
    for (const auto& [name, numbers] : values)
      views.emplace(name, InputView{DType::I32, true, shape, std::as_bytes(std::span(numbers))});
    return views;
  }
};

class Policy : public SessionTest {
 protected:
  static HostTensors run(Session& session, int64_t rows, int64_t length) {
    const Batch batch(rows, length);
    auto outputs = session.run(batch.views());
    EXPECT_TRUE(outputs.ok()) << outputs.error().message;
    return outputs.ok() ? outputs.take() : HostTensors();
  }
  static Error error(Session& session, const InputShapes& shapes) {
    const auto serving = session.serve(shapes);
    EXPECT_FALSE(serving.ok());
    return serving.ok() ? Error() : serving.error();
  }
  static std::vector<EventKind> kinds(const Session& session) {
    std::vector<EventKind> kinds;
    for (const RecompileEvent& event : session.events()) kinds.push_back(event.kind);
    return kinds;
  }
  // The answer of an executable of exactly this shape.
  HostTensors exact(int64_t rows, int64_t length) {
    SessionOptions options = options_;
    options.on_recompile = OnRecompile::Allow;
    options.events_path = "";
    options.warm_up = {};
    const auto session = Session::open(model_, options).take();
    return run(*session, rows, length);
  }
  static double largest_difference(const HostTensors& a, const HostTensors& b) {
    double largest = a.size() == b.size() ? 0 : 1e9;
    for (const auto& [name, tensor] : a) {
      const auto other = b.find(name);
      if (other == b.end() || other->second.shape != tensor.shape) return 1e9;
      if (tensor.dtype != DType::F32 || other->second.dtype != DType::F32) return 1e9;
      for (size_t i = 0; i + 4 <= tensor.bytes.size(); i += 4) {
        float x, y;
        std::memcpy(&x, tensor.bytes.data() + i, 4);
        std::memcpy(&y, other->second.bytes.data() + i, 4);
        largest = std::max<double>(largest, std::abs(x - y));
      }
    }
    return largest;
  }
};

}  // namespace tessera
