// Weighted sums of upsampled grids, and of their squares, without a pass over the image per grid.
//
// Upsampling is linear and separable: grids of equal offset are added first; what has one row
// offset is upsampled along the columns into one array, and these arrays along the rows into the
// result. A square of a mask is linear in the products of neighbouring grid values, which form a
// grid with a node per value and one per gap: (1 - t)^2 a a + 2 t (1 - t) a b + t^2 b b.
#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "cpu/axis.h"
#include "cpu/parallel.h"
#include "kernels.h"

namespace pysal {
namespace {

constexpr int kTaps = 3;

// Output i is the sum of nodes first[i] + t, times weight[t][i].
struct Taps {
    std::vector<int32_t> first;
    std::vector<double> weight[kTaps];

    Taps(const Axis& axis, bool square) : first(axis.first) {
        for (auto& w : weight) w.resize(first.size());
        for (size_t i = 0; i < first.size(); ++i) {
            const double t = axis.weight[i], rest = 1.0 - t;
            weight[0][i] = square ? rest * rest : rest;
            weight[1][i] = square ? 2.0 * t * rest : t;
            weight[2][i] = square ? t * t : 0.0;
            if (square) first[i] *= 2;
        }
    }
};

// sum[i] += sum_t weight[t][i] * node[t], for outputs that have the same nodes
PYSAL_SIMD void add_run(double* __restrict sum, const double* __restrict w0,
                        const double* __restrict w1, const double* __restrict w2,
                        const double* __restrict node, int64_t count) {
    const double a = node[0], b = node[1], c = node[2];
    for (int64_t i = 0; i < count; ++i) sum[i] += w0[i] * a + w1[i] * b + w2[i] * c;
}

PYSAL_SIMD void add_weighted(double* __restrict sum, double weight, const double* __restrict row,
                             int64_t count) {
    for (int64_t i = 0; i < count; ++i) sum[i] += weight * row[i];
}

// Grids of one offset, at order[begin..end); and those of one row offset, at groups[begin..end).
struct Group {
    int32_t row, column;
    int64_t begin, end;
};

template <class Items, class Key>
std::vector<Group> runs(const Items& items, const Key& key) {
    std::vector<Group> found;
    for (size_t i = 0; i < items.size(); ++i) {
        const auto [row, column] = key(items[i]);
        if (found.empty() || found.back().row != row || found.back().column != column) {
            found.push_back({row, column, static_cast<int64_t>(i), 0});
        }
        found.back().end = static_cast<int64_t>(i) + 1;
    }
    return found;
}

class Sum {
  public:
    explicit Sum(const RiseParams& p)
        : p_(p),
          step_(p.square ? 2 : 1),
          node_rows_(step_ * (p.grid_height - 1) + 1),
          node_columns_(step_ * (p.grid_width - 1) + 1),
          rows_(Axis::mirrored(p.grid_height, p.up_height), p.square),
          columns_(Axis::mirrored(p.grid_width, p.up_width), p.square),
          order_(p.num_versions) {
        std::iota(order_.begin(), order_.end(), int64_t{0});
        const auto offset = [&](int64_t i) {
            return std::make_pair(p.offsets[2 * i], p.offsets[2 * i + 1]);
        };
        std::stable_sort(order_.begin(), order_.end(),
                         [&](int64_t a, int64_t b) { return offset(a) < offset(b); });
        groups_ = runs(order_, offset);
        bands_ = runs(groups_, [](const Group& group) { return std::make_pair(group.row, 0); });
        upsampled_.resize(bands_.size() * node_rows_ * p.width);
    }

    // The sum for image n.
    void add(int64_t n) {
        parallel_for(static_cast<int64_t>(bands_.size()), p_.threads,
                     [&](int64_t band) { along_columns(n, band); });
        const int64_t rows = tile_rows(p_.width), tiles = (p_.height + rows - 1) / rows;
        parallel_for(tiles, p_.threads, [&](int64_t tile) {
            const int64_t end = std::min((tile + 1) * rows, p_.height);
            for (int64_t y = tile * rows; y < end; ++y) along_rows(n, y);
        });
    }

  private:
    double* band_rows(int64_t band) { return upsampled_.data() + band * node_rows_ * p_.width; }

    // Nodes of the sum of a group's grids, with kTaps - 1 zeros behind each row.
    void add_grids(int64_t n, const Group& group, double* nodes) const {
        const int64_t width = node_columns_ + kTaps - 1, size = p_.grid_height * p_.grid_width;
        std::fill(nodes, nodes + node_rows_ * width, 0.0);
        for (int64_t k = group.begin; k < group.end; ++k) {
            const double weight = p_.weights[n * p_.num_versions + order_[k]];
            const float* grid = p_.grids + order_[k] * size;
            for (int64_t a = 0; a < node_rows_; ++a) {
                for (int64_t b = 0; b < node_columns_; ++b) {
                    nodes[a * width + b] +=
                        weight * (p_.square ? product(grid, a, b) : grid[a * p_.grid_width + b]);
                }
            }
        }
    }

    // Node of the squares: the mean product of the values above and below, left and right.
    double product(const float* grid, int64_t a, int64_t b) const {
        const float* top = grid + a / 2 * p_.grid_width + b / 2;
        const float* bottom = top + a % 2 * p_.grid_width;
        const int64_t right = b % 2;
        return 0.5 * (static_cast<double>(top[0]) * bottom[right] +
                      static_cast<double>(top[right]) * bottom[0]);
    }

    void along_columns(int64_t n, int64_t band) {
        const int64_t width = node_columns_ + kTaps - 1;
        const std::unique_ptr<double[]> nodes(new double[node_rows_ * width]);
        double* sum = band_rows(band);
        std::fill(sum, sum + node_rows_ * p_.width, 0.0);
        for (int64_t g = bands_[band].begin; g < bands_[band].end; ++g) {
            add_grids(n, groups_[g], nodes.get());
            const int64_t offset = groups_[g].column;
            for (int64_t x = 0, end; x < p_.width; x = end) {
                const int64_t i = offset + x;
                for (end = x + 1;
                     end < p_.width && columns_.first[offset + end] == columns_.first[i];)
                    ++end;
                for (int64_t a = 0; a < node_rows_; ++a) {
                    add_run(sum + a * p_.width + x, &columns_.weight[0][i], &columns_.weight[1][i],
                            &columns_.weight[2][i], nodes.get() + a * width + columns_.first[i],
                            end - x);
                }
            }
        }
    }

    void along_rows(int64_t n, int64_t y) {
        double* out = p_.out + (n * p_.height + y) * p_.width;
        std::fill(out, out + p_.width, 0.0);
        for (size_t band = 0; band < bands_.size(); ++band) {
            const int64_t i = bands_[band].row + y, first = rows_.first[i];
            for (int64_t t = 0; t < kTaps && first + t < node_rows_; ++t) {
                const double weight = rows_.weight[t][i];
                if (weight == 0.0) continue;
                add_weighted(out, weight, band_rows(band) + (first + t) * p_.width, p_.width);
            }
        }
    }

    const RiseParams& p_;
    int64_t step_, node_rows_, node_columns_;
    Taps rows_, columns_;
    std::vector<int64_t> order_;
    std::vector<Group> groups_, bands_;
    std::vector<double> upsampled_;  // (bands, node rows, W), of one image
};

}  // namespace

void rise_accumulate(const RiseParams& p) {
    if (p.num_images == 0) return;
    Sum sum(p);
    for (int64_t n = 0; n < p.num_images; ++n) sum.add(n);
}

}  // namespace pysal
