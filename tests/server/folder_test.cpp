// SPDX-License-Identifier: Apache-2.0
// A folder of models, with versions that come and go, and models behind sessions.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "compiler/onnx/make/make_model.h"
#include "compiler/option_text.h"
#include "tests/helpers/test_with_folder.h"
#include "tests/server/client.h"

namespace tessera::server {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::HasSubstr;

class Folder : public TestWithFolder {
 protected:
  void put_version(const std::string& name, int version) {
    const std::string at = path(name + "/" + std::to_string(version));
    fs::create_directories(at);
    Executable executable = echo_executable(PackingForm::B);
    const auto written = write_popef(executable, at + "/model.popef");
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  void put_text(const std::string& name, const std::string& text) {
    std::ofstream(path(name)) << text;
  }
  std::unique_ptr<Server> serve(bool control, milliseconds poll = milliseconds(0)) {
    ServerOptions options = quick_options();
    options.folder = {path(""), poll};
    options.allow_control = control;
    options.machine.threads = 1;
    auto server = Server::start(options);
    EXPECT_TRUE(server.ok()) << server.error().message;
    return server.ok() ? server.take() : nullptr;
  }
  static std::string version_at(int port) {
    const Json json = Client(port).get("/v2/models/one").json();
    return json.contains("versions") ? json["versions"][0] : "none";
  }
  static bool becomes(int port, const std::string& version) {
    for (int i = 0; i < 500 && version_at(port) != version; ++i)
      std::this_thread::sleep_for(milliseconds(20));
    return version_at(port) == version;
  }
};

TEST_F(Folder, the_newest_version_of_each_name_is_served) {
  put_version("one", 2);
  put_version("one", 10);
  put_version("two", 1);
  fs::create_directories(path("empty"));
  fs::create_directories(path("one/latest"));
  const auto server = serve(false);
  EXPECT_EQ(version_at(server->http_port()), "10");
  Client client(server->http_port());
  EXPECT_EQ(client.post("/v2/models/two/infer", body_of({1, 2})).status, 200);
  EXPECT_EQ(client.get("/v2/models/empty").status, 404);
}

TEST_F(Folder, a_new_version_is_taken_up_and_a_bad_one_leaves_the_old) {
  put_version("one", 1);
  const auto server = serve(true, milliseconds(20));
  const int port = server->http_port();
  put_version("one", 2);
  EXPECT_TRUE(becomes(port, "2"));
  fs::create_directories(path("one/3"));
  put_text("one/3/model.popef", "no executable");
  Client client(port);
  std::string index;
  for (int i = 0; i < 500 && index.find("UNAVAILABLE") == std::string::npos; ++i) {
    index = client.post("/v2/repository/index", "").body;
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_THAT(index, HasSubstr("model.popef"));
  EXPECT_EQ(version_at(port), "2");
  EXPECT_EQ(client.post("/v2/models/one/infer", body_of({1})).status, 200);
  fs::remove_all(path("one"));
  EXPECT_TRUE(becomes(port, "none"));
}

TEST_F(Folder, callers_load_and_unload_where_they_may) {
  put_version("one", 1);
  const auto server = serve(true);
  const int port = server->http_port();
  Client client(port);
  EXPECT_EQ(client.post("/v2/repository/models/one/unload", "{}").status, 200);
  EXPECT_EQ(version_at(port), "none");
  EXPECT_THAT(client.post("/v2/repository/index", "").body, HasSubstr("unloaded"));
  put_version("one", 2);
  EXPECT_EQ(client.post("/v2/repository/models/one/load", "{}").status, 200);
  EXPECT_EQ(version_at(port), "2");
  EXPECT_EQ(client.post("/v2/repository/models/none/load", "{}").status, 404);
  EXPECT_EQ(client.post("/v2/repository/models/none/unload", "{}").status, 404);
  EXPECT_EQ(client.post("/v2/repository/models/..%2f..%2fetc/load", "{}").status, 404);
}

TEST_F(Folder, a_models_config_sets_its_options) {
  put_version("one", 1);
  put_text("one/config.json", R"({"max_queue": 2, "timeout": 0.5, "policy": "first_fit"})");
  put_version("two", 1);
  put_text("two/config.json", R"({"max_queu": 2})");
  put_version("three", 1);
  constexpr size_t kDeep = 200'000;
  put_text("three/config.json",
           "{\"policy\": " + std::string(kDeep, '[') + std::string(kDeep, ']') + "}");
  const auto server = serve(true);
  Client client(server->http_port());
  const Json body = {
      {"inputs",
       {{{"name", "input_ids"}, {"datatype", "INT64"}, {"shape", {3, 1}}, {"data", {1, 2, 3}}}}}
  };
  EXPECT_EQ(client.post("/v2/models/one/infer", body.dump()).status, 413);
  const std::string index = client.post("/v2/repository/index", "").body;
  EXPECT_THAT(index, HasSubstr("'max_queu' is not an option"));
  EXPECT_THAT(index, HasSubstr("three/config.json: is nested 33 deep, must be at most 32"));
}

TEST_F(Folder, an_onnx_file_is_served_by_a_session) {
  fs::create_directories(path("one/1"));
  ASSERT_TRUE(make_model(make_model_preset("tiny").take(), path("one/1/model.onnx")).ok());
  put_text("one/config.json", R"({"warm_up": ["input_ids=2,8"]})");
  ServerOptions options = quick_options();
  options.folder.path = path("");
  options.machine.threads = 1;
  ASSERT_TRUE(parse_option("target", {"test"}, options.session.compile.target).ok());
  options.session.on_recompile = OnRecompile::Pad;
  options.session.recompile_limit = 0;
  options.session.tell = [](const std::string&) {};
  auto started = Server::start(options);
  ASSERT_TRUE(started.ok()) << started.error().message;
  Client client((*started)->http_port());
  const auto infer = [&](int64_t rows, int64_t length) {
    Json inputs = Json::array();
    for (const char* name : {"input_ids", "attention_mask", "token_type_ids"}) {
      const std::vector<int> data(static_cast<size_t>(rows * length), name[0] == 't' ? 0 : 1);
      inputs.push_back({
          {"name",     name          },
          {"datatype", "INT64"       },
          {"shape",    {rows, length}},
          {"data",     data          }
      });
    }
    return client.post("/v2/models/one/infer",
                       Json{
                           {"inputs", inputs}
    }
                           .dump());
  };
  EXPECT_EQ(client.get("/v2/models/one").json()["platform"], "tessera_onnx");
  const Reply exact = infer(2, 8), smaller = infer(1, 5), larger = infer(2, 16);
  EXPECT_EQ(exact.status, 200) << exact.body;
  EXPECT_EQ(smaller.status, 200) << smaller.body;
  EXPECT_EQ(smaller.json()["outputs"][0]["shape"], Json({1, 5}));
  EXPECT_EQ(larger.status, 503) << larger.body;
  EXPECT_EQ(infer(1, 0).status, 400);
  const std::string metrics = client.get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("tessera_compiles_total{model=\"one\",version=\"1\",cause="));
}

TEST_F(Folder, metrics_have_tritons_names_and_ours) {
  put_version("one", 1);
  put_version("two", 1);
  const auto server = serve(false);
  Client client(server->http_port());
  client.post("/v2/models/one/infer", body_of({1, 2, 3, 4}));
  client.post("/v2/models/one/infer", body_of({99999}));
  const Reply reply = client.get("/metrics");
  EXPECT_THAT(reply.headers.at("content-type"), HasSubstr("text/plain"));
  for (const char* line :
       {"nv_inference_request_success{model=\"one\",version=\"1\"} 1",
        "nv_inference_request_failure{model=\"one\",version=\"1\",reason=\"OTHER\"} 1",
        "nv_inference_count{model=\"one\",version=\"1\"} 1",
        "nv_inference_exec_count{model=\"two\",version=\"1\"} 0",
        "tessera_batches_total{model=\"one\",version=\"1\",reason=\"timeout\"} 1",
        "tessera_batch_token_occupancy_bucket{model=\"one\",version=\"1\",le=\"+Inf\"} 1",
        "tessera_rejected_total{model=\"one\",version=\"1\",reason=\"out_of_range\"} 1",
        "tessera_queue_age_seconds{model=\"one\",version=\"1\"} 0", "tessera_ready 1"})
    EXPECT_THAT(reply.body, HasSubstr(line));
  size_t types = 0;
  for (size_t at = 0; (at = reply.body.find("# TYPE nv_inference_count ", at)) != std::string::npos;
       ++at)
    ++types;
  EXPECT_EQ(types, 1u);
}

TEST_F(Folder, the_access_log_has_a_line_a_call) {
  put_version("one", 1);
  ServerOptions options = quick_options();
  options.folder.path = path("");
  options.machine.threads = 1;
  options.access_log = path("access.jsonl");
  {
    auto server = Server::start(options);
    ASSERT_TRUE(server.ok()) << server.error().message;
    Client client((*server)->http_port());
    client.post("/v2/models/one/infer", body_of({1, 2}));
    client.post("/v2/models/one/infer\x1b", "{");
  }
  std::ifstream file(path("access.jsonl"));
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["model"], "one");
  EXPECT_EQ(lines[0]["status"], 200);
  EXPECT_EQ(lines[0]["rows"], 1);
}

}  // namespace
}  // namespace tessera::server
