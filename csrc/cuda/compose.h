// Elements of images and baselines that a thread holds in registers while it writes versions.
#pragma once

#include <algorithm>

#include "cuda/layout.h"

namespace pysal::cuda {

constexpr int kThreads = 256;
constexpr int kTile = kThreads * kElements;
constexpr int kChannels = 3;  // that a thread holds in registers
constexpr uint32_t kMaxChannels = 65535;

// Offsets of a thread's elements in the tensors.
struct Elements {
    int32_t image[kElements], baseline[kElements], out[kElements];
    uint32_t count;  // inside the image
};

// Elements first + j * step; those behind the end are the last one again, and are not written.
// Calls pixel(j, y, x) for each.
template <class Launch, class Pixel>
PYSAL_DEVICE Elements elements_at(const Launch& p, uint32_t first, uint32_t step,
                                  const Pixel& pixel) {
    Elements e;
    e.count = 0;
    for (uint32_t j = 0; j < kElements; ++j) {
        const uint32_t element = first + j * step;
        const bool inside = element < p.walk.elements;
        uint32_t c, y, x;
        p.walk.locate(inside ? element : p.walk.elements - 1, c, y, x);
        e.image[j] = p.image.at(c, y, x);
        e.baseline[j] = p.baseline.at(c, y, x);
        e.out[j] = p.out.at(c, y, x);
        pixel(j, y, x);
        e.count += inside;
    }
    return e;
}

// Image and baseline of a thread's elements, in `count` channels from `first` on.
struct Channels {
    float image[kChannels][kElements], baseline[kChannels][kElements];
    uint32_t first, count;
};

// With `zeros` there is no baseline to be read.
template <class Launch>
PYSAL_DEVICE Channels load_channels(const Launch& p, const Elements& e, uint32_t n, uint32_t first,
                                    bool zeros = false) {
    Channels channels;
    channels.first = first;
    channels.count = min(p.walk.channels - first, uint32_t{kChannels});
    const float* image = p.image.data + n * p.image.image;
    const float* baseline = zeros ? nullptr : p.baseline.data + n * p.baseline.image;
#pragma unroll
    for (uint32_t k = 0; k < kChannels; ++k) {
        if (k < channels.count) {
            load(channels.image[k], image + p.image.at(first + k, 0, 0), e.image, p.walk.wide_in);
            if (zeros) {
                for (int j = 0; j < kElements; ++j) channels.baseline[k][j] = 0.0f;
            } else {
                load(channels.baseline[k], baseline + p.baseline.at(first + k, 0, 0), e.baseline,
                     p.walk.wide_in);
            }
        }
    }
    return channels;
}

template <bool Wide>
PYSAL_DEVICE void store(float* out, const Elements& e, const float values[kElements]) {
    if constexpr (Wide) {
        *reinterpret_cast<float4*>(out + e.out[0]) =
            make_float4(values[0], values[1], values[2], values[3]);
    } else {
        for (uint32_t j = 0; j < kElements; ++j) {
            if (j < e.count) out[e.out[j]] = values[j];
        }
    }
}

// Versions of one block: all of them, where that leaves enough blocks to fill the device.
inline int64_t split_versions(int64_t versions, int64_t blocks, const char* where) {
    constexpr int64_t kBlocksPerProcessor = 8;
    int device = 0, processors = 0;
    check(cudaGetDevice(&device), where);
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device), where);
    const int64_t parts =
        std::clamp<int64_t>(kBlocksPerProcessor * processors / blocks, 1, versions);
    return ceil_div(versions, parts);
}

}  // namespace pysal::cuda
