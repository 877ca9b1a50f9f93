// pysal._cuda: the kernels on CUDA, apart from pysal._kernels so that each loads without the other.
// Importing it needs no GPU and no driver. pysal/kernels/cuda.py has already checked what users
// pass; here only what keeps reads and writes inside the arrays.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <initializer_list>
#include <optional>
#include <utility>

#include "cuda/params.h"
#include "cuda_view.h"

namespace py = pybind11;

namespace {

using pysal::cuda::Axes;
using pysal::cuda::check;
using pysal::cuda::require;
using pysal::cuda::Sizes;
using pysal::cuda::View;
using Floats = py::array_t<float, py::array::c_style>;
using Seeds = py::array_t<uint64_t, py::array::c_style>;
using OptionalFloats = std::optional<Floats>;

// Shapes are compared as (image, node, channel, row, column), with 1 for axes that are not there.
Axes axes(const Sizes& v) {
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
        require(view.pointer % (view.dtype == "float64" ? 8 : 4) == 0, where_,
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
        const pysal::cuda::DeviceGuard guard(device_, where_);
        kernel(params);
    }

  private:
    const char* where_;
    int device_ = -1;
};

template <class T>
T* data(const View& view) {
    return reinterpret_cast<T*>(view.pointer);
}

// Sizes and strides that blend and path_accumulate share.
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

void blend(const View& image, const View& baseline, const View& masks, const OptionalFloats& nodes,
           uint32_t first_node, const OptionalFloats& noise_std,
           const std::optional<Seeds>& noise_seed, uint32_t noise_step, const View& out,
           uintptr_t stream) {
    constexpr const char* kName = "blend";
    Call call(kName);
    pysal::cuda::BlendParams p;
    set_images(p, call, image, baseline, kName);
    call.input(masks, 4);
    call.output(out, 5);
    p.num_nodes = nodes ? nodes->size() : masks.shape[1];
    p.mask_height = masks.shape[2];
    p.mask_width = masks.shape[3];
    require(masks.shape[0] == p.num_images, kName, "masks must have one row per image");
    require(!nodes || (nodes->ndim() == 1 && masks.shape[1] == 1), kName,
            "nodes must be (S,), with masks (N, 1, h, w)");
    require(p.mask_height > 0 && p.mask_width > 0, kName, "masks must have rows and columns");
    require(!noise_std || noise_std->size() == p.channels, kName, "noise_std must be (C,)");
    require(noise_std.has_value() == noise_seed.has_value() &&
                (!noise_seed || noise_seed->size() == p.num_images),
            kName, "noise_seed must be (N,)");
    require(out.shape == Sizes({p.num_images, p.num_nodes, p.channels, p.height, p.width}), kName,
            "out must be (N, S, C, H, W)");
    p.masks = data<const float>(masks);
    p.out = data<float>(out);
    p.masks_stride = {masks.strides[0], masks.strides[1], 0, masks.strides[2], masks.strides[3]};
    p.out_stride = axes(out.strides);
    p.nodes = nodes ? nodes->data() : nullptr;
    p.noise_std = noise_std ? noise_std->data() : nullptr;
    p.noise_seed = noise_seed ? noise_seed->data() : nullptr;
    p.noise_step = noise_step;
    p.first_node = first_node;
    p.stream = reinterpret_cast<void*>(stream);
    call.run(pysal::cuda::blend, p);
}

void path_accumulate(const View& grad, const View& image, const View& baseline,
                     const Floats& weights, const View& out, uintptr_t stream) {
    constexpr const char* kName = "path_accumulate";
    Call call(kName);
    pysal::cuda::PathParams p;
    set_images(p, call, image, baseline, kName);
    call.input(grad, 5);
    call.output(out, 3);
    p.num_nodes = weights.size();
    p.mask_height = out.shape[1];
    p.mask_width = out.shape[2];
    require(grad.shape == Sizes({p.num_images, p.num_nodes, p.channels, p.height, p.width}), kName,
            "grad must be (N, S, C, H, W) with weights (S,)");
    require(out.shape[0] == p.num_images && p.mask_height > 0 && p.mask_width > 0, kName,
            "out must be (N, h, w), with rows and columns");
    p.grad = data<const float>(grad);
    p.out = data<float>(out);
    p.grad_stride = axes(grad.strides);
    p.out_stride = axes(out.strides);
    p.weights = weights.data();
    p.stream = reinterpret_cast<void*>(stream);
    call.run(pysal::cuda::path_accumulate, p);
}

void tv(const View& masks, double exponent, bool mean, bool isotropic, const View& value,
        const View& grad, uintptr_t stream) {
    constexpr const char* kName = "tv";
    Call call(kName);
    call.input(masks, 3);
    call.output(value, 1, "float64");
    call.output(grad, 3);
    require(exponent > 0.0, kName, "exponent must be positive");
    require(masks.shape[1] > 0 && masks.shape[2] > 0, kName, "masks must have rows and columns");
    require(grad.shape == masks.shape && value.shape[0] == masks.shape[0], kName,
            "value must be (N,) and grad (N, h, w)");
    pysal::cuda::TvParams p;
    p.num_masks = masks.shape[0];
    p.height = masks.shape[1];
    p.width = masks.shape[2];
    p.exponent = exponent;
    p.mean = mean;
    p.isotropic = isotropic;
    p.masks = data<const float>(masks);
    p.value = data<double>(value);
    p.grad = data<float>(grad);
    p.masks_stride = axes(masks.strides);
    p.grad_stride = axes(grad.strides);
    p.value_stride = value.strides[0];
    p.stream = reinterpret_cast<void*>(stream);
    call.run(pysal::cuda::tv, p);
}

// Number of devices, and why there are none.
std::pair<int, std::string> find_devices() {
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess)
        return {count, count > 0 ? "" : "no CUDA-capable device is detected"};
    cudaGetLastError();
    return {0, cudaGetErrorString(status)};
}

std::string device_name(int device) {
    cudaDeviceProp props = {};
    check(cudaGetDeviceProperties(&props, device), "device_name");
    return props.name;
}

int version_from(cudaError_t (*get)(int*)) {
    int version = 0;
    return get(&version) == cudaSuccess ? version : 0;
}

}  // namespace

PYBIND11_MODULE(_cuda, m) {
    m.doc() = "Kernels on CUDA; pysal.kernels.cuda is their interface.";
    m.attr("__version__") = PYSAL_VERSION;
#ifdef PYSAL_EMULATED
    m.attr("emulated") = true;
#else
    m.attr("emulated") = false;
#endif
    m.attr("architectures") = py::str(PYSAL_CUDA_ARCHITECTURES).attr("split")();
    m.def("device_count", [] { return find_devices().first; });
    m.def("device_error", [] { return find_devices().second; });
    m.def("device_name", &device_name, py::arg("device"));
    m.def("runtime_version", [] { return version_from(&cudaRuntimeGetVersion); });
    m.def("driver_version", [] { return version_from(&cudaDriverGetVersion); });

    py::class_<View>(m, "View")
        .def(py::init(&pysal::cuda::make_view), py::arg("pointer"), py::arg("shape"),
             py::arg("strides"), py::arg("dtype"), py::arg("readonly") = false,
             py::arg("device") = -1)
        .def_readonly("pointer", &View::pointer)
        .def_property_readonly("shape", [](const View& v) { return py::tuple(py::cast(v.shape)); })
        .def_property_readonly("strides",
                               [](const View& v) { return py::tuple(py::cast(v.strides)); })
        .def_readonly("dtype", &View::dtype)
        .def_readonly("readonly", &View::readonly)
        .def_readonly("device", &View::device);
    m.def("open_dlpack", &pysal::cuda::open_dlpack, py::arg("capsule"));

    // no implicit conversion of what the host keeps: it has been checked
    m.def("blend", &blend, py::arg("image"), py::arg("baseline"), py::arg("masks"),
          py::arg("nodes").noconvert(), py::arg("first_node"), py::arg("noise_std").noconvert(),
          py::arg("noise_seed").noconvert(), py::arg("noise_step"), py::arg("out"),
          py::arg("stream"));
    m.def("path_accumulate", &path_accumulate, py::arg("grad"), py::arg("image"),
          py::arg("baseline"), py::arg("weights").noconvert(), py::arg("out"), py::arg("stream"));
    m.def("tv", &tv, py::arg("masks"), py::arg("exponent"), py::arg("mean"), py::arg("isotropic"),
          py::arg("value"), py::arg("grad"), py::arg("stream"));
}
