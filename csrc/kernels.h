// Plain C++ declarations of the kernels: contiguous float32 arrays, one struct of parameters each.
// What they compute is defined by pysal/kernels/reference.py.
#pragma once

#include <cstdint>

namespace pysal {

struct BlendParams {
    int64_t num_images, num_nodes, channels;  // N, S, C
    int64_t height, width;                    // H, W of the images
    int64_t mask_height, mask_width;          // h, w
    const float* image;                       // (N, C, H, W)
    const float* baseline;                    // (N, C, H, W)
    const float* masks;                       // (N, S, h, w), or (N, 1, h, w) with nodes
    const float* nodes = nullptr;             // (S,): node s uses nodes[s] * mask
    const float* noise_std = nullptr;         // (C,), or null for none
    const uint64_t* noise_seed = nullptr;     // (N,)
    uint32_t noise_step = 0, first_node = 0;  // node s draws the noise of node first_node + s
    float* out;                               // (N, S, C, H, W)
    int threads = 0;                          // 0: the OpenMP default; 1: no team is started
};

struct PathParams {
    int64_t num_images, num_nodes, channels;  // N, S, C
    int64_t height, width;                    // H, W of the images
    int64_t mask_height, mask_width;          // h, w
    const float* grad;                        // (N, S, C, H, W)
    const float* image;                       // (N, C, H, W)
    const float* baseline;                    // (N, C, H, W)
    const float* weights;                     // (S,)
    float* out;                               // (N, h, w)
    int threads = 0;
};

struct TvParams {
    int64_t num_masks, height, width;  // N, h, w
    const float* masks;                // (N, h, w)
    double exponent = 2;               // > 0
    bool mean = true;                  // divide by the number of terms
    bool isotropic = false;
    double* value;  // (N,)
    float* grad;    // (N, h, w)
    int threads = 0;
};

void blend(const BlendParams& p);
void path_accumulate(const PathParams& p);
void tv(const TvParams& p);

// Threads of a team when a call does not say; 1 in a build without OpenMP.
int max_threads();

}  // namespace pysal
