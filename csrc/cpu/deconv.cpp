// Transposed convolution, stride 1, of a signal resampled to nearest neighbours, which is not
// stored: products with the filters are taken at the signal's own resolution, once per source
// pixel instead of once per repetition, and then spread. Order of additions: signals in fours,
// taps down, taps right; it depends neither on threads nor on the number of images.
#include <algorithm>
#include <memory>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/rows.h"
#include "kernels.h"

namespace pysal {
namespace {

constexpr int kQuad = 4;               // signals, and filter taps, that one loop takes
constexpr int64_t kTaps = 36;          // filter taps of a task, about: channels * M_h * M_w
constexpr int64_t kSourceBlock = 512;  // source pixels of a block, about

// s_m += sum_k w[k * weight_stride + m] * g_k
PYSAL_SIMD void add_products(float* __restrict s0, float* __restrict s1, float* __restrict s2,
                             float* __restrict s3, const float* __restrict weight,
                             int64_t weight_stride, const float* __restrict g0,
                             const float* __restrict g1, const float* __restrict g2,
                             const float* __restrict g3, int64_t count) {
    const float *w0 = weight, *w1 = w0 + weight_stride, *w2 = w1 + weight_stride;
    const float* w3 = w2 + weight_stride;
    const float a0 = w0[0], a1 = w1[0], a2 = w2[0], a3 = w3[0];
    const float b0 = w0[1], b1 = w1[1], b2 = w2[1], b3 = w3[1];
    const float c0 = w0[2], c1 = w1[2], c2 = w2[2], c3 = w3[2];
    const float d0 = w0[3], d1 = w1[3], d2 = w2[3], d3 = w3[3];
    for (int64_t j = 0; j < count; ++j) {
        const float x0 = g0[j], x1 = g1[j], x2 = g2[j], x3 = g3[j];
        s0[j] += (a0 * x0 + a1 * x1) + (a2 * x2 + a3 * x3);
        s1[j] += (b0 * x0 + b1 * x1) + (b2 * x2 + b3 * x3);
        s2[j] += (c0 * x0 + c1 * x1) + (c2 * x2 + c3 * x3);
        s3[j] += (d0 * x0 + d1 * x1) + (d2 * x2 + d3 * x3);
    }
}

// The same for one tap.
PYSAL_SIMD void add_product(float* __restrict sum, const float* __restrict weight,
                            int64_t weight_stride, const float* __restrict g0,
                            const float* __restrict g1, const float* __restrict g2,
                            const float* __restrict g3, int64_t count) {
    const float a0 = weight[0], a1 = weight[weight_stride], a2 = weight[2 * weight_stride];
    const float a3 = weight[3 * weight_stride];
    for (int64_t j = 0; j < count; ++j) {
        sum[j] += (a0 * g0[j] + a1 * g1[j]) + (a2 * g2[j] + a3 * g3[j]);
    }
}

PYSAL_SIMD void add_row(float* __restrict sum, const float* __restrict row, int64_t count) {
    for (int64_t i = 0; i < count; ++i) sum[i] += row[i];
}

PYSAL_SIMD void add_gathered(float* __restrict sum, const float* __restrict row,
                             const int32_t* __restrict index, int64_t count) {
    for (int64_t i = 0; i < count; ++i) sum[i] += row[index[i]];
}

// Source pixel of every pixel of a resampled axis: the one in which its centre lies.
std::vector<int32_t> nearest(int64_t size, int64_t resized) {
    std::vector<int32_t> source(resized);
    for (int64_t i = 0; i < resized; ++i) {
        source[i] = static_cast<int32_t>((2 * i + 1) * size / (2 * resized));
    }
    return source;
}

// Rows [begin, end) of some channels of one image's result.
class Band {
  public:
    Band(const DeconvParams& p, const std::vector<int32_t>& rows,
         const std::vector<int32_t>& columns, int64_t image, int64_t channel, int64_t channels)
        : p_(p),
          rows_(rows),
          columns_(columns),
          image_(image),
          channel_(channel),
          channels_(channels),
          area_(p.kernel_height * p.kernel_width),
          signals_(p.num_signals / p.groups) {}

    void run(int64_t begin, int64_t end) {
        const int64_t step =
            std::max<int64_t>(kSourceBlock / std::max<int64_t>(p_.signal_width, 1), 1);
        capacity_ = std::min(span() + step, p_.signal_height);
        products_.reset(new float[channels_ * area_ * capacity_ * p_.signal_width]);
        row_.reset(new float[p_.signal_width]);
        for (int64_t y = begin; y < end; ++y) {
            const auto [low, high] = source_rows(y);
            if (low <= high) provide(low, high, step, last_row(end));
            for (int64_t c = 0; c < channels_; ++c) write_row(c, y);
        }
    }

  private:
    // Resampled row that tap u of result row y reads.
    int64_t resampled(int64_t y, int64_t u) const {
        return y + p_.pad_top - u * p_.dilation_height;
    }

    // Source rows that result row y needs; low > high where there are none.
    std::pair<int64_t, int64_t> source_rows(int64_t y) const {
        const int64_t low = std::max<int64_t>(resampled(y, p_.kernel_height - 1), 0);
        const int64_t high = std::min(resampled(y, 0), p_.resized_height - 1);
        if (low > high) return {1, 0};
        return {rows_[low], rows_[high]};
    }

    // The last one that rows before `end` need.
    int64_t last_row(int64_t end) const {
        return rows_[std::clamp<int64_t>(resampled(end - 1, 0), 0, p_.resized_height - 1)];
    }

    // Source rows that one result row can need at most.
    int64_t span() const {
        const int64_t reach = (p_.kernel_height - 1) * p_.dilation_height;
        return reach * p_.signal_height / p_.resized_height + 2;
    }

    // Makes the products of source rows low to high be there; those below low are given up.
    void provide(int64_t low, int64_t high, int64_t step, int64_t last) {
        if (high < first_ + count_) return;
        const int64_t kept = std::max<int64_t>(first_ + count_ - low, 0);
        const int64_t width = p_.signal_width;
        for (int64_t m = 0; kept > 0 && m < channels_ * area_; ++m) {
            float* row = products_.get() + m * capacity_ * width;
            std::copy(row + (low - first_) * width, row + count_ * width, row);
        }
        const int64_t begin = low + kept;
        const int64_t end = std::min(std::max(high + 1, begin + step), last + 1);
        first_ = low;
        count_ = end - low;
        multiply(begin, end);
    }

    // Products of source rows [begin, end) with all taps of all channels.
    void multiply(int64_t begin, int64_t end) {
        const int64_t plane = p_.signal_height * p_.signal_width, taps = channels_ * area_;
        const int64_t count = (end - begin) * p_.signal_width, stride = capacity_ * p_.signal_width;
        const int64_t group_channels = p_.channels / p_.groups;
        const int64_t group = channel_ / group_channels, q0 = group * signals_;
        const float* signal =
            p_.signal + (image_ * p_.num_signals + q0) * plane + begin * p_.signal_width;
        const int64_t weight_stride = group_channels * area_;
        const float* weight =
            p_.weight + q0 * weight_stride + (channel_ - group * group_channels) * area_;
        float* to = products_.get() + (begin - first_) * p_.signal_width;
        for (int64_t m = 0; m < taps; ++m) std::fill_n(to + m * stride, count, 0.0f);
        const int64_t quads = signals_ / kQuad * kQuad;
        for (int64_t m = 0, size; m < taps; m += size) {
            size = taps - m < kQuad ? 1 : kQuad;
            float* s = to + m * stride;
            for (int64_t q = 0; q < quads; q += kQuad) {
                const float *g = signal + q * plane, *w = weight + q * weight_stride + m;
                if (size == kQuad) {
                    add_products(s, s + stride, s + 2 * stride, s + 3 * stride, w, weight_stride, g,
                                 g + plane, g + 2 * plane, g + 3 * plane, count);
                } else {
                    add_product(s, w, weight_stride, g, g + plane, g + 2 * plane, g + 3 * plane,
                                count);
                }
            }
            for (int64_t q = quads; q < signals_; ++q) {
                for (int64_t k = 0; k < size; ++k) {
                    add_scaled(s + k * stride, weight[q * weight_stride + m + k],
                               signal + q * plane, count);
                }
            }
        }
    }

    // Row y of channel c: taps of one column first, at the resolution of the signal.
    void write_row(int64_t c, int64_t y) {
        float* out = p_.out + ((image_ * p_.channels + channel_ + c) * p_.height + y) * p_.width;
        std::fill_n(out, p_.width, 0.0f);
        for (int64_t v = 0; v < p_.kernel_width; ++v) {
            const int64_t shift = p_.pad_left - v * p_.dilation_width;
            const int64_t begin = std::max<int64_t>(-shift, 0);
            const int64_t end = std::min(p_.resized_width - shift, p_.width);
            const float* row = begin < end ? column_sum(c, y, v) : nullptr;
            if (row) add_gathered(out + begin, row, columns_.data() + begin + shift, end - begin);
        }
    }

    // Sum of the products of taps (., v) that row y reads; null where there are none.
    const float* column_sum(int64_t c, int64_t y, int64_t v) {
        const int64_t width = p_.signal_width;
        const float* only = nullptr;
        int64_t found = 0;
        for (int64_t u = 0; u < p_.kernel_height; ++u) {
            const int64_t i = resampled(y, u);
            if (i < 0 || i >= p_.resized_height) continue;
            const int64_t m = c * area_ + u * p_.kernel_width + v;
            const float* row = products_.get() + (m * capacity_ + rows_[i] - first_) * width;
            if (++found == 1) {
                only = row;
                continue;
            }
            if (found == 2) std::copy(only, only + width, row_.get());
            add_row(row_.get(), row, width);
        }
        return found > 1 ? row_.get() : only;
    }

    const DeconvParams& p_;
    const std::vector<int32_t>&rows_, &columns_;
    int64_t image_, channel_, channels_, area_, signals_;
    int64_t capacity_ = 0, first_ = 0, count_ = 0;  // source rows: room, and those there are
    std::unique_ptr<float[]> products_;             // (channels, taps, capacity, signal_width)
    std::unique_ptr<float[]> row_;
};

}  // namespace

void resampled_deconv(const DeconvParams& p) {
    const auto rows = nearest(p.signal_height, p.resized_height);
    const auto columns = nearest(p.signal_width, p.resized_width);
    // a task has channels of one group
    const int64_t group_channels = p.channels / p.groups, area = p.kernel_height * p.kernel_width;
    const int64_t step = std::clamp<int64_t>(kTaps / area, 1, std::max<int64_t>(group_channels, 1));
    const int64_t blocks = (group_channels + step - 1) / step * p.groups;
    if (p.num_images * blocks * p.height * p.width == 0) return;
    // source rows at the borders of bands are multiplied twice: no more bands than keep threads
    // busy
    const int64_t tasks = p.num_images * blocks, team = team_size(p.threads, tasks * p.height);
    const int64_t bands = team > tasks ? std::min((team + tasks - 1) / tasks, p.height) : 1;
    parallel_for(tasks * bands, p.threads, [&](int64_t task) {
        const int64_t band = task % bands, block = task / bands % blocks;
        const int64_t per_group = blocks / p.groups;
        const int64_t inside = block % per_group * step;
        const int64_t channel = block / per_group * group_channels + inside;
        Band work(p, rows, columns, task / bands / blocks, channel,
                  std::min(step, group_channels - inside));
        work.run(band * p.height / bands, (band + 1) * p.height / bands);
    });
}

}  // namespace pysal
