// Masked composition with noise, one tile of rows at a time: the mask is never stored at full size.
#include <algorithm>

#include "cpu/mask_tile.h"
#include "cpu/parallel.h"
#include "kernels.h"
#include "philox.h"

namespace pysal {
namespace {

// Part of one channel of one composed image: elements [begin, begin + count), at `out`.
struct NoisePart {
    float* out;
    float std;
    NoiseStream stream;
    uint32_t channel_block;
    int64_t begin, count;
};

template <class Word>
PYSAL_INLINE void add_noise_as(const NoisePart& part) {
    alignas(64) float z[kChunk];
    const float std = part.std;
    const NoiseStream stream = part.stream;
    const int64_t end = part.begin + part.count;
    for (int64_t chunk = part.begin / kChunk; chunk * kChunk < end; ++chunk) {
        const uint32_t block = part.channel_block + static_cast<uint32_t>(chunk) * kLanes;
        for (uint32_t lane = 0; lane < kLanes; ++lane) {
            float values[4];
            normal4<Word>(stream, block + lane, values);
            for (int j = 0; j < 4; ++j) z[j * kLanes + lane] = values[j];
        }
        const int64_t first = chunk * kChunk - part.begin;
        float* __restrict out = part.out + first;
        if (first >= 0 && first + kChunk <= part.count) {
            for (int i = 0; i < kChunk; ++i) out[i] += std * z[i];
        } else {
            const int64_t stop = std::min<int64_t>(kChunk, part.count - first);
            for (int64_t i = std::max<int64_t>(0, -first); i < stop; ++i) out[i] += std * z[i];
        }
    }
}

#ifdef PYSAL_X86_CLONES
// AVX-512 multiplies 64-bit lanes; before it, 32-bit lanes are faster.
__attribute__((target("default"))) void add_noise(const NoisePart& part) {
    add_noise_as<uint32_t>(part);
}
__attribute__((target("arch=x86-64-v3"))) void add_noise(const NoisePart& part) {
    add_noise_as<uint32_t>(part);
}
__attribute__((target("arch=x86-64-v4"))) void add_noise(const NoisePart& part) {
    add_noise_as<uint64_t>(part);
}
#else
void add_noise(const NoisePart& part) { add_noise_as<uint32_t>(part); }
#endif

void blend_tile(const BlendParams& p, const Axis& rows, const Axis& columns, int64_t n,
                int64_t begin, int64_t end) {
    MaskTile tile(p.mask_width, p.width, end - begin);
    const int64_t plane = p.height * p.width, mask_size = p.mask_height * p.mask_width;
    const int64_t offset = begin * p.width, count = (end - begin) * p.width;
    const uint32_t channel_blocks = static_cast<uint32_t>((plane + kChunk - 1) / kChunk) * kLanes;
    const float* mask = nullptr;
    for (int64_t s = 0; s < p.num_nodes; ++s) {
        if (!p.nodes || s == 0) {
            const float* source = p.masks + (p.nodes ? n : n * p.num_nodes + s) * mask_size;
            mask = tile.fill(rows.view(), columns.view(), source, begin, end);
        }
        for (int64_t c = 0; c < p.channels; ++c) {
            const int64_t from = (n * p.channels + c) * plane + offset;
            float* out = p.out + ((n * p.num_nodes + s) * p.channels + c) * plane + offset;
            compose(out, mask, p.nodes ? p.nodes[s] : 1.0f, p.image + from, p.baseline + from,
                    count);
            if (p.noise_std && p.noise_std[c] != 0.0f) {
                const uint64_t seed = p.noise_seed[n];
                const NoiseStream stream{static_cast<uint32_t>(seed),
                                         static_cast<uint32_t>(seed >> 32),
                                         p.first_node + static_cast<uint32_t>(s), p.noise_step};
                add_noise({out, p.noise_std[c], stream, static_cast<uint32_t>(c) * channel_blocks,
                           offset, count});
            }
        }
    }
}

}  // namespace

void blend(const BlendParams& p) {
    const Axis rows(p.mask_height, p.height), columns(p.mask_width, p.width);
    const int64_t step = tile_rows(p.width), tiles = (p.height + step - 1) / step;
    parallel_for(p.num_images * tiles, p.threads, [&](int64_t task) {
        const int64_t begin = task % tiles * step;
        blend_tile(p, rows, columns, task / tiles, begin, std::min(begin + step, p.height));
    });
}

}  // namespace pysal
