// Compositions without masks in memory, and what RISE sums; see csrc/bindings.cpp.
#include "bindings.h"

namespace pysal {
namespace {

// The parts that all compositions have.
void set_images(ComposeParams& p, const Floats& image, const OptionalFloats& baseline,
                py::ssize_t versions, Floats& out, int threads) {
    check_images(image, baseline ? *baseline : image);
    p.num_images = image.shape(0);
    p.num_versions = versions;
    p.channels = image.shape(1);
    p.height = image.shape(2);
    p.width = image.shape(3);
    PYSAL_CHECK(has_shape(out, {p.num_images, versions, p.channels, p.height, p.width}),
                "out must be (N, V, C, H, W)");
    p.image = image.data();
    p.baseline = baseline ? baseline->data() : nullptr;
    p.out = out.mutable_data();
    p.threads = threads;
}

Floats patches(const Floats& image, const Floats& baseline, const Ints& corners, int64_t height,
               int64_t width, Floats out, int threads) {
    PYSAL_CHECK(corners.ndim() == 2 && corners.shape(1) == 2, "corners must be (V, 2)");
    PatchParams p;
    set_images(p, image, baseline, corners.shape(0), out, threads);
    check_size(height, width, "patches must have at least one row and one column");
    p.patch_height = height;
    p.patch_width = width;
    p.corners = corners.data();
    run(&blend_patches, p);
    return out;
}

Floats segments(const Floats& image, const Floats& baseline, const Ints& labels, const Bytes& keep,
                Floats out, int threads) {
    PYSAL_CHECK(keep.ndim() == 3, "keep must be (N, V, S)");
    SegmentParams p;
    set_images(p, image, baseline, keep.shape(1), out, threads);
    PYSAL_CHECK(has_shape(labels, {p.num_images, p.height, p.width}), "labels must be (N, H, W)");
    PYSAL_CHECK(
        keep.shape(0) == p.num_images && keep.shape(2) < std::numeric_limits<int32_t>::max(),
        "keep must have one row per image");
    p.num_segments = keep.shape(2);
    p.labels = labels.data();
    p.keep = keep.data();
    run(&blend_segments, p);
    return out;
}

// Grids, and the offsets that keep reads inside of them.
template <class Params>
void set_grids(Params& p, const Floats& grids, const Ints& offsets, int64_t up_height,
               int64_t up_width) {
    PYSAL_CHECK(grids.ndim() == 3, "grids must be (V, h, w)");
    PYSAL_CHECK(has_shape(offsets, {grids.shape(0), 2}), "offsets must be (V, 2)");
    p.grid_height = grids.shape(1);
    p.grid_width = grids.shape(2);
    p.up_height = up_height;
    p.up_width = up_width;
    check_size(p.grid_height, p.grid_width, "grids must have at least one row and one column");
    constexpr int64_t kLimit = int64_t{1} << 30;
    PYSAL_CHECK(up_height >= std::max<int64_t>(p.height, p.grid_height) && up_height < kLimit &&
                    up_width >= std::max<int64_t>(p.width, p.grid_width) && up_width < kLimit,
                "grids must be upsampled to at least (H, W)");
    const int32_t* at = offsets.data();
    for (py::ssize_t i = 0; i < offsets.shape(0); ++i, at += 2) {
        PYSAL_CHECK(at[0] >= 0 && at[0] <= up_height - p.height && at[1] >= 0 &&
                        at[1] <= up_width - p.width,
                    "an offset lies outside of the upsampled grid");
    }
    p.grids = grids.data();
    p.offsets = offsets.data();
}

Floats grids(const Floats& image, const OptionalFloats& baseline, const Floats& grids,
             const Ints& offsets, int64_t up_height, int64_t up_width, Floats out, int threads) {
    GridParams p;
    set_images(p, image, baseline, grids.ndim() ? grids.shape(0) : 0, out, threads);
    set_grids(p, grids, offsets, up_height, up_width);
    run(&blend_grids, p);
    return out;
}

Floats ranked(const Floats& image, const Floats& baseline, const Ints& ranks,
              const Ints& thresholds, Floats out, int threads) {
    PYSAL_CHECK(thresholds.ndim() == 1, "thresholds must be (V,)");
    PYSAL_CHECK(ranks.ndim() == 3, "ranks must be (N, h, w)");
    RankParams p;
    set_images(p, image, baseline, thresholds.shape(0), out, threads);
    PYSAL_CHECK(ranks.shape(0) == p.num_images, "ranks must have one row per image");
    p.rank_height = ranks.shape(1);
    p.rank_width = ranks.shape(2);
    check_size(p.rank_height, p.rank_width, "ranks must have at least one row and one column");
    p.ranks = ranks.data();
    p.thresholds = thresholds.data();
    run(&blend_ranked, p);
    return out;
}

Doubles accumulate(const Floats& grids, const Ints& offsets, const Doubles& weights,
                   int64_t up_height, int64_t up_width, int64_t height, int64_t width, bool square,
                   int threads) {
    PYSAL_CHECK(weights.ndim() == 2 && grids.ndim() == 3 && weights.shape(1) == grids.shape(0),
                "weights must be (N, V), one column per grid");
    PYSAL_CHECK(height >= 0 && width >= 0, "the size must not be negative");
    RiseParams p;
    p.num_images = weights.shape(0);
    p.num_versions = weights.shape(1);
    p.height = height;
    p.width = width;
    set_grids(p, grids, offsets, up_height, up_width);
    Doubles out({p.num_images, height, width});
    p.weights = weights.data();
    p.square = square;
    p.out = out.mutable_data();
    p.threads = threads;
    run(&rise_accumulate, p);
    return out;
}

}  // namespace

void bind_sampling(py::module_& m) {
    m.def("blend_patches", &patches, py::arg("image").noconvert(), py::arg("baseline").noconvert(),
          py::arg("corners").noconvert(), py::arg("height"), py::arg("width"),
          py::arg("out").noconvert(), py::arg("threads"));
    m.def("blend_segments", &segments, py::arg("image").noconvert(),
          py::arg("baseline").noconvert(), py::arg("labels").noconvert(),
          py::arg("keep").noconvert(), py::arg("out").noconvert(), py::arg("threads"));
    m.def("blend_grids", &grids, py::arg("image").noconvert(), py::arg("baseline").noconvert(),
          py::arg("grids").noconvert(), py::arg("offsets").noconvert(), py::arg("up_height"),
          py::arg("up_width"), py::arg("out").noconvert(), py::arg("threads"));
    m.def("blend_ranked", &ranked, py::arg("image").noconvert(), py::arg("baseline").noconvert(),
          py::arg("ranks").noconvert(), py::arg("thresholds").noconvert(),
          py::arg("out").noconvert(), py::arg("threads"));
    m.def("rise_accumulate", &accumulate, py::arg("grids").noconvert(),
          py::arg("offsets").noconvert(), py::arg("weights").noconvert(), py::arg("up_height"),
          py::arg("up_width"), py::arg("height"), py::arg("width"), py::arg("square"),
          py::arg("threads"));
}

}  // namespace pysal
