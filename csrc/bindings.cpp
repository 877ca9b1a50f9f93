// The kernels' own face in Python; with csrc/bindings_sampling.cpp the only files that know
// pybind11: shapes become parameters, and the lock is released. pysal/kernels/ has already checked
// what users pass; here only what keeps reads and writes inside the arrays.
#include "bindings.h"

#include <tuple>
#include <utility>

namespace {

using pysal::check_images;
using pysal::check_size;
using pysal::Floats;
using pysal::has_shape;
using pysal::OptionalFloats;
using pysal::run;
using pysal::Seeds;

constexpr const char* kMaskSize = "masks must have at least one row and one column";

Floats blend(const Floats& image, const Floats& baseline, const Floats& masks,
             const OptionalFloats& nodes, uint32_t first_node, const OptionalFloats& noise_std,
             const std::optional<Seeds>& noise_seed, uint32_t noise_step, Floats out, int threads) {
    check_images(image, baseline);
    PYSAL_CHECK(masks.ndim() == 4, "masks must be (N, S, h, w)");
    pysal::BlendParams p;
    p.num_images = image.shape(0);
    p.num_nodes = nodes ? nodes->shape(0) : masks.shape(1);
    p.channels = image.shape(1);
    p.height = image.shape(2);
    p.width = image.shape(3);
    p.mask_height = masks.shape(2);
    p.mask_width = masks.shape(3);
    PYSAL_CHECK(masks.shape(0) == p.num_images, "masks must have one row per image");
    PYSAL_CHECK(!nodes || (nodes->ndim() == 1 && masks.shape(1) == 1),
                "nodes must be (S,), with masks (N, 1, h, w)");
    PYSAL_CHECK(!noise_std || has_shape(*noise_std, {p.channels}), "noise_std must be (C,)");
    PYSAL_CHECK(noise_std.has_value() == noise_seed.has_value() &&
                    (!noise_seed || has_shape(*noise_seed, {p.num_images})),
                "noise_seed must be (N,)");
    PYSAL_CHECK(has_shape(out, {p.num_images, p.num_nodes, p.channels, p.height, p.width}),
                "out must be (N, S, C, H, W)");
    check_size(p.mask_height, p.mask_width, kMaskSize);
    p.image = image.data();
    p.baseline = baseline.data();
    p.masks = masks.data();
    p.nodes = nodes ? nodes->data() : nullptr;
    p.noise_std = noise_std ? noise_std->data() : nullptr;
    p.noise_seed = noise_seed ? noise_seed->data() : nullptr;
    p.noise_step = noise_step;
    p.first_node = first_node;
    p.out = out.mutable_data();
    p.threads = threads;
    run(&pysal::blend, p);
    return out;
}

Floats path_accumulate(const Floats& grad, const Floats& image, const Floats& baseline,
                       const Floats& weights, int64_t height, int64_t width, int threads) {
    check_images(image, baseline);
    pysal::PathParams p;
    p.num_images = image.shape(0);
    p.num_nodes = weights.ndim() == 1 ? weights.shape(0) : -1;
    p.channels = image.shape(1);
    p.height = image.shape(2);
    p.width = image.shape(3);
    p.mask_height = height;
    p.mask_width = width;
    PYSAL_CHECK(has_shape(grad, {p.num_images, p.num_nodes, p.channels, p.height, p.width}),
                "grad must be (N, S, C, H, W) with weights (S,)");
    check_size(height, width, kMaskSize);
    Floats out({p.num_images, height, width});
    p.grad = grad.data();
    p.image = image.data();
    p.baseline = baseline.data();
    p.weights = weights.data();
    p.out = out.mutable_data();
    p.threads = threads;
    run(&pysal::path_accumulate, p);
    return out;
}

py::tuple tv(const Floats& masks, double exponent, bool mean, bool isotropic, int threads) {
    PYSAL_CHECK(masks.ndim() == 3, "masks must be (N, h, w)");
    PYSAL_CHECK(exponent > 0.0, "exponent must be positive");
    pysal::TvParams p;
    p.num_masks = masks.shape(0);
    p.height = masks.shape(1);
    p.width = masks.shape(2);
    check_size(p.height, p.width, kMaskSize);
    py::array_t<double> value(p.num_masks);
    Floats grad({p.num_masks, p.height, p.width});
    p.masks = masks.data();
    p.exponent = exponent;
    p.mean = mean;
    p.isotropic = isotropic;
    p.value = value.mutable_data();
    p.grad = grad.mutable_data();
    p.threads = threads;
    run(&pysal::tv, p);
    return py::make_tuple(value, grad);
}

// Sizes along both axes.
using Pair = std::pair<int64_t, int64_t>;

// The two ends of an axis that the caller's geometry must not leave.
void check_axis(int64_t signal, int64_t resized, int64_t kernel, int64_t dilation) {
    constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
    PYSAL_CHECK(signal > 0 && kernel > 0 && dilation > 0, "sizes must be positive");
    PYSAL_CHECK(resized >= signal && resized < kLimit && resized * signal < kLimit,
                "the resampled signal is smaller than the signal, or too large");
}

Floats resampled_deconv(const Floats& signal, const Floats& weight, Pair resized, Pair pads,
                        Pair dilations, int64_t groups, Floats out, int threads) {
    PYSAL_CHECK(signal.ndim() == 4 && weight.ndim() == 4 && out.ndim() == 4,
                "signal, weight and out must have 4 axes");
    pysal::DeconvParams p;
    p.num_images = signal.shape(0);
    p.num_signals = signal.shape(1);
    p.signal_height = signal.shape(2);
    p.signal_width = signal.shape(3);
    p.kernel_height = weight.shape(2);
    p.kernel_width = weight.shape(3);
    p.channels = out.shape(1);
    p.height = out.shape(2);
    p.width = out.shape(3);
    std::tie(p.resized_height, p.resized_width) = resized;
    std::tie(p.dilation_height, p.dilation_width) = dilations;
    std::tie(p.pad_top, p.pad_left) = pads;
    p.groups = groups;
    check_axis(p.signal_height, p.resized_height, p.kernel_height, p.dilation_height);
    check_axis(p.signal_width, p.resized_width, p.kernel_width, p.dilation_width);
    PYSAL_CHECK(groups > 0 && p.num_signals % groups == 0 && p.channels % groups == 0,
                "groups must divide the channels of signal and out");
    PYSAL_CHECK(weight.shape(0) == p.num_signals && weight.shape(1) == p.channels / groups,
                "weight must be (Q, C / groups, M_h, M_w)");
    PYSAL_CHECK(out.shape(0) == p.num_images, "out must have one row per image");
    p.signal = signal.data();
    p.weight = weight.data();
    p.out = out.mutable_data();
    p.threads = threads;
    run(&pysal::resampled_deconv, p);
    return out;
}

}  // namespace

PYBIND11_MODULE(_kernels, m) {
    m.doc() = "Compiled kernels; pysal.kernels is their interface.";
    m.attr("__version__") = PYSAL_VERSION;
#ifdef _OPENMP
    m.attr("openmp") = true;
#else
    m.attr("openmp") = false;
#endif
    m.def("max_threads", &pysal::max_threads);
    // no implicit conversion: a silent copy of an output buffer would lose the result
    m.def("blend", &blend, py::arg("image").noconvert(), py::arg("baseline").noconvert(),
          py::arg("masks").noconvert(), py::arg("nodes").noconvert(), py::arg("first_node"),
          py::arg("noise_std").noconvert(), py::arg("noise_seed").noconvert(),
          py::arg("noise_step"), py::arg("out").noconvert(), py::arg("threads"));
    m.def("path_accumulate", &path_accumulate, py::arg("grad").noconvert(),
          py::arg("image").noconvert(), py::arg("baseline").noconvert(),
          py::arg("weights").noconvert(), py::arg("height"), py::arg("width"), py::arg("threads"));
    m.def("tv", &tv, py::arg("masks").noconvert(), py::arg("exponent"), py::arg("mean"),
          py::arg("isotropic"), py::arg("threads"));
    m.def("resampled_deconv", &resampled_deconv, py::arg("signal").noconvert(),
          py::arg("weight").noconvert(), py::arg("resized"), py::arg("pads"), py::arg("dilations"),
          py::arg("groups"), py::arg("out").noconvert(), py::arg("threads"));
    pysal::bind_sampling(m);
}
