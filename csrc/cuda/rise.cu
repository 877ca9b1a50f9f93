// Weighted sums of upsampled grids in two steps, as in csrc/cpu/rise.cpp: masks of one row offset
// are upsampled along the columns into one array, and these arrays along the rows. Orders of
// additions follow from the offsets alone; there are no atomic additions.
#include <algorithm>

#include "cuda/layout.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "rise_accumulate";
constexpr int kThreads = 128;
constexpr int kTaps = 3;
constexpr int64_t kScratchBytes = 16 << 20;  // stays in the second-level cache between the steps

// What a pixel takes of the nodes first, first + 1, ...: values of the grid, or of its square.
struct Taps {
    uint32_t first;
    double weight[kTaps];
};

PYSAL_DEVICE Taps taps_at(const MirroredAxis& axis, uint32_t i, bool square) {
    Taps taps;
    float weight;
    axis.at(i, taps.first, weight);
    const double t = weight, rest = 1.0 - t;
    taps.weight[0] = square ? rest * rest : rest;
    taps.weight[1] = square ? 2.0 * t * rest : t;
    taps.weight[2] = square ? t * t : 0.0;
    if (square) taps.first *= 2;
    return taps;
}

struct ColumnsLaunch {
    const float* grids;
    const int32_t* offsets;
    const double* weights;
    Axes grids_stride, offsets_stride, weights_stride;
    MirroredAxis columns;
    uint32_t versions, width, tiles;
    uint32_t node_rows, node_columns;
    uint32_t row_offsets;
    bool square;
    double* upsampled;  // (images, row offsets, node rows, W)
};

// Node (a, b) of a grid: a value, or the mean product of its neighbours; see csrc/cpu/rise.cpp.
PYSAL_DEVICE double node_at(const ColumnsLaunch& p, const float* grid, uint32_t a, uint32_t b) {
    if (!p.square) return grid[a * p.grids_stride.row + b * p.grids_stride.column];
    const float* top = grid + a / 2 * p.grids_stride.row + b / 2 * p.grids_stride.column;
    const float* bottom = top + a % 2 * p.grids_stride.row;
    const int64_t right = b % 2 * p.grids_stride.column;
    return 0.5 * (static_cast<double>(top[0]) * bottom[right] +
                  static_cast<double>(top[right]) * bottom[0]);
}

// Grid: tiles of columns, times node rows, times row offsets; images.
__global__ void __launch_bounds__(kThreads)
    rise_columns_kernel(const __grid_constant__ ColumnsLaunch p) {
    const uint32_t tile = blockIdx.x % p.tiles, rest = blockIdx.x / p.tiles;
    const uint32_t a = rest % p.node_rows, n = blockIdx.y, x = tile * kThreads + threadIdx.x;
    const int32_t row_offset = static_cast<int32_t>(rest / p.node_rows);
    if (x >= p.width) return;
    const double* weights = p.weights + n * p.weights_stride.image;
    double sum = 0.0;
#pragma unroll 4
    for (uint32_t v = 0; v < p.versions; ++v) {
        const int32_t* offset = p.offsets + v * p.offsets_stride.node;
        if (*offset != row_offset) continue;
        const uint32_t right = static_cast<uint32_t>(offset[p.offsets_stride.column]);
        const Taps taps = taps_at(p.columns, min(x + right, p.columns.out - 1), p.square);
        const float* grid = p.grids + v * p.grids_stride.node;
        double value = 0.0;
        for (uint32_t t = 0; t < kTaps; ++t) {
            if (taps.weight[t] == 0.0 || taps.first + t >= p.node_columns) continue;
            value += taps.weight[t] * node_at(p, grid, a, taps.first + t);
        }
        sum += weights[v * p.weights_stride.node] * value;
    }
    p.upsampled[(static_cast<int64_t>(n) * p.row_offsets * p.node_rows + rest) * p.width + x] = sum;
}

struct RowsLaunch {
    const double* upsampled;
    double* out;
    Axes out_stride;
    MirroredAxis rows;
    uint32_t width, tiles;
    uint32_t node_rows, row_offsets;
    bool square;
};

// Grid: tiles of columns, times rows; images.
__global__ void __launch_bounds__(kThreads) rise_rows_kernel(const __grid_constant__ RowsLaunch p) {
    const uint32_t x = blockIdx.x % p.tiles * kThreads + threadIdx.x, y = blockIdx.x / p.tiles;
    const uint32_t n = blockIdx.y;
    if (x >= p.width) return;
    const int64_t band = static_cast<int64_t>(p.node_rows) * p.width;
    const double* upsampled = p.upsampled + n * p.row_offsets * band + x;
    double sum = 0.0;
    for (uint32_t offset = 0; offset < p.row_offsets; ++offset, upsampled += band) {
        const Taps taps = taps_at(p.rows, y + offset, p.square);
        for (uint32_t t = 0; t < kTaps; ++t) {
            if (taps.weight[t] == 0.0 || taps.first + t >= p.node_rows) continue;
            sum += taps.weight[t] * upsampled[static_cast<int64_t>(taps.first + t) * p.width];
        }
    }
    p.out[n * p.out_stride.image + y * p.out_stride.row + x * p.out_stride.column] = sum;
}

}  // namespace

void rise_accumulate(const RiseParams& p) {
    if (p.num_images * p.height * p.width == 0) return;
    MirroredAxis::require_sizes(p.grid_height, p.up_height, kName);
    MirroredAxis::require_sizes(p.grid_width, p.up_width, kName);
    const int64_t step = p.square ? 2 : 1;
    const int64_t node_rows = step * (p.grid_height - 1) + 1;
    const int64_t row_offsets = p.up_height - p.height + 1, tiles = ceil_div(p.width, kThreads);
    constexpr int64_t kLimit = int64_t{1} << 31;
    require(p.num_versions < kLimit && tiles * node_rows * row_offsets < kLimit &&
                tiles * p.height < kLimit,
            kName, "there are too many grids, or they are too large");
    ColumnsLaunch columns = {};
    columns.grids = p.grids;
    columns.offsets = p.offsets;
    columns.grids_stride = p.grids_stride;
    columns.offsets_stride = p.offsets_stride;
    columns.weights_stride = p.weights_stride;
    columns.columns = MirroredAxis(p.grid_width, p.up_width);
    columns.versions = static_cast<uint32_t>(p.num_versions);
    columns.node_columns = static_cast<uint32_t>(step * (p.grid_width - 1) + 1);
    RowsLaunch rows = {};
    rows.out_stride = p.out_stride;
    rows.rows = MirroredAxis(p.grid_height, p.up_height);
    rows.width = columns.width = static_cast<uint32_t>(p.width);
    rows.tiles = columns.tiles = static_cast<uint32_t>(tiles);
    rows.node_rows = columns.node_rows = static_cast<uint32_t>(node_rows);
    rows.row_offsets = columns.row_offsets = static_cast<uint32_t>(row_offsets);
    rows.square = columns.square = p.square;

    const auto stream = static_cast<cudaStream_t>(p.stream);
    const int64_t bytes = row_offsets * node_rows * p.width * int64_t{sizeof(double)};
    const int64_t part =
        std::clamp<int64_t>(kScratchBytes / bytes, 1, std::min(p.num_images, kImagesPerLaunch));
    const Scratch scratch(part * bytes, kName, stream);
    rows.upsampled = columns.upsampled = scratch.as<double>();
    for (int64_t n = 0; n < p.num_images; n += part) {
        const auto images = static_cast<uint32_t>(std::min(part, p.num_images - n));
        columns.weights = p.weights + n * p.weights_stride.image;
        rows.out = p.out + n * p.out_stride.image;
        launch(kName, rise_columns_kernel,
               dim3(static_cast<uint32_t>(tiles * node_rows * row_offsets), images), kThreads,
               stream, columns);
        launch(kName, rise_rows_kernel, dim3(static_cast<uint32_t>(tiles * p.height), images),
               kThreads, stream, rows);
    }
}

}  // namespace pysal::cuda
