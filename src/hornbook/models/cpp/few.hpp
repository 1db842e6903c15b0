// Products of few rows with weights that lie packed: so few that reading the weights is what takes the time, or nearly.
//
// 64 outputs lie side by side, input by input (bf16: pair by pair, int8: four by four), so that a row's inputs are
// broadcast and no sum runs across a vector. Up to six rows by 64 outputs are summed in registers, in fp32, in order of
// the inputs whatever the number of rows: a row's result is the same, bit for bit, alone and beside others.
#pragma once

#include <algorithm>
#include <cstring>

#include "numbers.hpp"
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

constexpr int64_t LANES = 16, VECTORS = 4, SIDE = LANES * VECTORS;  // SIDE: outputs that lie together
constexpr int64_t ROWS = 6;  // that are summed at once
constexpr int64_t GROUP = 64;  // inputs that share a scale, where they are int8

typedef float F16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t U16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t I16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t H16 __attribute__((vector_size(32), aligned(2), may_alias));

inline int64_t padded(int64_t size) { return (size + SIDE - 1) / SIDE * SIDE; }

// Sixteen neighbours in fp32.
inline F16 sixteen(const float *x) { return *(const F16 *)x; }
inline F16 sixteen(const bf16 *x) {
#if defined(__AVX512F__)  // compilers make two halves of it
    return (F16)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x)), 16);
#else
    return (F16)(__builtin_convertvector(*(const H16 *)x, U16) << 16);
#endif
}
inline F16 all(float x) { return x - F16{}; }

// sum += both products of each of sixteen pairs of bf16.
inline F16 add_pairs(F16 sum, U16 pairs, uint32_t both) {
#if defined(__AVX512BF16__)
    return (F16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)pairs, (__m512bh)_mm512_set1_epi32(int32_t(both)));
#else
    const float low = __builtin_bit_cast(float, both << 16), high = __builtin_bit_cast(float, both & 0xffff0000u);
    return sum + (F16)(pairs << 16) * low + (F16)(pairs & 0xffff0000u) * high;
#endif
}

// sum += the four products of each of sixteen fours: bytes without sign by bytes with.
inline I16 add_fours(I16 sum, U16 fours, uint32_t four) {
#if defined(__AVX512VNNI__)
    return (I16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)fours, _mm512_set1_epi32(int32_t(four)));
#else
    for (int byte = 0; byte < 4; byte++)
        sum += (I16)((fours >> (8 * byte)) & 255u) * int32_t(int8_t(four >> (8 * byte)));
    return sum;
#endif
}

// Ask for the weights 16 KiB from here: when they are needed they have come.
template <class T>
inline void ahead(const T *w) {
    for (int line = 0; line < VECTORS; line++) __builtin_prefetch(w + 64 * SIDE + line * LANES);
}

// A weight as it lies packed: N outputs of K inputs, padded with zeros to multiples of SIDE. `scales`: of int8, one an
// output. `bias` may be null.
struct Packed {
    const void *at;
    const float *scales, *bias;
    int64_t N, K;
};

// The rows of a product's input, made ready for a kind of weight.
struct Inputs {
    void *at;
    float *scales;   // of int8: by row, one for each GROUP inputs
    int32_t *lacks;  // and what is to be added to its sum: the weights lie 128 too high
};

inline int64_t input_bytes(int64_t rows, int64_t width) { return rows * padded(width) * 4 + rows * padded(width) / GROUP * 8; }

// Lay out `input_bytes` of memory.
inline Inputs inputs_in(void *memory, int64_t rows, int64_t width) {
    char *at = static_cast<char *>(memory);
    const int64_t body = rows * padded(width) * 4, scales = rows * padded(width) / GROUP * 4;
    return {at, reinterpret_cast<float *>(at + body), reinterpret_cast<int32_t *>(at + body + scales)};
}

struct Floats {
    using Weight = float;
    static constexpr int BYTES = 4;  // of a weight

    static void ready(const float *x, int64_t width, Inputs to, int64_t row) {
        float *out = static_cast<float *>(to.at) + row * padded(width);
        std::copy_n(x, width, out);
        std::fill(out + width, out + padded(width), 0.0f);
    }

    template <int R>
    static void sum(const char *weights, Inputs x, int64_t row, int64_t width, F16 (&out)[R][VECTORS]) {
        const float *w = reinterpret_cast<const float *>(weights), *in = static_cast<const float *>(x.at) + row * width;
        F16 sums[R][VECTORS] = {};
        for (int64_t k = 0; k < width; k++, w += SIDE) {
            ahead(w);
            for (int r = 0; r < R; r++)
                for (int v = 0; v < VECTORS; v++) sums[r][v] += sixteen(w + v * LANES) * in[r * width + k];
        }
        std::memcpy(out, sums, sizeof sums);
    }

    static void pack(const float *w, int64_t outputs, int64_t inputs, int64_t first, char *to) {
        float *out = reinterpret_cast<float *>(to);
        for (int64_t k = 0; k < padded(inputs); k++)
            for (int64_t n = first; n < first + SIDE; n++)
                *out++ = k < inputs && n < outputs ? w[n * inputs + k] : 0.0f;
    }
};

struct Pairs16 {
    using Weight = bf16;
    static constexpr int BYTES = 2;

    static void ready(const float *x, int64_t width, Inputs to, int64_t row) {
        bf16 *out = static_cast<bf16 *>(to.at) + row * padded(width);
        for (int64_t k = 0; k < width; k++) put(out[k], x[k]);
        std::fill(out + width, out + padded(width), bf16{0});
    }

    template <int R>
    static void sum(const char *weights, Inputs x, int64_t row, int64_t width, F16 (&out)[R][VECTORS]) {
        const uint32_t *w = reinterpret_cast<const uint32_t *>(weights);
        const uint32_t *in = static_cast<const uint32_t *>(x.at) + row * width / 2;
        F16 sums[R][VECTORS] = {};
        for (int64_t k = 0; k < width / 2; k++, w += SIDE) {
            ahead(w);
            for (int r = 0; r < R; r++)
                for (int v = 0; v < VECTORS; v++)
                    sums[r][v] = add_pairs(sums[r][v], *(const U16 *)(w + v * LANES), in[r * width / 2 + k]);
        }
        std::memcpy(out, sums, sizeof sums);
    }

    static void pack(const bf16 *w, int64_t outputs, int64_t inputs, int64_t first, char *to) {
        bf16 *out = reinterpret_cast<bf16 *>(to);
        for (int64_t k = 0; k < padded(inputs); k += 2)
            for (int64_t n = first; n < first + SIDE; n++)
                for (int64_t i = k; i < k + 2; i++) *out++ = i < inputs && n < outputs ? w[n * inputs + i] : bf16{0};
    }
};

// Inputs are rounded to int8 too, with a scale for each GROUP of a row, as llama.cpp's q8_0 has them.
struct Bytes {
    using Weight = int8_t;
    static constexpr int BYTES = 1;

    static void ready(const float *x, int64_t width, Inputs to, int64_t row) {
        const int64_t whole = padded(width), groups = whole / GROUP;
        int8_t *out = static_cast<int8_t *>(to.at) + row * whole;
        for (int64_t group = 0; group < groups; group++) {
            const int64_t begin = group * GROUP, there = std::min(GROUP, width - begin);
            float in[GROUP] = {}, most = 0.0f;
            std::copy_n(x + begin, there, in);
#pragma omp simd reduction(max : most)
            for (int64_t k = 0; k < GROUP; k++) most = std::max(most, std::fabs(in[k]));
            const float by = most > 0.0f ? 127.0f / most : 0.0f;
            int32_t total = 0;
#pragma omp simd reduction(+ : total)
            for (int64_t k = 0; k < GROUP; k++) {
                const int32_t code = int32_t(std::rint(in[k] * by));
                out[begin + k] = int8_t(code);
                total += code;
            }
            to.scales[row * groups + group] = most / 127.0f;
            to.lacks[row * groups + group] = -128 * total;
        }
    }

    template <int R>
    static void sum(const char *weights, Inputs x, int64_t row, int64_t width, F16 (&out)[R][VECTORS]) {
        const uint32_t *w = reinterpret_cast<const uint32_t *>(weights);
        const uint32_t *in = static_cast<const uint32_t *>(x.at) + row * width / 4;
        const int64_t groups = width / GROUP;
        std::memset(out, 0, sizeof out);
        for (int64_t group = 0; group < groups; group++) {
            I16 whole[R][VECTORS];  // fills the registers: what was summed so far waits in memory
            for (int r = 0; r < R; r++)
                for (int v = 0; v < VECTORS; v++) whole[r][v] = x.lacks[(row + r) * groups + group] - I16{};
            for (int64_t k = group * GROUP / 4; k < (group + 1) * GROUP / 4; k++, w += SIDE) {
                ahead(w);
                for (int r = 0; r < R; r++)
                    for (int v = 0; v < VECTORS; v++)
                        whole[r][v] = add_fours(whole[r][v], *(const U16 *)(w + v * LANES), in[r * width / 4 + k]);
            }
            for (int r = 0; r < R; r++)
                for (int v = 0; v < VECTORS; v++)
                    out[r][v] += __builtin_convertvector(whole[r][v], F16) * x.scales[(row + r) * groups + group];
        }
    }

    static void pack(const int8_t *w, int64_t outputs, int64_t inputs, int64_t first, char *to) {
        uint8_t *out = reinterpret_cast<uint8_t *>(to);
        for (int64_t k = 0; k < padded(inputs); k += 4)
            for (int64_t n = first; n < first + SIDE; n++)
                for (int64_t i = k; i < k + 4; i++) *out++ = uint8_t((i < inputs && n < outputs ? w[n * inputs + i] : 0) + 128);
    }
};

// Outputs `first` to `first + SIDE` of R rows, into y or added to it.
template <class Kind, int R>
inline void some_rows(const Packed &w, Inputs x, int64_t row, int64_t first, float *y, int64_t step, bool add) {
    const int64_t width = padded(w.K);
    F16 sums[R][VECTORS];
    Kind::template sum<R>(static_cast<const char *>(w.at) + first * width * Kind::BYTES, x, row, width, sums);
    const int64_t count = std::min(SIDE, w.N - first);
    for (int r = 0; r < R; r++) {
        float made[SIDE], *out = y + (row + r) * step;
        std::memcpy(made, sums[r], sizeof made);
        for (int64_t n = 0; n < count; n++) {
            float value = w.scales ? made[n] * w.scales[first + n] : made[n];
            if (w.bias) value += w.bias[first + n];
            out[n] = add ? out[n] + value : value;
        }
    }
}

// The same for all rows, `y` pointing at output `first` of row 0. The rows are parted evenly.
template <class Kind>
inline void one_side(const Packed &w, Inputs x, int64_t rows, int64_t first, float *y, int64_t step, bool add) {
    const int64_t parts = (rows + ROWS - 1) / ROWS;
    for (int64_t part = 0; part < parts; part++) {
        const int64_t row = rows * part / parts, count = rows * (part + 1) / parts - row;
        if (count == 1) some_rows<Kind, 1>(w, x, row, first, y, step, add);
        else if (count == 2) some_rows<Kind, 2>(w, x, row, first, y, step, add);
        else if (count == 3) some_rows<Kind, 3>(w, x, row, first, y, step, add);
        else if (count == 4) some_rows<Kind, 4>(w, x, row, first, y, step, add);
        else if (count == 5) some_rows<Kind, 5>(w, x, row, first, y, step, add);
        else some_rows<Kind, 6>(w, x, row, first, y, step, add);
    }
}

// This thread's part of the sides of a product.
struct Share {
    int64_t first, last;
};

inline Share share(int64_t outputs, int64_t thread, int64_t threads) {
    const int64_t sides = padded(outputs) / SIDE;
    return {sides * thread / threads * SIDE, sides * (thread + 1) / threads * SIDE};
}

template <class Kind>
inline void product(const Packed &w, Inputs x, int64_t rows, float *y, bool add, int64_t thread, int64_t threads) {
    const Share mine = share(w.N, thread, threads);
    for (int64_t first = mine.first; first < mine.last; first += SIDE)
        one_side<Kind>(w, x, rows, first, y + first, w.N, add);
}

}  // namespace
