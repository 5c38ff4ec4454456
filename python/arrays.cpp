// SPDX-License-Identifier: Apache-2.0
#include "python/arrays.h"

#include <array>
#include <cstring>
#include <map>
#include <optional>

#include "executor/rejection.h"
#include "python/dlpack.h"
#include "python/errors.h"

namespace tessera::python {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& what,
                         std::string_view type = {}) {
  raise(Error{name + ": " + what, ErrorKind::Failed, type});
}

// One array, whoever made it.
struct Array {
  std::optional<DType> dtype;
  bool wide = false;       // int64
  std::string dtype_name;  // for messages
  Shape shape;
  std::byte* data = nullptr;
  size_t bytes = 0;
  bool contiguous = false, writable = false;
  py::object keep;
};

void set_dtype(Array& array, char kind, int64_t item_bytes) {
  if (kind == 'i' && item_bytes == 4) array.dtype = DType::I32;
  if (kind == 'i' && item_bytes == 8) array.dtype = DType::I32, array.wide = true;
  if (kind == 'f' && item_bytes == 4) array.dtype = DType::F32;
  if (kind == 'f' && item_bytes == 2) array.dtype = DType::F16;
  if (kind == 'b' && item_bytes == 1) array.dtype = DType::Bool;
  if (kind == 'i' && item_bytes == 1) array.dtype = DType::I8;
  if (kind == 'u' && item_bytes == 1) array.dtype = DType::U8;
}

// Looked up once, and never freed: at exit the interpreter may be gone before this library.
const py::object& numpy_attribute(const char* name) {
  static auto& all = *new std::map<std::string, py::object>;
  py::object& found = all[name];
  if (!found) found = py::module_::import("numpy").attr(name);
  return found;
}

bool is_numpy(const py::handle& value) { return py::isinstance(value, numpy_attribute("ndarray")); }

// NumPy's letter for the elements that one letter of the buffer protocol stands for, in this
// machine's order.
char kind_of(const std::string& format) {
  if (format.size() != 1) return '?';
  if (format[0] == '?') return 'b';
  if (std::strchr("bhilq", format[0])) return 'i';
  if (std::strchr("efd", format[0])) return 'f';
  return '?';
}

Array from_numpy(const py::handle& numpy) {
  Array array;
  array.keep = py::reinterpret_borrow<py::object>(numpy);
  array.dtype_name = py::str(numpy.attr("dtype"));
  Py_buffer view;
  if (PyObject_GetBuffer(numpy.ptr(), &view, PyBUF_STRIDES | PyBUF_FORMAT) != 0) {
    PyErr_Clear();  // a dtype that has no buffers: dates, for example
    return array;
  }
  set_dtype(array, kind_of(view.format), view.itemsize);
  array.shape.assign(view.shape, view.shape + view.ndim);
  array.data = static_cast<std::byte*>(view.buf);
  array.bytes = static_cast<size_t>(view.len);
  array.contiguous = PyBuffer_IsContiguous(&view, 'C') != 0;
  array.writable = view.readonly == 0;
  PyBuffer_Release(&view);  // the elements stay where they are as long as the array lives
  return array;
}

Array from_dlpack(const std::string& name, const py::handle& value) {
  const DlpackView view = view_dlpack(name, value);
  Array array;
  array.dtype_name = view.dtype_name;
  set_dtype(array, view.kind, view.item_bytes);
  array.shape = view.shape;
  array.data = view.data;
  array.bytes = static_cast<size_t>(elements(view.shape) * view.item_bytes);
  array.contiguous = view.contiguous;
  array.writable = true;  // the protocol's first version lends nothing that is read-only
  array.keep = view.capsule;
  return array;
}

py::object as_contiguous(const py::handle& value) {
  return numpy_attribute("ascontiguousarray")(value);
}

// Whether it has one or two bytes: each such value is an int32.
bool is_small_integer(const py::handle& numpy) {
  const py::object dtype = numpy.attr("dtype");
  const auto kind = py::cast<std::string>(dtype.attr("kind"));
  return (kind == "i" || kind == "u") && py::cast<int64_t>(dtype.attr("itemsize")) <= 2;
}

// A list, a number: NumPy's reading of it, but float32 where it says float64.
py::object from_sequence(const py::handle& value) {
  py::object array = numpy_attribute("asarray")(value);
  const bool is_float = py::cast<std::string>(array.attr("dtype").attr("kind")) == "f";
  return is_float ? numpy_attribute("asarray")(array, "float32") : array;
}

Array read_input(const std::string& name, const py::handle& value) {
  if (is_numpy(value)) {
    Array array = from_numpy(value);
    if (!array.dtype && is_small_integer(value)) return from_numpy(value.attr("astype")("int32"));
    return array.contiguous || !array.dtype ? array : from_numpy(as_contiguous(value));
  }
  if (py::hasattr(value, "__dlpack__")) {
    Array array = from_dlpack(name, value);
    if (array.contiguous) return array;
    return from_numpy(as_contiguous(numpy_attribute("from_dlpack")(value)));
  }
  return from_numpy(from_sequence(value));
}

Array read_output(const std::string& name, const py::handle& value) {
  if (is_numpy(value)) return from_numpy(value);
  if (py::hasattr(value, "__dlpack__")) return from_dlpack(name, value);
  refuse(name, "output is a " + std::string(py::str(py::type::of(value).attr("__name__"))) +
                   ", must be an array");
}

void check_dtype(const std::string& name, const Array& array) {
  if (!array.dtype)
    refuse(name,
           "dtype is " + array.dtype_name +
               ", must be int32, int64, float32, float16 or bool (in this machine's order)",
           rejection::kWrongDtype);
}

// Calls `take(name, value)` for each item of a mapping.
template <class Take>
void for_each_item(const py::handle& mapping, const char* what, Take&& take) {
  py::object items;
  if (!PyDict_Check(mapping.ptr()) && !py::hasattr(mapping, "items"))
    raise(Error{std::string(what) + ": is a " +
                    std::string(py::str(py::type::of(mapping).attr("__name__"))) +
                    ", must be a dict of arrays by name",
                ErrorKind::Usage});
  const py::dict dict = PyDict_Check(mapping.ptr()) ? py::reinterpret_borrow<py::dict>(mapping)
                                                    : py::dict(py::object(mapping.attr("items")()));
  for (const auto& [key, value] : dict) {
    if (!PyUnicode_Check(key.ptr()))
      raise(Error{std::string(what) + ": a name is a " +
                      std::string(py::str(py::type::of(key).attr("__name__"))) + ", must be a str",
                  ErrorKind::Usage});
    take(py::cast<std::string>(key), value);
  }
}

}  // namespace

HeldInputs hold_inputs(const py::handle& inputs) {
  HeldInputs held;
  for_each_item(inputs, "inputs", [&](const std::string& name, const py::handle& value) {
    Array array = read_input(name, value);
    check_dtype(name, array);
    held.views.emplace(name, InputView{
                                 *array.dtype, array.wide, array.shape, {array.data, array.bytes}
    });
    held.keep.push_back(std::move(array.keep));
  });
  return held;
}

HeldOutputs hold_outputs(const py::handle& outputs, const Metadata& metadata) {
  HeldOutputs held;
  if (outputs.is_none()) {
    for (const Anchor& anchor : metadata.anchors) {
      if (anchor.kind != AnchorKind::Output) continue;
      NewArray made = new_array(anchor.dtype, anchor.shape);
      held.views.emplace(anchor.name, OutputView{anchor.dtype, anchor.shape, made.bytes});
      held.arrays[py::str(anchor.name)] = made.array;
    }
    return held;
  }
  for_each_item(outputs, "outputs", [&](const std::string& name, const py::handle& value) {
    Array array = read_output(name, value);
    check_dtype(name, array);
    if (array.wide) refuse(name, "output is int64, must be int32", rejection::kWrongDtype);
    if (!array.contiguous) refuse(name, "output is not contiguous, must be C-contiguous");
    if (!array.writable) refuse(name, "output is read-only, must be writable");
    held.views.emplace(name, OutputView{
                                 *array.dtype, array.shape, {array.data, array.bytes}
    });
    held.keep.push_back(std::move(array.keep));
    held.arrays[py::str(name)] = value;
  });
  return held;
}

const py::object& numpy_dtype(DType dtype) {
  static const auto& all = *new std::array<py::object, 4>{
      numpy_attribute("dtype")("float32"), numpy_attribute("dtype")("float16"),
      numpy_attribute("dtype")("int32"), numpy_attribute("dtype")("bool")};
  return all[static_cast<size_t>(dtype)];
}

NewArray new_array(DType dtype, const Shape& shape) {
  const Array made = from_numpy(numpy_attribute("empty")(shape_tuple(shape), numpy_dtype(dtype)));
  return {
      made.keep, {made.data, made.bytes}
  };
}

py::tuple shape_tuple(const Shape& shape) {
  py::tuple tuple(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) tuple[i] = shape[i];
  return tuple;
}

}  // namespace tessera::python
