// Transposed convolution, stride 1, of a signal resampled to nearest neighbours: a thread has one
// pixel in 4 channels. Neighbours in a row read neighbours, or the same pixel, of the signal.
#include <algorithm>

#include "cuda/layout.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "resampled_deconv";
constexpr int kThreads = 128;
constexpr int kChannels = 4;  // of one thread, in one group

// Source pixel of a resampled one: that in which its centre lies.
struct Nearest {
    uint32_t size = 1, resized = 1;
    Divisor twice;

    Nearest() = default;
    Nearest(int64_t in, int64_t out)
        : size(static_cast<uint32_t>(in)),
          resized(static_cast<uint32_t>(out)),
          twice(2 * static_cast<uint32_t>(out)) {}
    PYSAL_DEVICE uint32_t at(uint32_t i) const { return twice.divide((2 * i + 1) * size); }
};

struct DeconvLaunch {
    Tensor<const float> signal;
    Tensor<float> out;
    const float* weight;
    Axes weight_stride;
    Nearest rows, columns;
    Divisor width;
    uint32_t pixels;
    int32_t kernel_height, kernel_width, dilation_height, dilation_width, pad_top, pad_left;
    uint32_t signals, channels, blocks;  // of one group; blocks of kChannels
};

// Adds tap (u, v) of all signals of the group.
PYSAL_DEVICE void add_tap(const DeconvLaunch& p, const float* signal, const float* weight,
                          uint32_t count, float sums[kChannels]) {
#pragma unroll 4
    for (uint32_t q = 0; q < p.signals; ++q) {
        const float value = signal[static_cast<int32_t>(q) * p.signal.channel];
        const float* w = weight + q * p.weight_stride.image;
        for (uint32_t k = 0; k < kChannels; ++k) {
            if (k < count) sums[k] = fmaf(w[k * p.weight_stride.channel], value, sums[k]);
        }
    }
}

// Grid: tiles of pixels, blocks of channels of all groups, images.
__global__ void __launch_bounds__(kThreads) deconv_kernel(const __grid_constant__ DeconvLaunch p) {
    const uint32_t pixel = blockIdx.x * kThreads + threadIdx.x, n = blockIdx.z;
    if (pixel >= p.pixels) return;
    const uint32_t y = p.width.divide(pixel), x = pixel - y * p.width.value;
    const uint32_t group = blockIdx.y / p.blocks, first = blockIdx.y % p.blocks * kChannels;
    const uint32_t count = min(p.channels - first, uint32_t{kChannels});
    const float* signal = p.signal.data + n * p.signal.image + p.signal.at(group * p.signals, 0, 0);
    const float* weight = p.weight +
                          static_cast<int64_t>(group) * p.signals * p.weight_stride.image +
                          first * p.weight_stride.channel;
    float sums[kChannels] = {};
    for (int32_t u = 0; u < p.kernel_height; ++u) {
        const auto i =
            static_cast<uint32_t>(static_cast<int32_t>(y) + p.pad_top - u * p.dilation_height);
        if (i >= p.rows.resized) continue;
        for (int32_t v = 0; v < p.kernel_width; ++v) {
            const auto j =
                static_cast<uint32_t>(static_cast<int32_t>(x) + p.pad_left - v * p.dilation_width);
            if (j >= p.columns.resized) continue;
            add_tap(p, signal + p.signal.at(0, p.rows.at(i), p.columns.at(j)),
                    weight + u * p.weight_stride.row + v * p.weight_stride.column, count, sums);
        }
    }
    float* out = p.out.data + n * p.out.image + p.out.at(group * p.channels + first, y, x);
    for (uint32_t k = 0; k < count; ++k) out[static_cast<int32_t>(k) * p.out.channel] = sums[k];
}

}  // namespace

void resampled_deconv(const DeconvParams& p) {
    if (p.num_images * p.channels * p.height * p.width == 0) return;
    constexpr int64_t kLimit = int64_t{1} << 31;
    const auto fits = [](int64_t size, int64_t resized, int64_t kernel, int64_t dilation) {
        return 2 * resized * size < kLimit && kernel * dilation < kLimit / 2;
    };
    require(fits(p.signal_height, p.resized_height, p.kernel_height, p.dilation_height) &&
                fits(p.signal_width, p.resized_width, p.kernel_width, p.dilation_width) &&
                p.pad_top < kLimit / 4 && p.pad_left < kLimit / 4,
            kName, "the signal or the filters are too large for the kernels on CUDA");
    const int64_t channels = p.channels / p.groups, blocks = ceil_div(channels, kChannels);
    require(blocks * p.groups < 65536, kName, "there are too many channels");
    const Axes signals{p.num_images, 1, p.num_signals, p.signal_height, p.signal_width};
    const Axes results{p.num_images, 1, p.channels, p.height, p.width};
    DeconvLaunch all = {};
    all.signal = {p.signal, p.signal_stride, signals, kName};
    all.out = {p.out, p.out_stride, results, kName};
    all.weight = p.weight;
    all.weight_stride = p.weight_stride;
    all.rows = Nearest(p.signal_height, p.resized_height);
    all.columns = Nearest(p.signal_width, p.resized_width);
    all.width = Divisor(static_cast<uint32_t>(p.width));
    all.pixels = static_cast<uint32_t>(p.height * p.width);
    all.kernel_height = static_cast<int32_t>(p.kernel_height);
    all.kernel_width = static_cast<int32_t>(p.kernel_width);
    all.dilation_height = static_cast<int32_t>(p.dilation_height);
    all.dilation_width = static_cast<int32_t>(p.dilation_width);
    all.pad_top = static_cast<int32_t>(p.pad_top);
    all.pad_left = static_cast<int32_t>(p.pad_left);
    all.signals = static_cast<uint32_t>(p.num_signals / p.groups);
    all.channels = static_cast<uint32_t>(channels);
    all.blocks = static_cast<uint32_t>(blocks);
    for (int64_t n = 0; n < p.num_images; n += kImagesPerLaunch) {
        const dim3 grid(static_cast<uint32_t>(ceil_div(all.pixels, kThreads)),
                        static_cast<uint32_t>(blocks * p.groups),
                        static_cast<uint32_t>(std::min(kImagesPerLaunch, p.num_images - n)));
        DeconvLaunch part = all;
        part.signal.data += n * part.signal.image;
        part.out.data += n * part.out.image;
        launch(kName, deconv_kernel, grid, kThreads, static_cast<cudaStream_t>(p.stream), part);
    }
}

}  // namespace pysal::cuda
