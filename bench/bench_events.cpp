// SPDX-License-Identifier: Apache-2.0
// The overhead of recording events: the time that a session adds to a batch, when the shape is
// ready (counted) and when it is padded (one event each, written to a file). Host time.
//
//   bench_events [--json] [--preset tiny|mini|base] [--batches N]
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "bench/bench_folder.h"
#include "compiler/onnx/make/make_model.h"
#include "session/session.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kRows = 16, kLength = 128, kShorter = 100;

struct Figures {
  double run_ms = 0;     // one padded batch
  double ready_us = 0;   // serve, of a shape that is ready
  double padded_us = 0;  // serve, of a shape that is padded: one event
  double share_of_run = 0;
};

double seconds_of(int times, const std::function<bool()>& body) {
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < times; ++i)
    if (!body()) return -1;
  return std::chrono::duration<double>(Clock::now() - begin).count() / times;
}

Expected<Figures> measure(const std::string& folder, const std::string& preset, int batches) {
  const std::string model = folder + "/model.onnx";
  TRY(make_model(TRY(make_model_preset(preset)), model));
  SessionOptions options;
  options.events_path = folder + "/events.jsonl";
  options.on_recompile = OnRecompile::Pad;
  options.warm_up = {{{"input_ids", {kRows, kLength}}}};
  options.tell = [](const std::string&) {};
  const std::unique_ptr<Session> session = TRY(Session::open(model, options));
  const InputShapes ready = {
      {"input_ids", {kRows, kLength}}
  };
  const InputShapes padded = {
      {"input_ids", {kRows, kShorter}}
  };
  const Serving serving = TRY(session->serve(padded));

  const std::vector<int32_t> ones(static_cast<size_t>(kRows * kShorter), 1);
  InputViews views;
  for (const Anchor& anchor : serving.anchors())
    if (anchor.kind == AnchorKind::Input)
      views.emplace(anchor.name,
                    InputView{DType::I32, false, anchor.shape, std::as_bytes(std::span(ones))});
  TRY(serving.run(views));  // once to be warm

  constexpr int kServes = 2000;
  Figures figures;
  figures.run_ms = 1e3 * seconds_of(batches, [&] { return serving.run(views).ok(); });
  figures.ready_us = 1e6 * seconds_of(kServes, [&] { return session->serve(ready).ok(); });
  figures.padded_us = 1e6 * seconds_of(kServes, [&] { return session->serve(padded).ok(); });
  figures.share_of_run = figures.padded_us / 1e3 / figures.run_ms;
  return figures;
}

int main_with(const std::vector<std::string>& words) {
  bool json = false;
  std::string preset = "mini";
  int batches = 20;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--json") {
      json = true;
    } else if (words[i] == "--preset" && i + 1 < words.size()) {
      preset = words[++i];
    } else if (words[i] == "--batches" && i + 1 < words.size()) {
      batches = std::max(1, std::atoi(words[++i].c_str()));
    } else {
      fmt::print(stderr, "usage: bench_events [--json] [--preset tiny|mini|base] [--batches N]\n");
      return 2;
    }
  }
  const BenchFolder folder("bench_events");
  if (folder.path().empty()) {
    fmt::print(stderr, "bench_events: no folder for its files: {}\n", std::strerror(errno));
    return 1;
  }
  const Expected<Figures> figures = measure(folder.path(), preset, batches);
  if (!figures.ok()) {
    fmt::print(stderr, "bench_events: {}\n", figures.error().message);
    return static_cast<int>(figures.error().kind);
  }
  if (json) {
    const nlohmann::ordered_json object = {
        {"preset",             preset               },
        {"batch",              {kRows, kLength}     },
        {"run_ms",             figures->run_ms      },
        {"serve_ready_us",     figures->ready_us    },
        {"serve_padded_us",    figures->padded_us   },
        {"event_share_of_run", figures->share_of_run}
    };
    fmt::print("{}\n", object.dump());
    return 0;
  }
  fmt::print(
      "{} at {}x{}: a batch runs {:.2f} ms; serving a ready shape {:.1f} us, a padded one, "
      "with its event in the file, {:.1f} us = {:.3f} % of the run\n",
      preset, kRows, kLength, figures->run_ms, figures->ready_us, figures->padded_us,
      100 * figures->share_of_run);
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) { return tessera::main_with({argv + 1, argv + argc}); }
