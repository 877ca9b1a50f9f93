// Counter-based Gaussian noise: Philox4x32-10 [1] and Box-Muller with polynomials of our own.
//
// Every operation is an integer operation or one correctly rounded float32 operation (+, -, *,
// sqrt, integer to float), in a fixed order, never contracted to a fused multiply-add. So the bits
// are the same in numpy (reference.py), on every CPU and on CUDA. Polynomials: weighted minimax
// fits to float64 values; |relative error| of log 3e-7, of the sine 3e-9, of the cosine 3e-8,
// before rounding.
//
// [1] Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define PYSAL_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define PYSAL_HD inline __attribute__((always_inline))
#else
#define PYSAL_HD inline
#endif

namespace pysal {

// A chunk is 64 elements in a row of one channel: 16 counters ("lanes") give 4 elements each,
// output j of lane l is element 16 * j + l. So lanes are neighbours in memory.
constexpr int kLanes = 16;
constexpr int kChunk = 4 * kLanes;

struct NoiseStream {
    uint32_t key0, key1;  // seed of the image: low and high word
    uint32_t node, step;
};

PYSAL_HD float bits_to_float(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

PYSAL_HD uint32_t float_to_bits(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Rounds still to do, by recursion: a loop would not be unrolled before vectorization. A Word has
// 32 bits, or 64 of which the upper half is ignored: whichever multiplies faster in vectors.
template <int Rounds, class Word>
PYSAL_HD void philox_rounds(Word c[4], uint32_t key0, uint32_t key1) {
    if constexpr (Rounds > 0) {
        const uint64_t product0 = uint64_t{0xD2511F53u} * static_cast<uint32_t>(c[0]);
        const uint64_t product1 = uint64_t{0xCD9E8D57u} * static_cast<uint32_t>(c[2]);
        c[0] = static_cast<Word>(product1 >> 32) ^ c[1] ^ key0;
        c[1] = static_cast<Word>(product1);
        c[2] = static_cast<Word>(product0 >> 32) ^ c[3] ^ key1;
        c[3] = static_cast<Word>(product0);
        philox_rounds<Rounds - 1>(c, key0 + 0x9E3779B9u, key1 + 0xBB67AE85u);
    }
}

// Two independent standard normal values from two random words.
PYSAL_HD void box_muller(uint32_t radius_word, uint32_t angle_word, float& first, float& second) {
    // radius = sqrt(-2 log u), u = m * 2^e in (0, 1], m in [sqrt(1/2), sqrt(2))
    const float u = static_cast<float>(static_cast<int32_t>(radius_word >> 8) + 1) * 0x1p-24f;
    const uint32_t bits = float_to_bits(u);
    const int32_t exponent = static_cast<int32_t>(bits - 0x3F3504F3u) >> 23;
    const float f = bits_to_float(bits - (static_cast<uint32_t>(exponent) << 23)) - 1.0f;
    float q = 0.16024380922317505f + f * -0.10191728919744492f;
    q = -0.17137126624584198f + f * q;
    q = 0.19924503564834595f + f * q;
    q = -0.24983267486095428f + f * q;
    q = 0.33334246277809143f + f * q;
    const float log_m = f + (f * f) * (-0.5f + f * q);
    const float log_u = static_cast<float>(exponent) * 0.6931471805599453f + log_m;
    const float root = sqrtf(-2.0f * log_u);
    const float radius = bits_to_float(float_to_bits(root) ^ (angle_word & 0x80000000u));

    // 30 bits give an angle v * pi / 2 in [-pi/4, pi/4), two bits its quadrant
    const float v = static_cast<float>(static_cast<int32_t>(angle_word << 2)) * 0x1p-32f;
    const float v2 = v * v;
    float sine = 0.07968003302812576f + v2 * -0.004601660184562206f;
    sine = -0.6459634900093079f + v2 * sine;
    sine = v * (1.5707963705062866f + v2 * sine);
    float cosine = 0.2536063492298126f + v2 * -0.020426250994205475f;
    cosine = -1.2336980104446411f + v2 * cosine;
    cosine = 1.0f + v2 * cosine;
    const bool swap = (angle_word & 0x40000000u) != 0;
    first = radius * (swap ? sine : cosine);
    second = radius * (swap ? cosine : sine);
}

// The four standard normal values of one counter.
template <class Word = uint32_t>
PYSAL_HD void normal4(const NoiseStream& stream, uint32_t block, float z[4]) {
    Word c[4] = {block, stream.node, stream.step, 0u};
    philox_rounds<10>(c, stream.key0, stream.key1);
    box_muller(static_cast<uint32_t>(c[0]), static_cast<uint32_t>(c[1]), z[0], z[1]);
    box_muller(static_cast<uint32_t>(c[2]), static_cast<uint32_t>(c[3]), z[2], z[3]);
}

}  // namespace pysal
