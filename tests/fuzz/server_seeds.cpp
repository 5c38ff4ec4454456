// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/server_seeds.h"

#include <initializer_list>

#include "inference.pb.h"

namespace tessera::fuzz {
namespace {

using inference::ModelInferRequest;
using Tensor = ModelInferRequest::InferInputTensor;

Tensor& add_input(ModelInferRequest& call, const char* name, const char* datatype,
                  std::initializer_list<int64_t> shape) {
  Tensor& tensor = *call.add_inputs();
  tensor.set_name(name);
  tensor.set_datatype(datatype);
  for (const int64_t size : shape) tensor.add_shape(size);
  return tensor;
}

ModelInferRequest call_of(const char* model) {
  ModelInferRequest call;
  call.set_model_name(model);
  return call;
}

ModelInferRequest raw() {
  ModelInferRequest call = call_of("bert");
  add_input(call, "input_ids", "INT32", {1, 4});
  add_input(call, "attention_mask", "BOOL", {1, 4});
  call.add_raw_input_contents(std::string("\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0", 16));
  call.add_raw_input_contents(std::string("\1\1\1\0", 4));
  return call;
}

ModelInferRequest whole() {
  ModelInferRequest call = call_of("bert");
  Tensor& ids = add_input(call, "input_ids", "INT64", {2, 3});
  Tensor& mask = add_input(call, "attention_mask", "INT8", {2, 3});
  for (const int64_t id : {5, 300, 70000, 8, 9, -1}) ids.mutable_contents()->add_int64_contents(id);
  for (const int bit : {1, 1, 1, 1, 1, 0}) mask.mutable_contents()->add_int_contents(bit);
  return call;
}

ModelInferRequest unsigned_numbers() {
  ModelInferRequest call = call_of("echo");
  Tensor& words = add_input(call, "words", "UINT16", {3});
  Tensor& large = add_input(call, "large", "UINT64", {1});
  Tensor& truths = add_input(call, "truths", "BOOL", {2});
  for (const uint32_t word : {0, 1, 65535}) words.mutable_contents()->add_uint_contents(word);
  large.mutable_contents()->add_uint64_contents(UINT64_MAX);
  for (const bool truth : {true, false}) truths.mutable_contents()->add_bool_contents(truth);
  return call;
}

ModelInferRequest reals() {
  ModelInferRequest call = call_of("echo");
  Tensor& single = add_input(call, "single", "FP32", {2, 1});
  Tensor& twice = add_input(call, "twice", "FP64", {2});
  for (const float value : {0.5f, -1e30f}) single.mutable_contents()->add_fp32_contents(value);
  for (const double value : {1e-300, 3.0}) twice.mutable_contents()->add_fp64_contents(value);
  return call;
}

ModelInferRequest parameters() {
  ModelInferRequest call = raw();
  call.set_model_version("3");
  call.set_id("call 7");
  auto& words = *call.mutable_parameters();
  words["priority"].set_uint64_param(2);
  words["timeout"].set_int64_param(250'000);
  words["explain"].set_bool_param(true);
  call.add_outputs()->set_name("logits");
  call.add_outputs()->set_name("pooled");
  return call;
}

}  // namespace

Seeds infer_message_seeds() {
  return {
      {"raw",        raw().SerializeAsString()             },
      {"whole",      whole().SerializeAsString()           },
      {"unsigned",   unsigned_numbers().SerializeAsString()},
      {"reals",      reals().SerializeAsString()           },
      {"parameters", parameters().SerializeAsString()      },
  };
}

}  // namespace tessera::fuzz
