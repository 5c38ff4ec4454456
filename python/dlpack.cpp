// SPDX-License-Identifier: Apache-2.0
#include "python/dlpack.h"

#include "python/errors.h"

namespace tessera::python {
namespace {

// The layout that the protocol fixes.
struct DLDevice {
  int32_t type, id;
};
struct DLDataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};

constexpr int32_t kHost = 1;  // kDLCPU

char kind_of(const DLDataType& dtype) {
  if (dtype.lanes != 1) return '?';
  switch (dtype.code) {
    case 0: return 'i';
    case 1: return 'u';
    case 2: return 'f';
    case 6: return 'b';
    default: return '?';
  }
}

std::string name_of(const DLDataType& dtype) {
  const std::string bits = std::to_string(dtype.bits);
  switch (kind_of(dtype)) {
    case 'i': return "int" + bits;
    case 'u': return "uint" + bits;
    case 'f': return "float" + bits;
    case 'b': return "bool";
    default: return "DLPack type " + std::to_string(dtype.code) + " of " + bits + " bits";
  }
}

bool is_row_major(const DLTensor& tensor) {
  if (tensor.strides == nullptr) return true;
  int64_t expected = 1;
  for (int32_t axis = tensor.ndim; axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) return false;
    expected *= tensor.shape[axis];
  }
  return true;
}

}  // namespace

DlpackView view_dlpack(const std::string& name, const py::handle& array) {
  DlpackView view;
  view.capsule = array.attr("__dlpack__")();
  // A DLManagedTensor begins with its DLTensor.
  void* pointer = PyCapsule_GetPointer(view.capsule.ptr(), "dltensor");
  if (pointer == nullptr) throw py::error_already_set();
  const auto& tensor = *static_cast<const DLTensor*>(pointer);
  if (tensor.device.type != kHost)
    raise(Error{name + ": lies on DLPack device " + std::to_string(tensor.device.type) +
                ", must lie in host memory"});
  view.kind = kind_of(tensor.dtype);
  view.item_bytes = tensor.dtype.bits / 8;
  view.dtype_name = name_of(tensor.dtype);
  view.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  view.data = static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
  view.contiguous = is_row_major(tensor);
  return view;
}

}  // namespace tessera::python
