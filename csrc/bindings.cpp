// The only file that knows pybind11: shapes become parameters, and the lock is released.
// pysal/kernels/__init__.py has already checked what users pass; here only what keeps reads and
// writes inside the arrays.
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

namespace {

using Floats = py::array_t<float, py::array::c_style>;
using Seeds = py::array_t<uint64_t, py::array::c_style>;
using OptionalFloats = std::optional<Floats>;

bool has_shape(const py::array& array, std::initializer_list<py::ssize_t> shape) {
    return array.ndim() == static_cast<py::ssize_t>(shape.size()) &&
           std::equal(shape.begin(), shape.end(), array.shape());
}

void check_images(const Floats& image, const Floats& baseline) {
    PYSAL_CHECK(image.ndim() == 4, "image must be (N, C, H, W)");
    PYSAL_CHECK(
        baseline.ndim() == 4 && std::equal(image.shape(), image.shape() + 4, baseline.shape()),
        "baseline must have the shape of image");
}

void check_mask_size(py::ssize_t height, py::ssize_t width) {
    constexpr py::ssize_t kLimit = std::numeric_limits<int32_t>::max();
    PYSAL_CHECK(height > 0 && width > 0 && height < kLimit && width < kLimit,
                "masks must have at least one row and one column");
}

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
    check_mask_size(p.mask_height, p.mask_width);
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
    {
        py::gil_scoped_release release;
        pysal::blend(p);
    }
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
    check_mask_size(height, width);
    Floats out({p.num_images, height, width});
    p.grad = grad.data();
    p.image = image.data();
    p.baseline = baseline.data();
    p.weights = weights.data();
    p.out = out.mutable_data();
    p.threads = threads;
    {
        py::gil_scoped_release release;
        pysal::path_accumulate(p);
    }
    return out;
}

py::tuple tv(const Floats& masks, double exponent, bool mean, bool isotropic, int threads) {
    PYSAL_CHECK(masks.ndim() == 3, "masks must be (N, h, w)");
    PYSAL_CHECK(exponent > 0.0, "exponent must be positive");
    pysal::TvParams p;
    p.num_masks = masks.shape(0);
    p.height = masks.shape(1);
    p.width = masks.shape(2);
    check_mask_size(p.height, p.width);
    py::array_t<double> value(p.num_masks);
    Floats grad({p.num_masks, p.height, p.width});
    p.masks = masks.data();
    p.exponent = exponent;
    p.mean = mean;
    p.isotropic = isotropic;
    p.value = value.mutable_data();
    p.grad = grad.mutable_data();
    p.threads = threads;
    {
        py::gil_scoped_release release;
        pysal::tv(p);
    }
    return py::make_tuple(value, grad);
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
}
