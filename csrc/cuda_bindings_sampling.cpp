// Compositions without masks in memory, and what RISE sums, on CUDA; see csrc/cuda_bindings.cpp.
#include <algorithm>

#include "cuda_call.h"

namespace pysal::cuda {
namespace {

// The parts that all compositions have, but the baseline's pointer.
template <class Params>
void set_versions(Params& p, Call& call, const View& image, const View& baseline, int64_t versions,
                  const View& out, uintptr_t stream, const char* where) {
    set_images(p, call, image, baseline, where);
    call.output(out, 5);
    p.num_versions = versions;
    require(out.shape == Sizes({p.num_images, versions, p.channels, p.height, p.width}), where,
            "out must be (N, V, C, H, W)");
    p.out = data<float>(out);
    p.out_stride = axes(out.strides);
    p.stream = reinterpret_cast<void*>(stream);
}

// Strides of arrays whose axis 0 is the version.
Axes by_version(const View& view) {
    Axes stride;
    stride.node = view.strides[0];
    if (view.strides.size() == 3) stride.row = view.strides[1];
    if (view.strides.size() > 1) stride.column = view.strides.back();
    return stride;
}

void patches(const View& image, const View& baseline, const View& corners, int64_t height,
             int64_t width, const View& out, uintptr_t stream) {
    constexpr const char* kName = "blend_patches";
    Call call(kName);
    PatchParams p;
    call.input(corners, 2, "int32");
    set_versions(p, call, image, baseline, corners.shape[0], out, stream, kName);
    require(corners.shape[1] == 2, kName, "corners must be (V, 2)");
    require(height > 0 && width > 0, kName, "patches must have rows and columns");
    p.patch_height = height;
    p.patch_width = width;
    p.corners = data<const int32_t>(corners);
    p.corners_stride = by_version(corners);
    call.run(blend_patches, p);
}

void segments(const View& image, const View& baseline, const View& labels, const View& keep,
              const View& out, uintptr_t stream) {
    constexpr const char* kName = "blend_segments";
    Call call(kName);
    SegmentParams p;
    call.input(labels, 3, "int32");
    call.input(keep, 3, "uint8");
    set_versions(p, call, image, baseline, keep.shape[1], out, stream, kName);
    require(labels.shape == Sizes({p.num_images, p.height, p.width}), kName,
            "labels must be (N, H, W)");
    require(keep.shape[0] == p.num_images && keep.shape[2] < (int64_t{1} << 31), kName,
            "keep must have one row per image");
    p.num_segments = keep.shape[2];
    p.labels = data<const int32_t>(labels);
    p.keep = data<const uint8_t>(keep);
    p.labels_stride = axes(labels.strides);
    p.keep_stride = {keep.strides[0], keep.strides[1], 0, 0, keep.strides[2]};
    call.run(blend_segments, p);
}

// Grids and offsets; the kernels keep reads inside of the grids, whatever the offsets.
template <class Params>
void set_grids(Params& p, Call& call, const View& grids, const View& offsets, int64_t up_height,
               int64_t up_width, const char* where) {
    call.input(grids, 3);
    call.input(offsets, 2, "int32");
    require(offsets.shape == Sizes({grids.shape[0], 2}), where, "offsets must be (V, 2)");
    p.grid_height = grids.shape[1];
    p.grid_width = grids.shape[2];
    p.up_height = up_height;
    p.up_width = up_width;
    require(p.grid_height > 0 && p.grid_width > 0, where, "grids must have rows and columns");
    require(up_height >= std::max(p.height, p.grid_height) &&
                up_width >= std::max(p.width, p.grid_width),
            where, "grids must be upsampled to at least (H, W)");
    p.grids = data<const float>(grids);
    p.offsets = data<const int32_t>(offsets);
    p.grids_stride = by_version(grids);
    p.offsets_stride = by_version(offsets);
}

void grids(const View& image, const std::optional<View>& baseline, const View& grids,
           const View& offsets, int64_t up_height, int64_t up_width, const View& out,
           uintptr_t stream) {
    constexpr const char* kName = "blend_grids";
    Call call(kName);
    GridParams p;
    require(!grids.shape.empty(), kName, "grids must be (V, h, w)");
    set_versions(p, call, image, baseline ? *baseline : image, grids.shape[0], out, stream, kName);
    if (!baseline) p.baseline = nullptr;
    set_grids(p, call, grids, offsets, up_height, up_width, kName);
    call.run(blend_grids, p);
}

void ranked(const View& image, const View& baseline, const View& ranks, const View& thresholds,
            const View& out, uintptr_t stream) {
    constexpr const char* kName = "blend_ranked";
    Call call(kName);
    RankParams p;
    call.input(ranks, 3, "int32");
    call.input(thresholds, 1, "int32");
    set_versions(p, call, image, baseline, thresholds.shape[0], out, stream, kName);
    require(ranks.shape[0] == p.num_images, kName, "ranks must have one row per image");
    p.rank_height = ranks.shape[1];
    p.rank_width = ranks.shape[2];
    require(p.rank_height > 0 && p.rank_width > 0, kName, "ranks must have rows and columns");
    p.ranks = data<const int32_t>(ranks);
    p.thresholds = data<const int32_t>(thresholds);
    p.ranks_stride = axes(ranks.strides);
    p.thresholds_stride = by_version(thresholds);
    call.run(blend_ranked, p);
}

void accumulate(const View& grids, const View& offsets, const View& weights, int64_t up_height,
                int64_t up_width, bool square, const View& out, uintptr_t stream) {
    constexpr const char* kName = "rise_accumulate";
    Call call(kName);
    RiseParams p;
    call.input(weights, 2, "float64");
    call.output(out, 3, "float64");
    p.num_images = out.shape[0];
    p.height = out.shape[1];
    p.width = out.shape[2];
    set_grids(p, call, grids, offsets, up_height, up_width, kName);
    p.num_versions = grids.shape[0];
    require(weights.shape == Sizes({p.num_images, p.num_versions}), kName,
            "weights must be (N, V), one column per grid");
    p.weights = data<const double>(weights);
    p.out = data<double>(out);
    p.weights_stride = {weights.strides[0], weights.strides[1], 0, 0, 0};
    p.out_stride = axes(out.strides);
    p.square = square;
    p.stream = reinterpret_cast<void*>(stream);
    call.run(rise_accumulate, p);
}

}  // namespace

void bind_sampling(py::module_& m) {
    m.def("blend_patches", &patches, py::arg("image"), py::arg("baseline"), py::arg("corners"),
          py::arg("height"), py::arg("width"), py::arg("out"), py::arg("stream"));
    m.def("blend_segments", &segments, py::arg("image"), py::arg("baseline"), py::arg("labels"),
          py::arg("keep"), py::arg("out"), py::arg("stream"));
    m.def("blend_grids", &grids, py::arg("image"), py::arg("baseline"), py::arg("grids"),
          py::arg("offsets"), py::arg("up_height"), py::arg("up_width"), py::arg("out"),
          py::arg("stream"));
    m.def("blend_ranked", &ranked, py::arg("image"), py::arg("baseline"), py::arg("ranks"),
          py::arg("thresholds"), py::arg("out"), py::arg("stream"));
    m.def("rise_accumulate", &accumulate, py::arg("grids"), py::arg("offsets"), py::arg("weights"),
          py::arg("up_height"), py::arg("up_width"), py::arg("square"), py::arg("out"),
          py::arg("stream"));
}

}  // namespace pysal::cuda
