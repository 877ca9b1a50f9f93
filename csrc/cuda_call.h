// What the bindings of the CUDA kernels share: the arguments of one call, checked before pointers
// are read.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <initializer_list>
#include <optional>
#include <utility>

#include "cuda/params.h"
#include "cuda_view.h"

namespace pysal::cuda {

namespace py = pybind11;

using Floats = py::array_t<float, py::array::c_style>;
using Seeds = py::array_t<uint64_t, py::array::c_style>;
using OptionalFloats = std::optional<Floats>;

// Shapes are compared as (image, node, channel, row, column), with 1 for axes that are not there.
inline Axes axes(const Sizes& v) {
    switch (v.size()) {
        case 5:
            return {v[0], v[1], v[2], v[3], v[4]};
        case 4:
            return {v[0], 0, v[1], v[2], v[3]};
        case 3:
            return {v[0], 0, 0, v[1], v[2]};
        default:
            return {};
    }
}

// The arguments of one call: on one device, and of the type that the kernels read.
class Call {
  public:
    explicit Call(const char* where) : where_(where) {}

    void input(const View& view, size_t ndim, const char* dtype = "float32") {
        require(view.shape.size() == ndim, where_, "an array has a wrong number of axes");
        require(view.dtype == dtype, where_, "an array has a wrong dtype");
        require(view.pointer % element_size(view.dtype) == 0, where_,
                "an array is not aligned to its elements");
        if (view.device < 0) return;
        require(device_ < 0 || view.device == device_, where_, "arrays are on different devices");
        device_ = view.device;
    }

    void output(const View& view, size_t ndim, const char* dtype = "float32") {
        input(view, ndim, dtype);
        require(!view.readonly, where_, "the output is read-only");
        if (view.empty()) return;
        for (size_t axis = 0; axis < ndim; ++axis) {
            require(view.shape[axis] < 2 || view.strides[axis] != 0, where_,
                    "elements of the output share their memory");
        }
    }

    template <class Params>
    void run(void (*kernel)(const Params&), const Params& params) const {
        if (device_ < 0) return;  // all arrays are empty
        py::gil_scoped_release release;
        const DeviceGuard guard(device_, where_);
        kernel(params);
    }

  private:
    static uintptr_t element_size(const std::string& dtype) {
        return dtype == "float64" ? 8 : dtype == "uint8" ? 1 : 4;
    }

    const char* where_;
    int device_ = -1;
};

template <class T>
T* data(const View& view) {
    return reinterpret_cast<T*>(view.pointer);
}

// Images, their baselines and the strides of both.
template <class Params>
void set_images(Params& p, Call& call, const View& image, const View& baseline, const char* where) {
    call.input(image, 4);
    call.input(baseline, 4);
    require(image.shape == baseline.shape, where, "baseline must have the shape of image");
    p.num_images = image.shape[0];
    p.channels = image.shape[1];
    p.height = image.shape[2];
    p.width = image.shape[3];
    p.image = data<const float>(image);
    p.baseline = data<const float>(baseline);
    p.image_stride = axes(image.strides);
    p.baseline_stride = axes(baseline.strides);
}

// csrc/cuda_bindings_sampling.cpp
void bind_sampling(py::module_& m);

}  // namespace pysal::cuda
