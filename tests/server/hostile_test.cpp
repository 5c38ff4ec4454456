// SPDX-License-Identifier: Apache-2.0
// Clients that send what is not asked for, or too slowly, or nothing: each gets an error, and
// others are answered as before.
#include <gmock/gmock.h>

#include <thread>

#include "tests/server/client.h"

namespace tessera::server {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

class Hostile : public ::testing::Test {
 protected:
  void SetUp() override {
    ServerOptions options = quick_options();
    options.http.header_timeout = milliseconds(300);
    options.http.body_timeout = milliseconds(300);
    options.http.idle_timeout = milliseconds(600);
    options.http.body_bytes = 1 << 20;
    options.http.max_connections = 200;
    server_ = echo_server(options);
  }
  void TearDown() override {
    if (!server_) return;
    EXPECT_EQ(Client(port()).post(kInfer, body_of({1, 2})).status, 200);
  }
  int port() const { return server_->http_port(); }
  std::string error_of(const std::string& body, int status = 400) {
    const Reply reply = Client(port()).post(kInfer, body);
    EXPECT_EQ(reply.status, status) << body.substr(0, 200) << "\n" << reply.body;
    return reply.json().value("error", "");
  }
  // One input, as given.
  static std::string input(const std::string& datatype, const std::string& shape,
                           const std::string& data) {
    return R"({"inputs":[{"name":"input_ids","datatype":")" + datatype + R"(","shape":)" + shape +
           R"(,"data":)" + data + "}]}";
  }
  std::unique_ptr<Server> server_;
};

TEST_F(Hostile, garbage_is_not_json) {
  for (const char* body :
       {"", "{", "[]", "7", "null", "\xff\xfe", "{\"inputs\":", "{}}", "{'a':1}"})
    EXPECT_NE(error_of(body), "");
  EXPECT_THAT(error_of("{}"), HasSubstr("has no inputs"));
  EXPECT_THAT(error_of(R"({"inputs":{}})"), HasSubstr("must be lists"));
  EXPECT_THAT(error_of(R"({"inputs":[[]]})"), HasSubstr("must be an object"));
  EXPECT_THAT(error_of(R"({"inputs":7})"), HasSubstr("must be a list"));
  EXPECT_THAT(error_of(R"({"inputs":[],"id":7})"), HasSubstr("an id must be a word"));
}

TEST_F(Hostile, json_that_is_nested_deeply_is_refused) {
  const std::string deep(100'000, '[');
  EXPECT_THAT(error_of(R"({"other":)" + deep), HasSubstr("nested deeper than 32"));
  EXPECT_THAT(error_of(input("INT64", "[1]", deep)), HasSubstr("nested deeper"));
}

TEST_F(Hostile, numbers_that_do_not_fit_are_refused) {
  EXPECT_THAT(error_of(input("INT64", "[1,1]", "[4294967296]")), HasSubstr("must fit 32 bits"));
  EXPECT_THAT(error_of(input("INT64", "[1,1]", "[18446744073709551615]")),
              HasSubstr("past 64 bits"));
  EXPECT_THAT(error_of(input("INT64", "[1,1]", "[1e999]")), HasSubstr("not JSON"));
  EXPECT_THAT(error_of(input("INT64", "[1,1]", "[1.5]")), HasSubstr("not whole"));
  EXPECT_THAT(error_of(input("INT8", "[1,1]", "[200]")), HasSubstr("must be INT8"));
  EXPECT_THAT(error_of(input("INT64", "[1,1]", "[-1]")), HasSubstr("must be in"));
  EXPECT_THAT(error_of(input("INT64", "[1,1]", "[null]")), HasSubstr("words or nulls"));
}

TEST_F(Hostile, shapes_that_are_none_are_refused) {
  EXPECT_THAT(error_of(input("INT64", "[1,9223372036854775807]", "[1]")), HasSubstr("not one"));
  EXPECT_THAT(error_of(input("INT64", "[-1,1]", "[1]")), HasSubstr("not one"));
  EXPECT_THAT(error_of(input("INT64", "[4294967296,4294967296]", "[1]")), HasSubstr("not one"));
  EXPECT_THAT(error_of(input("INT64", "[0,5]", "[]")), HasSubstr("at least a row"));
  EXPECT_THAT(error_of(input("INT64", "[]", "[1]")), HasSubstr("[rows,length]"));
  EXPECT_THAT(error_of(input("INT64", "[1,1,1,1,1,1,1,1,1,1]", "[1]")), HasSubstr("at most 8"));
  EXPECT_THAT(error_of(input("INT64", "[2,2]", "[[1,2],[3]]")), HasSubstr("nested otherwise"));
  EXPECT_THAT(error_of(input("INT64", "[1,2]", "[1]")), HasSubstr("must have 16"));
  error_of(input("INT64", "[100000,1]", "[" + std::string(199'998, '1') + "]"));
}

TEST_F(Hostile, rows_past_the_queue_are_refused) {
  std::string data = "[1";
  for (int i = 1; i < 5000; ++i) data += ",1";
  EXPECT_THAT(error_of(input("INT64", "[5000,1]", data + "]"), 413), HasSubstr("at most 4096"));
}

TEST_F(Hostile, datatypes_and_names_that_are_wrong_are_refused) {
  EXPECT_THAT(error_of(input("FP32", "[1,1]", "[1]")), HasSubstr("must be whole numbers"));
  EXPECT_THAT(error_of(input("BYTES", "[1,1]", "[\"a\"]")), HasSubstr("must have numbers"));
  EXPECT_THAT(error_of(input("INT", "[1,1]", "[1]")), HasSubstr("datatype 'INT'"));
  EXPECT_THAT(
      error_of(R"({"inputs":[{"name":"other","datatype":"INT64","shape":[1],"data":[1]}]})"),
      HasSubstr("'other' is not an input"));
  EXPECT_THAT(error_of(R"({"inputs":[{"name":"input_ids","datatype":"INT64","shape":[1]}]})"),
              HasSubstr("either data or a binary_data_size"));
  EXPECT_THAT(error_of(R"({"inputs":[{"name":"input_ids","datatype":"INT64","shape":[1],)"
                       R"("parameters":{"binary_data_size":8}}]})"),
              HasSubstr("within the 0 bytes"));
  EXPECT_THAT(
      error_of(R"({"inputs":[{"name":"input_ids","datatype":"INT64","shape":[1],"data":[1]}],)"
               R"("outputs":[{"name":"none"}]})"),
      HasSubstr("'none' is not an output"));
}

TEST_F(Hostile, a_claim_of_a_gigabyte_is_refused_before_it_comes) {
  Client client(port());
  client.send("POST " + std::string(kInfer) +
              " HTTP/1.1\r\nHost: t\r\nContent-Length: 1073741824\r\n\r\n");
  EXPECT_EQ(client.receive().status, 413);
  EXPECT_TRUE(client.is_closed_within(milliseconds(5000)));
}

TEST_F(Hostile, a_body_in_chunks_is_taken_up_to_the_limit) {
  const std::string body = body_of({4, 5});
  std::string chunks;
  for (const char c : body) chunks += std::string("1\r\n") + c + "\r\n";
  Client client(port());
  client.send("POST " + std::string(kInfer) +
              " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + "0\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  Client other(port());
  other.send("POST " + std::string(kInfer) +
             " HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string large = "40000\r\n" + std::string(0x40000, ' ') + "\r\n";
  for (int i = 0; i < 8 && other.send(large); ++i) continue;
  EXPECT_EQ(other.receive().status, 413);
}

TEST_F(Hostile, a_head_that_is_too_long_or_no_head_is_refused) {
  Client client(port());
  client.send("GET /v2 HTTP/1.1\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 431);
  Client other(port());
  other.send("\x16\x03\x01 this is TLS\r\n\r\n");
  EXPECT_EQ(other.receive().status, 400);
  Client third(port());
  third.send("POST /v2 HTTP/1.1\r\nContent-Length: -5\r\n\r\n");
  EXPECT_EQ(third.receive().status, 400);
}

TEST_F(Hostile, a_long_name_is_not_sent_back_whole) {
  const std::string call = R"({"inputs":[{"name":")" + std::string(100'000, 'n') +
                           R"(","datatype":"INT64","shape":[1],"data":[1]}]})";
  EXPECT_LT(error_of(call).size(), 2048);
}

TEST_F(Hostile, a_compressed_body_is_refused_by_name) {
  const Reply reply = Client(port()).post(kInfer, "x", "Content-Encoding: gzip\r\n");
  EXPECT_EQ(reply.status, 415);
}

TEST_F(Hostile, an_announced_body_is_asked_for) {
  Client client(port());
  const std::string body = body_of({4});
  client.send("POST " + std::string(kInfer) + " HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\n" +
              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send(body);
  EXPECT_EQ(client.receive().status, 200);
}

TEST_F(Hostile, requests_that_come_together_are_answered_in_order) {
  Client client(port());
  client.send(
      "GET /v2/health/live HTTP/1.1\r\nHost: t\r\n\r\nGET /none HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_EQ(client.receive().status, 404);
}

TEST_F(Hostile, slow_clients_lose_their_connection_and_hold_no_thread) {
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(std::make_unique<Client>(port()));
    if (i % 3 == 0) slow.back()->send("POST ");  // half a head
    if (i % 3 == 1)
      slow.back()->send("POST /v2/models/echo/infer HTTP/1.1\r\nContent-Length: 100\r\n\r\n{");
  }
  EXPECT_EQ(Client(port()).post(kInfer, body_of({1})).status, 200);
  for (const auto& client : slow) EXPECT_TRUE(client->is_closed_within(milliseconds(5000)));
}

TEST_F(Hostile, connections_past_the_limit_are_told_to_come_back) {
  std::vector<std::unique_ptr<Client>> open;
  for (int i = 0; i < 200; ++i) open.push_back(std::make_unique<Client>(port()));
  open.back()->get("/v2");  // all before it have been taken
  Client late(port());
  const Reply reply = late.receive();
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("connections, the most at once; try again later"));
  EXPECT_TRUE(reply.headers.contains("retry-after"));
  open.clear();
  for (int i = 0; i < 100 && Client(port()).get("/v2").status != 200; ++i)
    std::this_thread::sleep_for(milliseconds(20));
}

TEST(HostileMemory, bodies_past_the_budget_are_refused_for_now) {
  ServerOptions options = quick_options();
  options.memory = 200'000;
  const auto server = echo_server(options);
  Reply reply;
  // Whichever of the two comes second is refused, so the wait between them grows until it is
  // `reply`.
  for (int wait = 5; wait < 5000 && reply.status != 503; wait *= 2) {
    Client holder(server->http_port());
    holder.send("POST /v2/models/echo/infer HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n" +
                std::string(150'000, ' '));
    std::this_thread::sleep_for(milliseconds(wait));
    reply = Client(server->http_port())
                .post("/v2/models/echo/infer", body_of({1}) + std::string(90'000, ' '));
  }
  EXPECT_EQ(reply.status, 503);
  EXPECT_THAT(reply.body, HasSubstr("more than 200000 bytes, the most at once; try again later"));
  for (int i = 0; i < 200 && reply.status != 200; ++i) {
    reply = Client(server->http_port()).post("/v2/models/echo/infer", body_of({1}));
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_EQ(reply.status, 200);
}

}  // namespace
}  // namespace tessera::server
