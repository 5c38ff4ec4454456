// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/tensor_file.h"

#include "compiler/onnx/tensor.h"
#include "compiler/onnx/wire_scan.h"
#include "support/file.h"

namespace tessera {

Expected<TensorFile> read_tensor_file(const std::string& path, const Limits& limits) {
  const auto file = TRY(MappedFile::open(path));
  auto proto = std::make_shared<::onnx::TensorProto>();
  const std::span<const std::byte> bytes = file->bytes();
  TRY(scan_wire(bytes, WireFile::Tensor, limits, path));
  if (!proto->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{path + ": cannot be read, must be an ONNX tensor", ErrorKind::BadFile};
  TRY(file->check());
  TensorReader reader(path, proto, limits);
  auto read = reader.read(*proto);
  if (!read.ok()) return Error{path + ": " + read.error().message, read.error().kind};
  if (read->beyond_int32)
    return Error{path + ": holds " + std::to_string(*read->beyond_int32) +
                 ", must be within int32"};
  if (is_byte(read->tensor.type().dtype)) {  // as an input of the model takes it
    Array whole = to_array(read->tensor);
    whole.type.dtype = DType::I32;
    read->tensor = to_tensor(whole);
  }
  return TensorFile{proto->name(), element_type_name(read->onnx_type), std::move(read->tensor)};
}

}  // namespace tessera
