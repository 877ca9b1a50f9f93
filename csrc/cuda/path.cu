// Path gradients in two steps: the sum over nodes and channels at every pixel, then the adjoint of
// the upsampling. Orders of additions follow from S, C, H, W and the strides of one image alone, so
// the number of images changes no bit; there are no atomic additions.
#include <algorithm>
#include <numeric>

#include "cuda/layout.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "path_accumulate";
constexpr int kQuads = 64;     // threads over elements, 4 each
constexpr int kNodeLanes = 4;  // threads over nodes: lane l takes nodes l, l + 4, ...
constexpr int kTile = kQuads * kElements;
constexpr int kLargestGroup = kQuads;  // then whole pixels and whole quads fit into a tile
constexpr int64_t kNodes = 512;
constexpr int64_t kScratchBytes = 16 << 20;  // stays in the second-level cache between the steps

struct SumLaunch {
    Tensor<const float> grad, image, baseline;
    Walk walk;
    uint32_t tile;  // elements of a block: whole pixels
    uint32_t pixels, num_nodes;
    bool add;  // to what earlier nodes have left
    float* total;
    int64_t total_image;
    float weights[kNodes];
};

struct SumElements {
    int32_t grad[kElements], image[kElements], baseline[kElements];
};

// Elements first + j * step; beyond the end the last ones again, whose sums are not used.
template <bool Wide>
PYSAL_DEVICE SumElements sum_elements(const SumLaunch& p, uint32_t first, uint32_t step) {
    SumElements e;
    for (uint32_t j = 0; j < kElements; ++j) {
        const uint32_t element = Wide ? min(first, p.walk.elements - kElements) + j
                                      : min(first + j * step, p.walk.elements - 1);
        uint32_t c, y, x;
        p.walk.locate(element, c, y, x);
        e.grad[j] = p.grad.at(c, y, x);
        e.image[j] = p.image.at(c, y, x);
        e.baseline[j] = p.baseline.at(c, y, x);
    }
    return e;
}

// total += sum over k < Channels of (image - baseline) * (sum over the lane's nodes of weight *
// grad), from channel c on. Channels behind the last one are read as the last one and not added: so
// all loads of a turn are under way before the first one is waited for.
template <bool Wide, int Channels>
PYSAL_DEVICE void add_channels(const SumLaunch& p, const SumElements& e, uint32_t n, uint32_t lane,
                               uint32_t c, float total[kElements]) {
    [[maybe_unused]] constexpr int kUnroll = Channels == 1 ? 6 : 2;
    float sums[Channels][kElements] = {};
    uint32_t channel[Channels];
    for (uint32_t k = 0; k < Channels; ++k) channel[k] = min(c + k, p.walk.channels - 1);
    const float* grad = p.grad.data + n * p.grad.image + lane * p.grad.node;
#pragma unroll(kUnroll)
    for (uint32_t s = lane; s < p.num_nodes; s += kNodeLanes, grad += kNodeLanes * p.grad.node) {
        float values[Channels][kElements];
        for (int k = 0; k < Channels; ++k) {
            load(values[k], grad + p.grad.at(channel[k], 0, 0), e.grad, Wide);
        }
        for (int k = 0; k < Channels; ++k) {
            for (int j = 0; j < kElements; ++j) {
                sums[k][j] = fmaf(p.weights[s], values[k][j], sums[k][j]);
            }
        }
    }
    for (uint32_t k = 0; k < Channels && c + k < p.walk.channels; ++k) {
        float image[kElements], baseline[kElements];
        load(image, p.image.data + n * p.image.image + p.image.at(c + k, 0, 0), e.image,
             p.walk.wide_in);
        load(baseline, p.baseline.data + n * p.baseline.image + p.baseline.at(c + k, 0, 0),
             e.baseline, p.walk.wide_in);
        for (int j = 0; j < kElements; ++j) {
            total[j] = fmaf(image[j] - baseline[j], sums[k][j], total[j]);
        }
    }
}

// total = sum over nodes and channels; block (elements, node lanes), grid (tiles, images).
template <bool Wide, int Channels>
__global__ void __launch_bounds__(kTile, 3) path_sum_kernel(const __grid_constant__ SumLaunch p) {
    __shared__ float sums[kNodeLanes][kTile];
    const uint32_t quad = threadIdx.x, lane = threadIdx.y, n = blockIdx.y;
    const uint32_t first = Wide ? quad * kElements : quad, step = Wide ? 1 : kQuads;
    const SumElements e = sum_elements<Wide>(p, blockIdx.x * p.tile + first, step);
    float total[kElements] = {};
    for (uint32_t c = 0; c < p.walk.channels; c += Channels) {
        add_channels<Wide, Channels>(p, e, n, lane, c, total);
    }
    for (uint32_t j = 0; j < kElements; ++j) sums[lane][first + j * step] = total[j];
    __syncthreads();

    const uint32_t group = p.walk.group.value, tile_pixels = p.walk.group.divide(p.tile);
    const uint32_t i = lane * kQuads + quad, pixel = blockIdx.x * tile_pixels + i;
    if (i >= tile_pixels || pixel >= p.pixels) return;
    float sum = 0.0f;
    for (uint32_t c = 0; c < group; ++c) {
        for (int l = 0; l < kNodeLanes; ++l) sum += sums[l][i * group + c];
    }
    float* out = p.total + n * p.total_image + pixel;
    *out = p.add ? *out + sum : sum;
}

using SumKernel = void (*)(SumLaunch);

SumKernel sum_kernel(const Walk& walk) {
    if (walk.channels == 1) return walk.wide ? path_sum_kernel<true, 1> : path_sum_kernel<false, 1>;
    return walk.wide ? path_sum_kernel<true, 3> : path_sum_kernel<false, 3>;
}

constexpr int kColumns = 256;  // image columns that a block takes at a time
constexpr int kRowLanes = 4;   // threads over image rows

struct GatherLaunch {
    const float* total;  // (N, H, W)
    Tensor<float> out;   // (N, h, w)
    Axis rows, columns;
};

// Sum over image rows for one mask row; a lane takes every fourth.
PYSAL_DEVICE float gather_rows(const GatherLaunch& p, const float* total, uint32_t row,
                               uint32_t lane, uint32_t x) {
    float sum = 0.0f;
    const uint32_t end = p.rows.begin(row + 1);
#pragma unroll 4
    for (uint32_t y = p.rows.begin(row > 0 ? row - 1 : 0) + lane; y < end; y += kRowLanes) {
        uint32_t top;
        float weight;
        p.rows.at(y, top, weight);
        sum = fmaf(top == row ? 1.0f - weight : weight, total[y * p.columns.out + x], sum);
    }
    return sum;
}

// The adjoint of the upsampling for one mask row: block (columns, row lanes), grid (rows, images).
__global__ void __launch_bounds__(kColumns* kRowLanes)
    path_gather_kernel(const __grid_constant__ GatherLaunch p) {
    __shared__ float sums[kRowLanes][kColumns];
    // what a column of the image gives to the mask columns on its left and right
    __shared__ float to_left[kColumns], to_right[kColumns];
    const uint32_t row = blockIdx.x, n = blockIdx.y, tx = threadIdx.x, lane = threadIdx.y;
    const float* total = p.total + static_cast<int64_t>(n) * p.rows.out * p.columns.out;
    float* out = p.out.data + n * p.out.image + static_cast<int32_t>(row) * p.out.row;
    for (uint32_t x0 = 0; x0 == 0 || x0 < p.columns.out; x0 += kColumns) {
        const uint32_t stop = min(x0 + kColumns, p.columns.out), x = x0 + tx;
        sums[lane][tx] = x < stop ? gather_rows(p, total, row, lane, x) : 0.0f;
        __syncthreads();
        if (lane == 0 && x < stop) {
            const float sum = (sums[0][tx] + sums[1][tx]) + (sums[2][tx] + sums[3][tx]);
            uint32_t left;
            float weight;
            p.columns.at(x, left, weight);
            to_left[tx] = (1.0f - weight) * sum;
            to_right[tx] = weight * sum;
        }
        __syncthreads();
        for (uint32_t j = lane * kColumns + tx; j < p.columns.size; j += kColumns * kRowLanes) {
            const uint32_t begin = p.columns.begin(j), end = min(p.columns.begin(j + 1), stop);
            float* to = out + static_cast<int32_t>(j) * p.out.column;
            float sum = x0 == 0 ? 0.0f : *to;
            for (uint32_t i = max(p.columns.begin(j > 0 ? j - 1 : 0), x0); i < min(begin, stop);
                 ++i) {
                sum += to_right[i - x0];
            }
            for (uint32_t i = max(begin, x0); i < end; ++i) sum += to_left[i - x0];
            *to = sum;
        }
        __syncthreads();
    }
}

SumLaunch sum_launch(const PathParams& p) {
    SumLaunch sum = {};
    const Axes images{p.num_images, 1, p.channels, p.height, p.width};
    const Axes grads{p.num_images, p.num_nodes, p.channels, p.height, p.width};
    sum.grad = {p.grad, p.grad_stride, grads, kName};
    sum.image = {p.image, p.image_stride, images, kName};
    sum.baseline = {p.baseline, p.baseline_stride, images, kName};
    sum.walk = Walk(sum.grad, sum.image, sum.baseline, images, kLargestGroup);
    const int64_t group = sum.walk.group.value;
    const int64_t unit = sum.walk.wide ? std::lcm<int64_t>(group, kElements) : group;
    sum.tile = static_cast<uint32_t>(kTile / unit * unit);
    sum.pixels = static_cast<uint32_t>(p.height * p.width);
    return sum;
}

// Step 1 for images [n, n + images), in parts of as many nodes as a launch takes.
void sum_nodes(SumLaunch sum, const PathParams& p, int64_t n, int64_t images) {
    if (sum.pixels == 0) return;
    sum.grad.data += n * sum.grad.image;
    sum.image.data += n * sum.image.image;
    sum.baseline.data += n * sum.baseline.image;
    const dim3 grid(static_cast<uint32_t>(ceil_div(sum.walk.elements, sum.tile)),
                    static_cast<uint32_t>(images));
    for (int64_t s = 0; s == 0 || s < p.num_nodes; s += kNodes) {
        const int64_t nodes = std::min(kNodes, p.num_nodes - s);
        sum.num_nodes = static_cast<uint32_t>(nodes);
        sum.add = s > 0;
        std::copy_n(p.weights + s, nodes, sum.weights);
        launch(kName, sum_kernel(sum.walk), grid, dim3(kQuads, kNodeLanes),
               static_cast<cudaStream_t>(p.stream), sum);
        sum.grad.data += kNodes * sum.grad.node;
    }
}

}  // namespace

void path_accumulate(const PathParams& p) {
    if (p.num_images == 0) return;
    require_sizes(p.mask_height, p.height, kName);
    require_sizes(p.mask_width, p.width, kName);
    SumLaunch sum = sum_launch(p);
    const Axes masks{p.num_images, 1, 1, p.mask_height, p.mask_width};
    GatherLaunch gather{nullptr, {p.out, p.out_stride, masks, kName}, {}, {}};
    gather.rows = Axis(p.mask_height, p.height);
    gather.columns = Axis(p.mask_width, p.width);
    // a mask of the image's size is the sum itself
    const bool direct =
        p.mask_height == p.height && p.mask_width == p.width && gather.out.planar(masks);
    const auto stream = static_cast<cudaStream_t>(p.stream);
    const int64_t pixels = p.height * p.width, bytes = pixels * int64_t{sizeof(float)};
    const int64_t part = direct ? kImagesPerLaunch
                                : std::clamp<int64_t>(kScratchBytes / std::max<int64_t>(bytes, 1),
                                                      1, std::min(p.num_images, kImagesPerLaunch));
    const Scratch scratch(direct ? 0 : part * bytes, kName, stream);
    for (int64_t n = 0; n < p.num_images; n += part) {
        const int64_t images = std::min(part, p.num_images - n);
        float* out = gather.out.data + n * gather.out.image;
        sum.total = direct ? out : scratch.as<float>();
        sum.total_image = direct ? gather.out.image : pixels;
        sum_nodes(sum, p, n, images);
        if (direct) continue;
        GatherLaunch now = gather;
        now.total = sum.total;
        now.out.data = out;
        const dim3 grid(static_cast<uint32_t>(p.mask_height), static_cast<uint32_t>(images));
        launch(kName, path_gather_kernel, grid, dim3(kColumns, kRowLanes), stream, now);
    }
}

}  // namespace pysal::cuda
