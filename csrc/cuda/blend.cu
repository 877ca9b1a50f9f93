// Masked composition with noise: a thread has 4 elements of up to 3 channels, reads image and
// baseline once, and writes them for a range of nodes. The same operations as csrc/cpu/blend.cpp.
#include <algorithm>

#include "cuda/compose.h"

namespace pysal::cuda {
namespace {

constexpr const char* kName = "blend";

// What one launch takes by value.
constexpr int64_t kNodes = 512, kSeeds = 128, kStds = 48;

struct BlendLaunch {
    Tensor<const float> image, baseline, masks;
    Tensor<float> out;
    Walk walk;
    Axis rows, columns;
    uint32_t num_nodes, nodes_per_block;
    uint32_t channel_groups;
    bool shared_mask;  // one mask for all nodes
    uint32_t first_node, noise_step;
    uint32_t first_channel, channel_block;  // noise: of this launch; counters of one channel
    float nodes[kNodes];
    uint64_t seeds[kSeeds];
    float std[kStds];
};

// Where an upsampled mask is read for one pixel: its upper left neighbour, and how far the pixel is
// from it. At a distance of 0 there may be no next neighbour, and its value does not matter.
struct Corner {
    int32_t offset;
    float down, right;

    PYSAL_DEVICE float value(const float* mask, int32_t row, int32_t column) const {
        const float* top = mask + offset;
        const float* bottom = top + (down > 0.0f ? row : 0);
        const int32_t next = right > 0.0f ? column : 0;
        const float upper = *top + right * (top[next] - *top);
        const float lower = *bottom + right * (bottom[next] - *bottom);
        return upper + down * (lower - upper);
    }
};

PYSAL_DEVICE Corner corner_at(const BlendLaunch& p, uint32_t y, uint32_t x) {
    uint32_t top, left;
    Corner corner;
    p.rows.at(y, top, corner.down);
    p.columns.at(x, left, corner.right);
    corner.offset = p.masks.at(0, top, left);
    return corner;
}

PYSAL_DEVICE void read_mask(const BlendLaunch& p, const Corner corners[kElements],
                            const float* masks, float mask[kElements]) {
    for (int j = 0; j < kElements; ++j) {
        mask[j] = corners[j].value(masks, p.masks.row, p.masks.column);
    }
}

// What the noise of a thread depends on, and the first of its counters in channel 0.
struct NoiseAt {
    NoiseStream stream;
    uint32_t block;
};

// The images of one node; `out` begins at their first channel.
template <bool Noise, bool Wide>
PYSAL_DEVICE void compose(const BlendLaunch& p, const Elements& e, const Channels& channels,
                          const float keep[kElements], const NoiseAt& noise, float* out) {
#pragma unroll
    for (uint32_t k = 0; k < kChannels; ++k) {
        if (k >= channels.count) break;
        float values[kElements];
        for (int j = 0; j < kElements; ++j) {
            values[j] = keep[j] * channels.image[k][j] + (1.0f - keep[j]) * channels.baseline[k][j];
        }
        if constexpr (Noise) {
            const uint32_t c = channels.first + k;
            if (p.std[c] != 0.0f) {
                float z[kElements];
                normal4(noise.stream, (p.first_channel + c) * p.channel_block + noise.block, z);
                for (int j = 0; j < kElements; ++j) values[j] += p.std[c] * z[j];
            }
        }
        store<Wide>(out + p.out.at(k, 0, 0), e, values);
    }
}

// Grid: tiles of elements, groups of nodes times groups of channels, images.
template <bool Noise, bool Wide>
__global__ void __launch_bounds__(kThreads, 3) blend_kernel(const __grid_constant__ BlendLaunch p) {
    // without wide accesses a thread has the elements of one noise counter: rows of 16 threads
    const uint32_t t = threadIdx.x, chunk = t / kLanes, lane = t % kLanes;
    const uint32_t first = blockIdx.x * kTile + (Wide ? t * kElements : chunk * kChunk + lane);
    if (first >= p.walk.elements) return;
    const uint32_t n = blockIdx.z, begin = blockIdx.y / p.channel_groups * p.nodes_per_block;
    const uint32_t end = min(begin + p.nodes_per_block, p.num_nodes);
    Corner corners[kElements];
    const Elements e =
        elements_at(p, first, Wide ? 1 : kLanes,
                    [&](uint32_t j, uint32_t y, uint32_t x) { corners[j] = corner_at(p, y, x); });
    const Channels channels = load_channels(p, e, n, blockIdx.y % p.channel_groups * kChannels);
    NoiseAt noise{{}, first / kChunk * kLanes + lane};
    if constexpr (Noise) {
        const uint64_t seed = p.seeds[n];
        noise.stream = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
                        p.first_node + begin, p.noise_step};
    }
    const float* masks = p.masks.data + n * p.masks.image + begin * p.masks.node;
    float* out = p.out.data + n * p.out.image + begin * p.out.node + p.out.at(channels.first, 0, 0);
    float mask[kElements];
    read_mask(p, corners, masks, mask);
    for (uint32_t s = begin; s < end; ++s) {
        float keep[kElements];
        if (!p.shared_mask) read_mask(p, corners, masks, mask);
        for (int j = 0; j < kElements; ++j)
            keep[j] = p.shared_mask ? p.nodes[s] * mask[j] : mask[j];
        compose<Noise, Wide>(p, e, channels, keep, noise, out);
        out += p.out.node;
        masks += p.masks.node;
        ++noise.stream.node;
    }
}

void launch_part(BlendLaunch part, int64_t images, int64_t nodes, bool noise, cudaStream_t stream) {
    const int64_t tiles = ceil_div(part.walk.elements, kTile);
    const int64_t groups = ceil_div(part.walk.channels, kChannels);
    const int64_t per_block = split_versions(nodes, tiles * groups * images, kName);
    part.num_nodes = static_cast<uint32_t>(nodes);
    part.nodes_per_block = static_cast<uint32_t>(per_block);
    part.channel_groups = static_cast<uint32_t>(groups);
    const dim3 grid(static_cast<uint32_t>(tiles),
                    static_cast<uint32_t>(ceil_div(nodes, per_block) * groups),
                    static_cast<uint32_t>(images));
    const auto kernel = noise            ? blend_kernel<true, false>
                        : part.walk.wide ? blend_kernel<false, true>
                                         : blend_kernel<false, false>;
    launch(kName, kernel, grid, kThreads, stream, part);
}

BlendLaunch whole(const BlendParams& p) {
    BlendLaunch whole = {};
    const Axes images{p.num_images, 1, p.channels, p.height, p.width};
    const Axes out{p.num_images, p.num_nodes, p.channels, p.height, p.width};
    const Axes masks{p.num_images, p.nodes ? 1 : p.num_nodes, 1, p.mask_height, p.mask_width};
    whole.image = {p.image, p.image_stride, images, kName};
    whole.baseline = {p.baseline, p.baseline_stride, images, kName};
    whole.masks = {p.masks, p.masks_stride, masks, kName};
    whole.out = {p.out, p.out_stride, out, kName};
    whole.walk = Walk(whole.out, whole.image, whole.baseline, images, kMaxChannels);
    if (p.noise_std) whole.walk = Walk::by_channel(images);  // as noise is drawn
    whole.rows = Axis(p.mask_height, p.height);
    whole.columns = Axis(p.mask_width, p.width);
    whole.shared_mask = p.nodes != nullptr;
    whole.noise_step = p.noise_step;
    whole.channel_block = static_cast<uint32_t>(ceil_div(p.height * p.width, kChunk)) * kLanes;
    return whole;
}

// The part of a launch that begins at image n, node s and channel c.
BlendLaunch part_of(const BlendLaunch& whole, const BlendParams& p, int64_t n, int64_t s,
                    int64_t c) {
    BlendLaunch part = whole;
    part.image.data += n * part.image.image + c * part.image.channel;
    part.baseline.data += n * part.baseline.image + c * part.baseline.channel;
    part.masks.data += n * part.masks.image + s * part.masks.node;
    part.out.data += n * part.out.image + s * part.out.node + c * part.out.channel;
    part.first_node = p.first_node + static_cast<uint32_t>(s);
    part.first_channel = static_cast<uint32_t>(c);
    if (p.nodes) std::copy_n(p.nodes + s, std::min(kNodes, p.num_nodes - s), part.nodes);
    if (p.noise_std) {
        std::copy_n(p.noise_seed + n, std::min(kSeeds, p.num_images - n), part.seeds);
        std::copy_n(p.noise_std + c, std::min(kStds, p.channels - c), part.std);
    }
    return part;
}

}  // namespace

void blend(const BlendParams& p) {
    if (p.num_images * p.num_nodes * p.channels * p.height * p.width == 0) return;
    require(p.channels <= kMaxChannels, kName, "there are more than 65535 channels");
    require_sizes(p.mask_height, p.height, kName);
    require_sizes(p.mask_width, p.width, kName);
    const BlendLaunch all = whole(p);
    const bool noise = p.noise_std != nullptr;
    const int64_t images = noise ? kSeeds : kImagesPerLaunch;
    const int64_t channels = noise ? kStds : kMaxChannels;  // a whole group, without noise
    const int64_t nodes =
        std::min(kNodes, kImagesPerLaunch / ceil_div(all.walk.channels, kChannels));
    for (int64_t n = 0; n < p.num_images; n += images) {
        for (int64_t s = 0; s < p.num_nodes; s += nodes) {
            for (int64_t c = 0; c < all.walk.channels; c += channels) {
                BlendLaunch part = part_of(all, p, n, s, c);
                part.walk.channels =
                    static_cast<uint32_t>(std::min<int64_t>(channels, all.walk.channels - c));
                launch_part(part, std::min(images, p.num_images - n),
                            std::min(nodes, p.num_nodes - s), noise,
                            static_cast<cudaStream_t>(p.stream));
            }
        }
    }
}

}  // namespace pysal::cuda
