// Path gradients: sum over nodes and channels, then the adjoint of the upsampling, in one pass.
#include <algorithm>
#include <memory>

#include "cpu/axis.h"
#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "kernels.h"

namespace pysal {
namespace {

PYSAL_SIMD void subtract(float* __restrict out, const float* __restrict a,
                         const float* __restrict b, int64_t count) {
    for (int64_t i = 0; i < count; ++i) out[i] = a[i] - b[i];
}

// sum += weight * sum_c difference[c] * grad[c]
PYSAL_SIMD void add_node(float* __restrict sum, float weight, const float* __restrict difference,
                         int64_t difference_stride, const float* __restrict grad,
                         int64_t grad_stride, int64_t channels, int64_t count) {
    constexpr int64_t kBlock = 256;
    float dot[kBlock];
    for (int64_t begin = 0; begin < count; begin += kBlock) {
        const int64_t size = std::min(kBlock, count - begin);
        for (int64_t i = 0; i < size; ++i) dot[i] = 0.0f;
        for (int64_t c = 0; c < channels; ++c) {
            const float* d = difference + c * difference_stride + begin;
            const float* g = grad + c * grad_stride + begin;
            for (int64_t i = 0; i < size; ++i) dot[i] += d[i] * g[i];
        }
        for (int64_t i = 0; i < size; ++i) sum[begin + i] += weight * dot[i];
    }
}

// The adjoint of the upsampling, fed with image rows in order; writes mask rows [begin, end).
class MaskRows {
  public:
    MaskRows(const Axis& columns, int64_t mask_width, int64_t begin, int64_t end, float* out)
        : columns_(columns),
          mask_width_(mask_width),
          width_(columns.first.size()),
          begin_(begin),
          end_(end),
          out_(out),
          memory_(new float[2 * width_]) {
        std::fill(out + begin * mask_width, out + end * mask_width, 0.0f);
    }

    void add(int64_t index, float weight, const float* row) {
        if (index < begin_ || index >= end_ || weight == 0.0f) return;
        float* sum = memory_.get() + (index & 1) * width_;
        if (held_[index & 1] != index) {
            flush(index & 1);
            std::fill(sum, sum + width_, 0.0f);
            held_[index & 1] = index;
        }
        add_scaled(sum, weight, row, width_);
    }

    void finish() {
        flush(0);
        flush(1);
    }

  private:
    void flush(int64_t slot) {
        if (held_[slot] < 0) return;
        const float* sum = memory_.get() + slot * width_;
        float* out = out_ + held_[slot] * mask_width_;
        if (columns_.identity) {
            std::copy(sum, sum + width_, out);
            return;
        }
        // pixels with the same two mask columns are neighbours: two sums for each such run
        for (int64_t x = 0; x < width_;) {
            const int32_t left = columns_.first[x], right = columns_.second[x];
            float to_left = 0.0f, to_right = 0.0f;
            for (; x < width_ && columns_.first[x] == left; ++x) {
                to_left += (1.0f - columns_.weight[x]) * sum[x];
                to_right += columns_.weight[x] * sum[x];
            }
            out[left] += to_left;
            out[right] += to_right;
        }
    }

    const Axis& columns_;
    int64_t mask_width_, width_, begin_, end_;
    int64_t held_[2] = {-1, -1};
    float* out_;
    std::unique_ptr<float[]> memory_;  // sums of the two mask rows in progress
};

// Mask rows [begin, end) of image n.
void path_band(const PathParams& p, const Axis& rows, const Axis& columns, int64_t n, int64_t begin,
               int64_t end) {
    const int64_t plane = p.height * p.width, tile = tile_rows(p.width), size = tile * p.width;
    std::unique_ptr<float[]> memory(new float[(p.channels + 1) * size]);
    float *sum = memory.get(), *difference = sum + size;
    MaskRows out(columns, p.mask_width, begin, end, p.out + n * p.mask_height * p.mask_width);
    int64_t y = 0, stop = 0;
    while (y < p.height && rows.second[y] < begin) ++y;
    while (stop < p.height && rows.first[stop] < end) ++stop;
    for (; y < stop; y += tile) {
        const int64_t last = std::min(y + tile, stop), count = (last - y) * p.width;
        std::fill(sum, sum + count, 0.0f);
        for (int64_t c = 0; c < p.channels; ++c) {
            const int64_t from = (n * p.channels + c) * plane + y * p.width;
            subtract(difference + c * size, p.image + from, p.baseline + from, count);
        }
        for (int64_t s = 0; s < p.num_nodes; ++s) {
            const float* grad = p.grad + (n * p.num_nodes + s) * p.channels * plane + y * p.width;
            add_node(sum, p.weights[s], difference, size, grad, plane, p.channels, count);
        }
        for (int64_t row = y; row < last; ++row) {
            const float* values = sum + (row - y) * p.width;
            out.add(rows.first[row], 1.0f - rows.weight[row], values);
            out.add(rows.second[row], rows.weight[row], values);
        }
    }
    out.finish();
}

}  // namespace

void path_accumulate(const PathParams& p) {
    if (p.num_images == 0) return;
    const Axis rows(p.mask_height, p.height), columns(p.mask_width, p.width);
    // Bands of mask rows share the image rows at their borders, which are then summed twice: so no
    // more bands than keep every thread busy.
    const int64_t team = team_size(p.threads, p.num_images * p.mask_height);
    const int64_t bands =
        team > p.num_images ? std::min((team + p.num_images - 1) / p.num_images, p.mask_height) : 1;
    parallel_for(p.num_images * bands, p.threads, [&](int64_t task) {
        const int64_t band = task % bands;
        path_band(p, rows, columns, task / bands, band * p.mask_height / bands,
                  (band + 1) * p.mask_height / bands);
    });
}

}  // namespace pysal
