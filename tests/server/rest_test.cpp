// SPDX-License-Identifier: Apache-2.0
// The REST protocol as its clients see it.
#include <gmock/gmock.h>

#include <thread>

#include "serving/rejection.h"
#include "tests/helpers/packing_forms.h"
#include "tests/server/client.h"

namespace tessera::server {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

// Echo's answers to these ids without what depends on their place in a batch: the mask.
std::vector<int32_t> ids_in(const std::vector<int32_t>& echo) {
  std::vector<int32_t> ids;
  for (const int32_t value : echo) ids.push_back(value / 1000);
  return ids;
}

class EveryForm : public ::testing::TestWithParam<PackingForm> {};
INSTANTIATE_TEST_SUITE_P(Rest, EveryForm,
                         ::testing::Values(PackingForm::None, PackingForm::A, PackingForm::B),
                         form_name);

TEST_P(EveryForm, a_call_of_rows_gets_a_row_of_each) {
  const auto server = echo_server(quick_options(), GetParam());
  Client client(server->http_port());
  const Json body = {
      {"id",     "call 7"                                },
      {"inputs",
       {{{"name", "input_ids"},
         {"datatype", "INT64"},
         {"shape", {3, 4}},
         {"data", {{1, 2, 3, 4}, {5, 6, 0, 0}, {7, 8, 9, 0}}}},
        {{"name", "attention_mask"},
         {"datatype", "INT32"},
         {"shape", {3, 4}},
         {"data", {1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0}}}}}
  };
  const Reply reply = client.post(kInfer, body.dump());
  ASSERT_EQ(reply.status, 200) << reply.body;
  const Json json = reply.json();
  EXPECT_EQ(json["id"], "call 7");
  EXPECT_EQ(json["model_name"], "echo");
  EXPECT_EQ(json["outputs"][0]["shape"], Json({3, 4}));
  EXPECT_EQ(json["outputs"][0]["datatype"], "INT32");
  EXPECT_EQ(ids_in(json["outputs"][0]["data"]),
            std::vector<int32_t>({1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 0}));
}

TEST(Rest, one_request_needs_no_batch_dimension_and_no_mask) {
  const auto server = echo_server();
  Client client(server->http_port());
  const Json body = {
      {"inputs",
       {{{"name", "input_ids"}, {"datatype", "UINT8"}, {"shape", {3}}, {"data", {4, 5, 6}}}}}
  };
  const Json json = client.post(kInfer, body.dump()).json();
  EXPECT_EQ(json["outputs"][0]["shape"], Json({3}));
  EXPECT_EQ(json["outputs"][0]["data"], Json(echo_of({4, 5, 6}, 1)));
}

TEST(Rest, the_pages_say_what_the_protocol_asks) {
  const auto server = echo_server();
  Client client(server->http_port());
  EXPECT_EQ(client.get("/v2/health/live").json()["live"], true);
  EXPECT_EQ(client.get("/v2/health/ready").json()["ready"], true);
  EXPECT_EQ(client.get("/v2").json()["name"], "tessera");
  EXPECT_THAT(client.get("/v2").json()["extensions"].dump(), HasSubstr("binary_tensor_data"));
  EXPECT_EQ(client.get("/v2/models/echo/ready").status, 200);
  EXPECT_EQ(client.get("/v2/models/echo/versions/1/ready").status, 200);
  const Json model = client.get("/v2/models/echo").json();
  EXPECT_EQ(model["inputs"][0]["name"], "input_ids");
  EXPECT_EQ(model["inputs"][0]["shape"], Json({-1, -1}));
  EXPECT_EQ(model["outputs"][0]["shape"], Json({-1, -1}));
  EXPECT_EQ(client.post("/v2/repository/index", "").json()[0]["state"], "READY");
  EXPECT_EQ(client.get("/v2/models/e%63ho").status, 200);
}

TEST(Rest, what_is_not_there_is_said) {
  const auto server = echo_server();
  Client client(server->http_port());
  EXPECT_EQ(client.get("/").status, 404);
  EXPECT_EQ(client.get("/v2/models/none").status, 404);
  EXPECT_EQ(client.get("/v2/models/echo/versions/9").status, 404);
  EXPECT_EQ(client.get("/v2/models/%zz").status, 404);
  const Reply wrong_method = client.get(kInfer);
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.headers.at("allow"), "POST");
  const Reply stream = client.post("/v2/models/echo/generate_stream", "{}");
  EXPECT_EQ(stream.status, 501);
  EXPECT_THAT(stream.body, HasSubstr("streaming"));
  EXPECT_EQ(client.post("/v2/repository/models/echo/unload", "").status, 403);
}

TEST(Rest, a_binary_tensor_goes_and_comes_behind_the_json) {
  const auto server = echo_server();
  Client client(server->http_port());
  const std::vector<int64_t> ids = {3, 4};
  const std::string head = R"({"inputs":[{"name":"input_ids","datatype":"INT64","shape":[1,2],)"
                           R"("parameters":{"binary_data_size":16}}],)"
                           R"("outputs":[{"name":"echo","parameters":{"binary_data":true}}]})";
  const Reply reply =
      client.post(kInfer, head + std::string(reinterpret_cast<const char*>(ids.data()), 16),
                  "Inference-Header-Content-Length: " + std::to_string(head.size()) + "\r\n");
  ASSERT_EQ(reply.status, 200) << reply.body;
  const size_t json_bytes = std::stoul(reply.headers.at("inference-header-content-length"));
  const Json json = Json::parse(reply.body.substr(0, json_bytes));
  EXPECT_EQ(json["outputs"][0]["parameters"]["binary_data_size"], 8);
  const std::string bytes = reply.body.substr(json_bytes);
  EXPECT_EQ(values_of<int32_t>(std::as_bytes(std::span(bytes))), echo_of({3, 4}, 1));
}

TEST(Rest, a_call_is_told_of_its_batch_where_it_asks) {
  const auto server = echo_server();
  Client client(server->http_port());
  const Json json = client
                        .post(kInfer, body_of(
                                          {
                                              1, 2
  },
                                          {{"explain", true}}))
                        .json();
  const Json ride = Json::parse(json["parameters"]["rides"].get<std::string>())[0];
  EXPECT_EQ(ride["reason"], "timeout");
  EXPECT_EQ(ride["requests"], 1);
  EXPECT_EQ(ride["tokens"], 2);
  EXPECT_EQ(ride["cells"], 16);
  EXPECT_GE(ride["queue_us"], 1000);
}

TEST(Rest, statistics_count_calls_rows_and_batches) {
  const auto server = echo_server();
  Client client(server->http_port());
  client.post(kInfer, body_of({1, 2}));
  client.post(kInfer, body_of({1, 2}));
  client.post(kInfer, body_of({20000}));
  const Json stats = client.get("/v2/models/echo/stats").json()["model_stats"][0];
  EXPECT_EQ(stats["inference_count"], 2);
  EXPECT_EQ(stats["execution_count"], 2);
  EXPECT_EQ(stats["inference_stats"]["success"]["count"], 2);
  EXPECT_EQ(stats["inference_stats"]["fail"]["count"], 1);
  EXPECT_EQ(stats["batch_stats"][0]["batch_size"], 1);
  EXPECT_EQ(client.get("/v2/models/stats").json()["model_stats"].size(), 1u);
}

TEST(Rest, a_bad_row_is_named_and_others_are_answered) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = milliseconds(50);
  const auto server = echo_server(options);
  Reply good;
  std::thread other([&] { good = Client(server->http_port()).post(kInfer, body_of({7, 8})); });
  Client client(server->http_port());
  const Json body = {
      {"inputs",
       {{{"name", "input_ids"}, {"datatype", "INT64"}, {"shape", {2, 1}}, {"data", {1, 99999}}}}}
  };
  const Reply bad = client.post(kInfer, body.dump());
  other.join();
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr("row 1: request: input_ids has value 99999"));
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(ids_in(good.json()["outputs"][0]["data"]), std::vector<int32_t>({7, 8}));
}

TEST(Rest, a_full_queue_is_503_with_a_time_to_come_back) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = std::chrono::hours(1);
  options.runner.runner.former.max_queue = 1;
  const auto server = echo_server(options);
  Client first(server->http_port()), second(server->http_port());
  const std::string body = body_of({1});
  first.send("POST " + std::string(kInfer) + " HTTP/1.1\r\nHost: t\r\nContent-Length: " +
             std::to_string(body.size()) + "\r\n\r\n" + body);
  Reply reply;
  for (int i = 0; i < 100 && reply.status != 503; ++i) {
    // Until the first is in the queue, the second would be: with a deadline it is refused, as no
    // batch was measured.
    reply = second.post(kInfer, body_of(
                                    {
                                        2
    },
                                    {{"timeout", 1}}));
    if (reply.json()["type"] == "deadline") std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_EQ(reply.status, 503) << reply.body;
  EXPECT_EQ(reply.json()["type"], rejection::kQueueFull);
  EXPECT_EQ(reply.headers.at("retry-after"), "1");
}

TEST(Rest, a_deadline_that_cannot_be_met_is_refused_by_its_type) {
  const auto server = echo_server();
  Client client(server->http_port());
  const Reply late = client.post(kInfer, body_of(
                                             {
                                                 1
  },
                                             {{"timeout", 1}}));
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(late.json()["type"], rejection::kDeadline);
  EXPECT_EQ(client
                .post(kInfer, body_of(
                                  {
                                      1
  },
                                  {{"timeout", 9'000'000}}))
                .status,
            200);
  EXPECT_EQ(client
                .post(kInfer, body_of(
                                  {
                                      1
  },
                                  {{"priority", 1}}))
                .status,
            200);
  EXPECT_EQ(client
                .post(kInfer, body_of(
                                  {
                                      1
  },
                                  {{"priority", 1001}}))
                .status,
            400);
}

TEST(Rest, a_client_that_hangs_up_takes_its_request_back) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = std::chrono::hours(1);
  const auto server = echo_server(options);
  {
    Client client(server->http_port());
    const std::string body = body_of({1});
    client.send("POST " + std::string(kInfer) + " HTTP/1.1\r\nHost: t\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
    while ((*server->hub().find("echo", ""))->packing()->admitted == 0)
      std::this_thread::sleep_for(milliseconds(1));
  }
  const auto model = server->hub().find("echo", "").take();
  for (int i = 0; i < 1000 && model->packing()->cancelled == 0; ++i)
    std::this_thread::sleep_for(milliseconds(10));
  EXPECT_EQ(model->packing()->cancelled, 1u);
  EXPECT_EQ(model->packing()->queue_requests, 0);
  EXPECT_EQ(model->statistics().fails[static_cast<size_t>(FailReason::Canceled)], 1u);
}

TEST(Rest, a_new_version_takes_over_without_a_lost_call) {
  const ServerOptions options = quick_options();
  const auto server = echo_server(options);
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0}, failed{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      Client client(server->http_port());
      while (!stop) ++(client.post(kInfer, body_of({1, 2, 3})).status == 200 ? answered : failed);
    });
  }
  for (int version = 2; version < 12; ++version) {
    server->hub().add(echo_model(std::to_string(version), options.runner));
    const int before = answered + failed;
    while (answered + failed < before + 6) std::this_thread::sleep_for(milliseconds(1));
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Client(server->http_port()).get("/v2/models/echo").json()["versions"][0], "11");
}

TEST(Rest, a_stop_answers_what_is_on_its_way) {
  ServerOptions options = quick_options();
  options.runner.runner.former.timeout = milliseconds(300);
  const auto server = echo_server(options);
  Client idle(server->http_port());
  idle.get("/v2");
  Reply reply;
  std::thread caller([&] { reply = Client(server->http_port()).post(kInfer, body_of({5})); });
  while ((*server->hub().find("echo", ""))->packing()->admitted == 0)
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_TRUE(server->stop());
  caller.join();
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.at("connection"), "close");
  EXPECT_TRUE(idle.is_closed_within(milliseconds(5000)));
}

}  // namespace
}  // namespace tessera::server
