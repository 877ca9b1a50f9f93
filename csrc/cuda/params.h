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

void blend(const BlendParams& p);
void path_accumulate(const PathParams& p);
void tv(const TvParams& p);

}  // namespace pysal::cuda
