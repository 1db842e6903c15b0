// bf16 and fp32, and an exponential that compilers make vectors of.
#pragma once

#include <cmath>
#include <cstdint>

namespace {

struct bf16 {
    uint16_t bits;
};

inline float up(float x) { return x; }
inline float up(bf16 x) { return __builtin_bit_cast(float, uint32_t(x.bits) << 16); }

inline void put(float &out, float x) { out = x; }
inline void put(bf16 &out, float x) {  // to the nearest, ties to even; what is no number stays none
    uint32_t bits = __builtin_bit_cast(uint32_t, x);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    out.bits = uint16_t(x != x ? 0x7fc0u : rounded);
}

// exp(x) to 2 units in the last place of fp32, without branches, so that the compiler makes vectors of it. 0 below -87.
inline float exponential(float x) {
    float low = x < -87.0f ? -87.0f : x;
    float held = low > 88.0f ? 88.0f : low;
    float n = std::rint(held * 1.44269504f);
    float r = std::fma(n, 2.12194440e-4f, std::fma(n, -0.693359375f, held));
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    float power = __builtin_bit_cast(float, int32_t(int32_t(n) + 127) << 23);
    return x < -87.0f ? 0.0f : p * power;
}

}  // namespace
