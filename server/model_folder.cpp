// SPDX-License-Identifier: Apache-2.0
#include "server/model_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "compiler/option_text.h"
#include "support/file.h"
#include "support/guard.h"
#include "support/lines.h"

namespace tessera::server {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMostJobs = 64;

Error unknown(const std::string& what) { return {what, ErrorKind::Failed, refusal::kUnknownModel}; }

// A version is a number from 1 on; 0: it is not one.
uint64_t version_of(const std::string& word) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  const bool is_plain = error == std::errc() && end == word.data() + word.size() && word[0] != '0';
  return is_plain ? number : 0;
}

// Changes whenever a file is written or replaced.
std::string stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return fmt::format("{}.{}.{}.{}.{}", info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                     info.st_mtim.tv_nsec);
}

std::string word_of(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

Expected<std::vector<InputShapes>> shapes_of(const nlohmann::json& list) {
  std::vector<InputShapes> shapes;
  if (!list.is_array()) return Error{"warm_up: must be a list of words NAME=D,D"};
  for (const nlohmann::json& word : list) {
    InputShapes one;
    TRY(parse_option("warm_up", {word_of(word)}, one));
    shapes.push_back(std::move(one));
  }
  return shapes;
}

}  // namespace

Expected<LoadOptions> model_options(const std::string& text, const std::string& where,
                                    const LoadOptions& usual) {
  LoadOptions options = usual;
  if (const Status sound = check_json(text); !sound)
    return Error{where + ": " + sound.error().message, sound.error().kind};
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{where + ": must be a JSON object"};
  for (const auto& [name, value] : json.items()) {
    if (name == "warm_up") {
      auto shapes = shapes_of(value);
      if (!shapes) return Error{where + ": " + shapes.error().message};
      options.session.warm_up = shapes.take();
      continue;
    }
    const RunnerOptionRow* row = find_runner_option(name);
    if (row == nullptr) return Error{fmt::format("{}: '{}' is not an option", where, name)};
    const Status good = row->parse(word_of(value), options.runner);
    if (!good) return Error{where + ": " + good.error().message};
  }
  return options;
}

Expected<std::shared_ptr<ModelFolder>> ModelFolder::open(const ModelFolderOptions& options,
                                                         const LoadOptions& load,
                                                         std::shared_ptr<ModelHub> hub) {
  std::shared_ptr<ModelFolder> folder(new ModelFolder);
  folder->options_ = options;
  folder->load_ = load;
  folder->hub_ = std::move(hub);
  TRY(folder->scan());
  folder->thread_ = TRY(start_thread("models", [self = folder.get()] { self->work(); }));
  return folder;
}

ModelFolder::~ModelFolder() { stop(); }

void ModelFolder::stop() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  came_.notify_one();
  const std::lock_guard joining(joining_);
  if (thread_.joinable()) thread_.join();
}

void ModelFolder::work() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    const auto is_due = [this] { return ends_ || !jobs_.empty(); };
    if (options_.poll.count() > 0)
      came_.wait_for(lock, options_.poll, is_due);
    else
      came_.wait(lock, is_due);
    if (ends_) break;
    std::deque<Job> jobs;
    jobs.swap(jobs_);
    lock.unlock();
    for (const Job& job : jobs) do_job(job);
    if (jobs.empty()) (void)guarded("models", [this] { return scan(); });
    lock.lock();
  }
  for (const Job& job : jobs_)
    job.done(Error{"server: is stopping, must be running", ErrorKind::Refused, refusal::kNotReady});
}

void ModelFolder::do_job(const Job& job) {
  const Status status = guarded("models", [&]() -> Status {
    if (job.loads) return take(job.name, TRY(newest(job.name)));
    {
      const std::lock_guard lock(mutex_);
      if (!states_.contains(job.name))
        return unknown("model: is not one of the folder, must be to be unloaded");
      states_[job.name].is_unloaded = true;
    }
    hub_->remove(job.name);
    return {};
  });
  job.done(status);
}

void ModelFolder::post(Job job) {
  Error refused{
      fmt::format("server: {} models wait to be loaded or unloaded, the most at once; try again "
                  "later",
                  kMostJobs),
      ErrorKind::Refused, refusal::kBusy};
  {
    const std::lock_guard lock(mutex_);
    if (!ends_ && jobs_.size() < kMostJobs && is_model_name(job.name)) {
      jobs_.push_back(std::move(job));
      came_.notify_one();
      return;
    }
  }
  if (!is_model_name(job.name))
    refused = unknown(std::string("model: is not a name, must be ") + kModelNameRule);
  job.done(refused);
}

void ModelFolder::load(const std::string& name, Done done) { post({name, true, std::move(done)}); }
void ModelFolder::unload(const std::string& name, Done done) {
  post({name, false, std::move(done)});
}

// Names that may not be served, and what is not a folder, are passed over.
Status ModelFolder::scan() {
  std::error_code error;
  std::set<std::string> there;
  for (const auto& entry : fs::directory_iterator(options_.path, error)) {
    const std::string name = entry.path().filename();
    std::error_code ignored;
    if (is_model_name(name) && entry.is_directory(ignored)) there.insert(name);
  }
  if (error) return Error{options_.path + ": " + error.message() + ", must be a folder of models"};
  for (const std::string& name : there) {
    const auto found = newest(name);
    if (!found) continue;
    {
      const std::lock_guard lock(mutex_);
      const State& state = states_[name];
      if (state.is_unloaded || state.tried.stamp == found->stamp) continue;
    }
    (void)take(name, *found);
  }
  std::vector<std::string> gone;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, state] : states_)
      if (!there.contains(name)) gone.push_back(name);
    for (const std::string& name : gone) states_.erase(name);
  }
  for (const std::string& name : gone) hub_->remove(name);
  return {};
}

Expected<ModelFolder::Found> ModelFolder::newest(const std::string& name) const {
  const std::string folder = options_.path + "/" + name;
  std::error_code error;
  Found best;
  uint64_t most = 0;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string word = entry.path().filename();
    const uint64_t version = version_of(word);
    if (version <= most) continue;
    for (const char* file : {"model.popef", "model.onnx"}) {
      const std::string path = folder + "/" + word + "/" + file;
      const std::string stamp = stamp_of(path);
      if (stamp.empty()) continue;
      most = version;
      best = {word, path, stamp + " " + stamp_of(folder + "/config.json")};
      break;
    }
  }
  if (most > 0) return best;
  return unknown(
      fmt::format("model '{}': has no VERSION/model.popef or model.onnx in the folder", name));
}

Status ModelFolder::take(const std::string& name, const Found& found) {
  {
    const std::lock_guard lock(mutex_);
    State& state = states_[name];
    state.tried = found;
    state.is_loading = true;
    state.is_unloaded = false;
  }
  const auto loaded = guarded("models", [&]() -> Expected<std::shared_ptr<ServedModel>> {
    const std::string config = options_.path + "/" + name + "/config.json";
    LoadOptions options = load_;
    if (!stamp_of(config).empty())
      options = TRY(model_options(TRY(read_text_file(config)), config, load_));
    return load_model(name, found.version, found.path, options);
  });
  {
    const std::lock_guard lock(mutex_);
    State& state = states_[name];
    state.is_loading = false;
    state.reason = loaded ? "" : loaded.error().message;
  }
  if (loaded) hub_->add(*loaded);
  if (options_.on_load)
    options_.on_load({name, found.version, loaded ? "READY" : "UNAVAILABLE",
                      loaded ? "" : loaded.error().message});
  if (!loaded) return loaded.error();
  return {};
}

std::vector<ModelControl::Entry> ModelFolder::index() const {
  std::vector<Entry> entries;
  std::set<std::string> ready;
  for (const auto& model : hub_->all()) {
    entries.push_back({model->facts().name, model->facts().version, "READY", ""});
    ready.insert(model->facts().name);
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [name, state] : states_) {
    const bool is_old = ready.contains(name) && state.reason.empty() && !state.is_loading;
    if (is_old) continue;
    const char* const word = state.is_loading ? "LOADING" : "UNAVAILABLE";
    entries.push_back(
        {name, state.tried.version, word, state.is_unloaded ? "unloaded" : state.reason});
  }
  return entries;
}

}  // namespace tessera::server
