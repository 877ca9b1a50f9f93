// Plain C++ declarations of the kernels: contiguous float32 arrays, one struct of parameters each.
// What they compute is defined by pysal/kernels/reference*.py.
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

// What perturbed versions of images have in common: V of each, composed with a baseline.
struct ComposeParams {
    int64_t num_images, num_versions, channels;  // N, V, C
    int64_t height, width;                       // H, W
    const float* image;                          // (N, C, H, W)
    const float* baseline;                       // (N, C, H, W); grids only: null for zeros
    float* out;                                  // (N, V, C, H, W)
    int threads = 0;
};

struct PatchParams : ComposeParams {
    int64_t patch_height, patch_width;
    const int32_t* corners;  // (V, 2): top and left; what leaves the image is cut off
};

struct SegmentParams : ComposeParams {
    int64_t num_segments;   // S
    const int32_t* labels;  // (N, H, W); outside of 0 to S - 1 the image shows
    const uint8_t* keep;    // (N, V, S): the segment shows the image, or the baseline
};

struct GridParams : ComposeParams {
    int64_t grid_height, grid_width;  // h, w
    int64_t up_height, up_width;      // grids are upsampled to this size
    const float* grids;               // (V, h, w)
    const int32_t* offsets;           // (V, 2): row and column at which (H, W) is cut out
};

struct RankParams : ComposeParams {
    int64_t rank_height, rank_width;  // h, w
    const int32_t* ranks;             // (N, h, w)
    const int32_t* thresholds;        // (V,): cells of this rank and above show the image
};

struct RiseParams {
    int64_t num_images, num_versions;  // N, V
    int64_t grid_height, grid_width;   // h, w
    int64_t up_height, up_width;       // as in GridParams
    int64_t height, width;             // H, W
    const float* grids;                // (V, h, w)
    const int32_t* offsets;            // (V, 2)
    const double* weights;             // (N, V)
    bool square = false;               // sum the squares of the masks
    double* out;                       // (N, H, W)
    int threads = 0;
};

struct DeconvParams {
    int64_t num_images, num_signals, channels;  // N, Q, C
    int64_t signal_height, signal_width;        // of the signal
    int64_t resized_height, resized_width;      // of the signal once it is resampled
    int64_t height, width;                      // of the result
    int64_t kernel_height, kernel_width;
    int64_t dilation_height = 1, dilation_width = 1;
    int64_t pad_top = 0, pad_left = 0;
    int64_t groups = 1;
    const float* signal;  // (N, Q, signal_height, signal_width)
    const float* weight;  // (Q, C / groups, kernel_height, kernel_width)
    float* out;           // (N, C, height, width)
    int threads = 0;
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

// Threads of a team when a call does not say; 1 in a build without OpenMP.
int max_threads();

}  // namespace pysal
