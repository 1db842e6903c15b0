// Products of bf16 matrices with vectors that multiply pairs (AVX512-BF16), blocked as Goto and van de Geijn have it
// ("Anatomy of high-performance matrix multiplication", 2008): the right matrix is laid out in panels of 64 columns, the
// left one is read where it lies, and 6 rows by 64 columns are summed in registers, in fp32.
//
// Where there are matrix units (AMX) torch's own products are faster, and these are not compiled.
#pragma once

#include "numbers.hpp"

#if defined(__AVX512BF16__) && !defined(__AMX_BF16__)
#define PANELS
#include <algorithm>
#include <cstring>
#include <immintrin.h>
#include <vector>

namespace {

constexpr int64_t ROWS = 6, COLUMNS = 64, LANES = 16, VECTORS = COLUMNS / LANES;
constexpr int64_t MOST_PAIRS = 1024;  // at a time: a panel of so many fills a quarter of a core's second-level cache

// Room for the calling thread, kept from call to call; it begins where a cache line does.
inline uint32_t *scratch(int64_t size) {
    thread_local std::vector<uint32_t> kept;
    if (int64_t(kept.size()) < size + LANES) kept.resize(size + LANES);
    return reinterpret_cast<uint32_t *>((reinterpret_cast<uintptr_t>(kept.data()) + 63) / 64 * 64);
}

inline int64_t up_to(int64_t size, int64_t step) { return (size + step - 1) / step * step; }

// A left matrix as pairs of neighbours along the sum: row i, pair p lies at + i row + p pair.
struct Left {
    const uint32_t *at;
    int64_t row, pair;
};

// A row-major bf16 matrix whose rows run along the sum.
inline Left rows_of(const bf16 *x, int64_t width) { return {reinterpret_cast<const uint32_t *>(x), width / 2, 1}; }

inline __m512i sixteen_pairs(const bf16 *x) { return _mm512_loadu_si512(x); }
inline __m512i sixteen_pairs(const float *x) {
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
}
inline __m512i sixteen(const bf16 *x, __mmask16 some) {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, x));
}
inline __m512i sixteen(const float *x, __mmask16 some) {
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(some, x)));
}
inline __mmask16 first(int64_t count) { return count >= LANES ? 0xffff : count <= 0 ? 0 : (1u << count) - 1; }

// Sixteen neighbours of each of two rows as sixteen pairs.
template <class T>
inline __m512i paired(const T *row, const T *next, __mmask16 some) {
    return _mm512_or_si512(sixteen(row, some), _mm512_slli_epi32(sixteen(next, some), 16));
}

inline void transpose(__m512i *x) {  // 16 x 16 of 32 bits
    __m512i y[16];
    for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
        x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
        x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
        x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
    }
    for (int i = 0; i < 16; i += 8)
        for (int j = 0; j < 4; j++) {
            y[i + j] = _mm512_shuffle_i32x4(x[i + j], x[i + j + 4], 0x88);
            y[i + j + 4] = _mm512_shuffle_i32x4(x[i + j], x[i + j + 4], 0xdd);
        }
    for (int j = 0; j < 8; j++) {
        x[j] = _mm512_shuffle_i32x4(y[j], y[j + 8], 0x88);
        x[j + 8] = _mm512_shuffle_i32x4(y[j], y[j + 8], 0xdd);
    }
}

// Two neighbouring rows of the right matrix, n wide, as the pair `p` of every panel of so many pairs; beyond n all is 0.
template <class T>
inline void pair_into_panels(const T *row, const T *next, int64_t n, int64_t pairs, int64_t p, uint32_t *out) {
    for (int64_t j = 0; j < n; j += COLUMNS)
        for (int64_t v = 0; v < COLUMNS; v += LANES)
            _mm512_storeu_si512(out + j * pairs + p * COLUMNS + v, paired(row + j + v, next + j + v, first(n - j - v)));
}

// One panel, columns j to j + 64, of a right matrix that is kept as its transpose: x is n x k. k is a multiple of 32.
template <class T>
void panel_of_columns(const T *x, int64_t step, int64_t k, int64_t n, int64_t j, uint32_t *out) {
    for (int64_t v = 0; v < VECTORS; v++)
        for (int64_t p = 0; p < k; p += 32) {
            __m512i square[16];
            for (int64_t r = 0; r < LANES; r++) {
                const int64_t row = j + v * LANES + r;
                square[r] = row < n ? sixteen_pairs(x + row * step + p) : _mm512_setzero_si512();
            }
            transpose(square);
            for (int64_t r = 0; r < LANES; r++) _mm512_storeu_si512(out + (p / 2 + r) * COLUMNS + v * LANES, square[r]);
        }
}

// R rows of the left matrix by one panel; `begin(r, v)` is what a sum starts from, `end(r, v, sum)` takes it.
template <int R, class Begin, class End>
inline void rows_by_panel(Left a, const uint32_t *b, int64_t pairs, Begin begin, End end) {
    __m512 sums[R][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) sums[r][v] = begin(r, v);
    for (int64_t p = 0; p < pairs; p++, b += COLUMNS) {
        __m512bh right[VECTORS];
        for (int v = 0; v < VECTORS; v++) right[v] = (__m512bh)_mm512_loadu_si512(b + v * LANES);
        for (int r = 0; r < R; r++) {
            const auto left = (__m512bh)_mm512_set1_epi32(int32_t(a.at[r * a.row + p * a.pair]));
            for (int v = 0; v < VECTORS; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], left, right[v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
        for (int v = 0; v < VECTORS; v++) end(r, v, sums[r][v]);
}

// Rows 0 to m by one panel: begin(i, v) and end(i, v, sum) are told the row. Inside a larger function the compiler runs
// out of registers for the sums.
template <class Begin, class End>
[[gnu::noinline]] void by_panel(Left a, int64_t m, const uint32_t *b, int64_t pairs, Begin begin, End end) {
    int64_t i = 0;
    auto some = [&](auto count) {
        constexpr int R = decltype(count)::value;
        rows_by_panel<R>({a.at + i * a.row, a.row, a.pair}, b, pairs, [&](int r, int v) { return begin(i + r, v); },
                         [&](int r, int v, __m512 sum) { end(i + r, v, sum); });
        i += R;
    };
    while (i + ROWS <= m) some(std::integral_constant<int, ROWS>());
    while (i + 2 <= m) some(std::integral_constant<int, 2>());
    if (i < m) some(std::integral_constant<int, 1>());
}

inline __m512 nothing(int64_t, int) { return _mm512_setzero_ps(); }

inline void store(bf16 *out, __m512 sum, __mmask16 some) {
    _mm256_mask_storeu_epi16(out, some, (__m256i)_mm512_cvtneps_pbh(sum));
}
inline void store(float *out, __m512 sum, __mmask16 some) { _mm512_mask_storeu_ps(out, some, sum); }

}  // namespace
#endif
