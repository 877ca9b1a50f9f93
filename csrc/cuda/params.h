// The kernels on CUDA: the parameters of csrc/kernels.h, with pointers to device memory (nodes,
// weights and noise stay on the host), plus strides in elements and a stream. What one image needs
// must fit into 32 bits; numbers of images and nodes may be any. Run on the current device.
#pragma once

#include "kernels.h"

namespace pysal::cuda {

// Sizes or strides by axis; an axis that an array does not have is of size 1.
struct Axes {
    int64_t image = 0, node = 0, channel = 0, row = 0, column = 0;
};

struct BlendParams : pysal::BlendParams {
    Axes image_stride, baseline_stride, masks_stride, out_stride;
    void* stream = nullptr;
};

struct PathParams : pysal::PathParams {
    Axes grad_stride, image_stride, baseline_stride, out_stride;
    void* stream = nullptr;
};

struct TvParams : pysal::TvParams {
    Axes masks_stride, grad_stride;
    int64_t value_stride = 1;
    void* stream = nullptr;
};

// Strides that all compositions have, and the stream.
struct ComposeStrides {
    Axes image_stride, baseline_stride, out_stride;
    void* stream = nullptr;
};

// Corners, offsets and thresholds, whose axis 0 is `node`, are on the device like all arrays.
struct PatchParams : pysal::PatchParams, ComposeStrides {
    Axes corners_stride;  // node, column
};

struct SegmentParams : pysal::SegmentParams, ComposeStrides {
    Axes labels_stride;  // image, row, column
    Axes keep_stride;    // image, node, column
};

struct GridParams : pysal::GridParams, ComposeStrides {
    Axes grids_stride;    // node, row, column
    Axes offsets_stride;  // node, column
};

struct RankParams : pysal::RankParams, ComposeStrides {
    Axes ranks_stride;       // image, row, column
    Axes thresholds_stride;  // node
};

struct RiseParams : pysal::RiseParams {
    Axes grids_stride, offsets_stride;  // as in GridParams
    Axes weights_stride;                // image, node
    Axes out_stride;                    // image, row, column
    void* stream = nullptr;
};

struct DeconvParams : pysal::DeconvParams {
    Axes signal_stride, out_stride;
    Axes weight_stride;  // image: Q, channel: C / groups, row, column
    void* stream = nullptr;
};

void blend(const BlendParams& p);
void path_accumulate(const PathParams& p);
void tv(const TvParams& p);
void blend_patches(const PatchParams& p);
void blend_segments(const SegmentParams& p);
void blend_grids(const GridParams& p);
void blend_ranked(const RankParams& p);
void rise_accumulate(const RiseParams& p);
void resampled_deconv(const DeconvParams& p);

}  // namespace pysal::cuda
