// What the bindings of the CPU kernels share.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <optional>

#include "check.h"
#include "kernels.h"

namespace py = pybind11;

namespace pysal {

using Floats = py::array_t<float, py::array::c_style>;
using Doubles = py::array_t<double, py::array::c_style>;
using Ints = py::array_t<int32_t, py::array::c_style>;
using Bytes = py::array_t<uint8_t, py::array::c_style>;
using Seeds = py::array_t<uint64_t, py::array::c_style>;
using OptionalFloats = std::optional<Floats>;

inline bool has_shape(const py::array& array, std::initializer_list<py::ssize_t> shape) {
    return array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
           std::equal(shape.begin(), shape.end(), array.shape());
}

inline void check_images(const Floats& image, const Floats& baseline) {
    PYSAL_CHECK(image.ndim() == 4, "image must be (N, C, H, W)");
    PYSAL_CHECK(
        baseline.ndim() == 4 && std::equal(image.shape(), image.shape() + 4, baseline.shape()),
        "baseline must have the shape of image");
}

// A number of rows or columns that is positive and fits into 32 bits.
inline void check_size(py::ssize_t height, py::ssize_t width, const char* message) {
    constexpr py::ssize_t kLimit = std::numeric_limits<int32_t>::max();
    PYSAL_CHECK(height > 0 && width > 0 && height < kLimit && width < kLimit, message);
}

// Computes without the interpreter's lock.
template <class Params>
void run(void (*kernel)(const Params&), const Params& params) {
    py::gil_scoped_release release;
    kernel(params);
}

// csrc/bindings_sampling.cpp
void bind_sampling(py::module_& m);

}  // namespace pysal
