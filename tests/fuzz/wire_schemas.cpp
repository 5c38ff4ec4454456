// SPDX-License-Identifier: Apache-2.0
// The fields of ONNX's messages and of ours that are messages, numbers and text (onnx.proto,
// program/popef.proto, server/inference.proto).
#include "tests/fuzz/wire.h"

namespace tessera::fuzz {
namespace {

using enum WireKind;

const WireSchema kStringEntry{
    "StringStringEntry", {{1, Text}, {2, Text}}
};
const WireSchema kOpset{
    "OperatorSetId", {{1, Text}, {2, Integer}}
};
const WireSchema kDimension{
    "Dimension", {{1, Integer}, {2, Text}, {3, Text}}
};
const WireSchema kTensorShape{"TensorShape", {{1, Message, &kDimension}}};
const WireSchema kTensorType{
    "TypeProto.Tensor", {{1, Integer}, {2, Message, &kTensorShape}}
};
extern const WireSchema kType;
const WireSchema kSequence{"Sequence", {{1, Message, &kType}}};
const WireSchema kMap{
    "Map", {{1, Integer}, {2, Message, &kType}}
};
const WireSchema kType{
    "TypeProto",
    {{1, Message, &kTensorType},
      {4, Message, &kSequence},
      {5, Message, &kMap},
      {6, Text},
      {8, Message, &kTensorType},
      {9, Message, &kSequence}}
};
const WireSchema kValueInfo{
    "ValueInfo", {{1, Text}, {2, Message, &kType}, {3, Text}}
};
const WireSchema kSegment{
    "Segment", {{1, Integer}, {2, Integer}}
};
const WireSchema kTensor{
    "Tensor",
    {{1, Integer},
      {2, Integer},
      {3, Message, &kSegment},
      {4, Packed},
      {5, Packed},
      {6, Bytes},
      {7, Packed},
      {8, Text},
      {9, Bytes},
      {10, Packed},
      {11, Packed},
      {12, Text},
      {13, Message, &kStringEntry},
      {14, Integer}}
};
const WireSchema kSparseTensor{
    "SparseTensor", {{1, Message, &kTensor}, {2, Message, &kTensor}, {3, Integer}}
};
extern const WireSchema kGraph;
const WireSchema kAttribute{
    "Attribute",
    {{1, Text},
      {2, Fixed32},
      {3, Integer},
      {4, Text},
      {5, Message, &kTensor},
      {6, Message, &kGraph},
      {7, Fixed32},
      {8, Integer},
      {9, Text},
      {10, Message, &kTensor},
      {11, Message, &kGraph},
      {14, Message, &kType},
      {20, Integer},
      {21, Text},
      {22, Message, &kSparseTensor}}
};
const WireSchema kNode{
    "Node",
    {{1, Text}, {2, Text}, {3, Text}, {4, Text}, {5, Message, &kAttribute}, {6, Text}, {7, Text}}
};
const WireSchema kGraph{
    "Graph",
    {{1, Message, &kNode},
      {2, Text},
      {5, Message, &kTensor},
      {10, Text},
      {11, Message, &kValueInfo},
      {12, Message, &kValueInfo},
      {13, Message, &kValueInfo},
      {15, Message, &kSparseTensor}}
};
const WireSchema kFunction{
    "Function", {{1, Text}, {4, Text}, {5, Text}, {6, Text}, {7, Message, &kNode}}
};
const WireSchema kModel{
    "Model",
    {{1, Integer},
      {2, Text},
      {4, Text},
      {5, Integer},
      {6, Text},
      {7, Message, &kGraph},
      {8, Message, &kOpset},
      {14, Message, &kStringEntry},
      {25, Message, &kFunction}}
};

const WireSchema kTensorInfo{
    "TensorInfo", {{1, Packed}, {2, Integer}, {3, Integer}}
};
const WireSchema kAnchor{
    "Anchor",
    {{1, Text},
      {2, Message, &kTensorInfo},
      {3, Integer},
      {4, Integer},
      {5, Packed},
      {6, Text},
      {7, Integer}}
};
const WireSchema kFlow{
    "ProgramFlow", {{1, Packed}, {2, Packed}, {3, Packed}}
};
const WireSchema kOutputRule{
    "OutputRule", {{1, Text}, {2, Integer}}
};
const WireSchema kPacking{
    "Packing",
    {{1, Integer},
      {2, Integer},
      {3, Integer},
      {4, Integer},
      {5, Integer},
      {6, Text},
      {7, Text},
      {8, Text},
      {9, Text},
      {10, Text},
      {11, Message, &kOutputRule}}
};
const WireSchema kMemory{
    "MemorySummary", {{1, Integer}, {2, Integer}, {3, Text}, {4, Integer}, {5, Integer}}
};
const WireSchema kCycles{
    "CycleSummary",
    {{1, Integer}, {2, Integer}, {3, Integer}, {4, Integer}, {5, Fixed64}, {6, Integer}}
};
const WireSchema kMetadata{
    "Metadata",
    {{1, Integer},
      {2, Integer},
      {3, Text},
      {4, Integer},
      {5, Integer},
      {6, Message, &kAnchor},
      {7, Message, &kFlow},
      {16, Text},
      {17, Text},
      {18, Text},
      {19, Text},
      {20, Text},
      {21, Message, &kPacking},
      {22, Message, &kMemory},
      {23, Message, &kCycles}}
};

const WireSchema kInferParameter{
    "InferParameter", {{1, Integer}, {2, Integer}, {3, Text}, {4, Fixed64}, {5, Integer}}
};
const WireSchema kParameterEntry{
    "ParametersEntry", {{1, Text}, {2, Message, &kInferParameter}}
};
const WireSchema kContents{
    "InferTensorContents",
    {{1, Packed},
      {2, Packed},
      {3, Packed},
      {4, Packed},
      {5, Packed},
      {6, Packed},
      {7, Packed},
      {8, Bytes}}
};
const WireSchema kInferInput{
    "InferInputTensor",
    {{1, Text}, {2, Text}, {3, Packed}, {4, Message, &kParameterEntry}, {5, Message, &kContents}}
};
const WireSchema kInferOutput{
    "InferRequestedOutputTensor", {{1, Text}, {2, Message, &kParameterEntry}}
};
const WireSchema kInferRequest{
    "ModelInferRequest",
    {{1, Text},
      {2, Text},
      {3, Text},
      {4, Message, &kParameterEntry},
      {5, Message, &kInferInput},
      {6, Message, &kInferOutput},
      {7, Bytes}}
};

}  // namespace

const WireSchema& onnx_model_schema() { return kModel; }
const WireSchema& onnx_tensor_schema() { return kTensor; }
const WireSchema& popef_metadata_schema() { return kMetadata; }
const WireSchema& infer_request_schema() { return kInferRequest; }

}  // namespace tessera::fuzz
