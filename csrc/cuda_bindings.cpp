// pysal._cuda: the kernels on CUDA, apart from pysal._kernels so that each loads without the other.
// Importing it needs no GPU and no driver. pysal/kernels/cuda*.py have already checked what users
// pass; here only what keeps reads and writes inside the arrays.
#include <tuple>
#include <utility>

#include "cuda_call.h"

namespace py = pybind11;

namespace {

using pysal::cuda::axes;
using pysal::cuda::Axes;
using pysal::cuda::Call;
using pysal::cuda::check;
using pysal::cuda::data;
using pysal::cuda::Floats;
using pysal::cuda::OptionalFloats;
using pysal::cuda::require;
using pysal::cuda::Seeds;
using pysal::cuda::set_images;
using pysal::cuda::Sizes;
using pysal::cuda::View;

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

// Sizes along both axes.
using Pair = std::pair<int64_t, int64_t>;

void resampled_deconv(const View& signal, const View& weight, Pair resized, Pair pads,
                      Pair dilations, int64_t groups, const View& out, uintptr_t stream) {
    constexpr const char* kName = "resampled_deconv";
    Call call(kName);
    call.input(signal, 4);
    call.input(weight, 4);
    call.output(out, 4);
    pysal::cuda::DeconvParams p;
    p.num_images = signal.shape[0];
    p.num_signals = signal.shape[1];
    p.signal_height = signal.shape[2];
    p.signal_width = signal.shape[3];
    p.kernel_height = weight.shape[2];
    p.kernel_width = weight.shape[3];
    p.channels = out.shape[1];
    p.height = out.shape[2];
    p.width = out.shape[3];
    std::tie(p.resized_height, p.resized_width) = resized;
    std::tie(p.dilation_height, p.dilation_width) = dilations;
    std::tie(p.pad_top, p.pad_left) = pads;
    p.groups = groups;
    require(p.resized_height >= p.signal_height && p.resized_width >= p.signal_width, kName,
            "the resampled signal is smaller than the signal");
    require(p.dilation_height > 0 && p.dilation_width > 0 && p.pad_top >= 0 && p.pad_left >= 0,
            kName, "dilations must be positive, and pads not negative");
    require(groups > 0 && p.num_signals % groups == 0 && p.channels % groups == 0, kName,
            "groups must divide the channels of signal and out");
    require(weight.shape[0] == p.num_signals && weight.shape[1] == p.channels / groups, kName,
            "weight must be (Q, C / groups, M_h, M_w)");
    require(out.shape[0] == p.num_images, kName, "out must have one row per image");
    p.signal = data<const float>(signal);
    p.weight = data<const float>(weight);
    p.out = data<float>(out);
    p.signal_stride = axes(signal.strides);
    p.weight_stride = axes(weight.strides);
    p.out_stride = axes(out.strides);
    p.stream = reinterpret_cast<void*>(stream);
    call.run(pysal::cuda::resampled_deconv, p);
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
    m.def("resampled_deconv", &resampled_deconv, py::arg("signal"), py::arg("weight"),
          py::arg("resized"), py::arg("pads"), py::arg("dilations"), py::arg("groups"),
          py::arg("out"), py::arg("stream"));
    pysal::cuda::bind_sampling(m);
}
