// Total variation and its gradient: every cell of a mask has its fluxes from its neighbours; sums
// of tiles are added in a fixed order.
#include <algorithm>

#include "cuda/layout.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "tv";
constexpr int kThreads = 256;
constexpr int kTile = 1024;  // cells of a block

struct TvLaunch {
    Tensor<const float> masks;
    Tensor<float> grad;
    uint32_t height, width, cells;
    Divisor columns;
    float exponent, down_factor, right_factor;
    double down_scale, right_scale;
    bool isotropic;
    uint32_t tiles;
    double2* partial;  // (N, tiles): sums of the terms down and right
    double* value;
    int64_t value_stride;
};

// |d|^b and (d / b) * its derivative: b = 1, 2, 3, or any (0). The slope is 0 where d is.
template <int Exponent>
PYSAL_DEVICE void power(float d, float b, float& term, float& slope) {
    const float size = fabsf(d);
    if constexpr (Exponent == 0) {
        term = powf(size, b);
        slope = size > 0.0f ? term / d : 0.0f;
    } else {
        slope = Exponent == 1   ? static_cast<float>((d > 0.0f) - (d < 0.0f))
                : Exponent == 2 ? d
                                : size * d;
        term = slope * d;
    }
}

// Terms of one cell, and their derivatives by its lower and its right neighbour.
struct Cell {
    float down_term, right_term, down, right;
};

template <int Exponent>
PYSAL_DEVICE Cell cell_at(const TvLaunch& p, const float* mask, uint32_t y, uint32_t x) {
    const float* here = mask + p.masks.at(0, y, x);
    // differences that would leave the mask are 0, and so are their terms
    const float down = y + 1 < p.height ? here[p.masks.row] - *here : 0.0f;
    const float right = x + 1 < p.width ? here[p.masks.column] - *here : 0.0f;
    Cell cell;
    float slope;
    if (p.isotropic) {
        const float size = sqrtf(down * down + right * right);
        power<Exponent>(size, p.exponent, cell.down_term, slope);
        const float factor = size > 0.0f ? p.down_factor * slope / size : 0.0f;
        cell.right_term = 0.0f;
        cell.down = factor * down;
        cell.right = factor * right;
    } else {
        power<Exponent>(down, p.exponent, cell.down_term, slope);
        cell.down = p.down_factor * slope;
        power<Exponent>(right, p.exponent, cell.right_term, slope);
        cell.right = p.right_factor * slope;
    }
    return cell;
}

// Sum over the threads of a block, pairwise; valid in thread 0.
__device__ double2 block_sum(double2 sum) {
    __shared__ double2 sums[kThreads];
    const uint32_t t = threadIdx.x;
    sums[t] = sum;
    __syncthreads();
    for (uint32_t half = kThreads / 2; half > 0; half /= 2) {
        if (t < half) {
            sums[t].x += sums[t + half].x;
            sums[t].y += sums[t + half].y;
        }
        __syncthreads();
    }
    return sums[0];
}

PYSAL_DEVICE void write_value(const TvLaunch& p, uint32_t n, double2 sum) {
    p.value[n * p.value_stride] = p.down_scale * sum.x + p.right_scale * sum.y;
}

template <int Exponent>
__global__ void __launch_bounds__(kThreads) tv_kernel(const __grid_constant__ TvLaunch p) {
    const uint32_t n = blockIdx.y, tile = blockIdx.x, end = min((tile + 1) * kTile, p.cells);
    const float* mask = p.masks.data + n * p.masks.image;
    float* grad = p.grad.data + n * p.grad.image;
    double2 sum = {0.0, 0.0};
    for (uint32_t i = tile * kTile + threadIdx.x; i < end; i += kThreads) {
        const uint32_t y = p.columns.divide(i), x = i - y * p.width;
        const Cell cell = cell_at<Exponent>(p, mask, y, x);
        const float above = y > 0 ? cell_at<Exponent>(p, mask, y - 1, x).down : 0.0f;
        const float before = x > 0 ? cell_at<Exponent>(p, mask, y, x - 1).right : 0.0f;
        grad[p.grad.at(0, y, x)] = (above - cell.down) + (before - cell.right);
        sum.x += cell.down_term;
        sum.y += cell.right_term;
    }
    sum = block_sum(sum);
    if (threadIdx.x != 0) return;
    if (p.tiles == 1) {
        write_value(p, n, sum);
    } else {
        p.partial[static_cast<int64_t>(n) * p.tiles + tile] = sum;
    }
}

// The sums of a mask's tiles: one block per mask.
__global__ void __launch_bounds__(kThreads) tv_value_kernel(const __grid_constant__ TvLaunch p) {
    const double2* partial = p.partial + static_cast<int64_t>(blockIdx.x) * p.tiles;
    double2 sum = {0.0, 0.0};
    for (uint32_t tile = threadIdx.x; tile < p.tiles; tile += kThreads) {
        sum.x += partial[tile].x;
        sum.y += partial[tile].y;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) write_value(p, blockIdx.x, sum);
}

using TvKernel = void (*)(TvLaunch);

TvKernel kernel_for(double exponent) {
    if (exponent == 1.0) return tv_kernel<1>;
    if (exponent == 2.0) return tv_kernel<2>;
    if (exponent == 3.0) return tv_kernel<3>;
    return tv_kernel<0>;
}

double inverse(int64_t count) { return count > 0 ? 1.0 / static_cast<double>(count) : 0.0; }

TvLaunch whole(const TvParams& p) {
    TvLaunch all = {};
    const int64_t h = p.height, w = p.width;
    const Axes size{p.num_masks, 1, 1, h, w};
    all.masks = {p.masks, p.masks_stride, size, kName};
    all.grad = {p.grad, p.grad_stride, size, kName};
    all.height = static_cast<uint32_t>(h);
    all.width = static_cast<uint32_t>(w);
    all.cells = static_cast<uint32_t>(h * w);
    all.columns = Divisor(all.width);
    all.down_scale = all.right_scale = 1.0;
    if (p.mean) {
        all.down_scale = p.isotropic ? inverse(h * w) : inverse((h - 1) * w);
        all.right_scale = inverse(h * (w - 1));
    }
    all.exponent = static_cast<float>(p.exponent);
    all.down_factor = static_cast<float>(all.down_scale * p.exponent);
    all.right_factor = static_cast<float>(all.right_scale * p.exponent);
    all.isotropic = p.isotropic;
    all.tiles = static_cast<uint32_t>(ceil_div(h * w, kTile));
    all.value = p.value;
    all.value_stride = p.value_stride;
    return all;
}

}  // namespace

void tv(const TvParams& p) {
    if (p.num_masks == 0) return;
    require(p.height * p.width < (int64_t{1} << 31) - kTile, kName, "masks are too large");
    TvLaunch all = whole(p);
    const auto stream = static_cast<cudaStream_t>(p.stream);
    const int64_t part = std::min(p.num_masks, kImagesPerLaunch);
    const Scratch scratch(all.tiles > 1 ? part * all.tiles * sizeof(double2) : 0, kName, stream);
    all.partial = scratch.as<double2>();
    for (int64_t n = 0; n < p.num_masks; n += part) {
        const auto masks = static_cast<uint32_t>(std::min(part, p.num_masks - n));
        launch(kName, kernel_for(p.exponent), dim3(all.tiles, masks), kThreads, stream, all);
        if (all.tiles > 1) launch(kName, tv_value_kernel, dim3(masks), kThreads, stream, all);
        all.masks.data += part * all.masks.image;
        all.grad.data += part * all.grad.image;
        all.value += part * all.value_stride;
    }
}

}  // namespace pysal::cuda
