// Products of bf16 matrices, summed in fp32, on what the processor has for them: matrix units (AMX), or vectors that
// multiply pairs (AVX512-BF16). `PRODUCTS` says that there is one of them.
//
// Both multiply a row-major matrix by one whose neighbouring rows lie in pairs, two bf16 in 32 bits.
#pragma once

#include <cstring>

#include "numbers.hpp"

#if defined(__AVX512BF16__)
#define PRODUCTS
#include <immintrin.h>

namespace {

// A matrix whose neighbouring rows lie in pairs; so many pairs from row to row, and from sixteen columns to the next.
struct Pairs {
    const uint32_t *at;
    int64_t row, columns;
};

}  // namespace

#if defined(__AMX_BF16__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

namespace {

struct alignas(64) Tiles {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The shape of the tiles, for as long as this lives; then what it was, for others share the thread.
class Units {
    alignas(64) uint8_t before[64] = {};

  public:
    Units() {
        static const Tiles ours;
        _tile_storeconfig(before);
        _tile_loadconfig(&ours);
    }
    ~Units() {
        if (before[0]) _tile_loadconfig(before);
        else _tile_release();
    }
};

// c (m x n) = a (m x k) b (k x n), or added to c; every size a multiple of 32.
void product(const bf16 *a, int64_t a_step, Pairs b, float *c, int64_t c_step, int64_t m, int64_t n, int64_t k, bool add) {
    for (int64_t i = 0; i < m; i += 32) {
        for (int64_t j = 0; j < n; j += 32) {
            float *upper = c + i * c_step + j, *lower = upper + 16 * c_step;
            const uint32_t *left = b.at + j / 16 * b.columns, *right = left + b.columns;
            if (add) {
                _tile_loadd(0, upper, c_step * 4);
                _tile_loadd(1, upper + 16, c_step * 4);
                _tile_loadd(2, lower, c_step * 4);
                _tile_loadd(3, lower + 16, c_step * 4);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (int64_t p = 0; p < k; p += 32) {
                _tile_loadd(4, a + i * a_step + p, a_step * 2);
                _tile_loadd(5, a + (i + 16) * a_step + p, a_step * 2);
                _tile_loadd(6, left + p / 2 * b.row, b.row * 4);
                _tile_loadd(7, right + p / 2 * b.row, b.row * 4);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, upper, c_step * 4);
            _tile_stored(1, upper + 16, c_step * 4);
            _tile_stored(2, lower, c_step * 4);
            _tile_stored(3, lower + 16, c_step * 4);
        }
    }
}

// Whether this process may use the matrix units: Linux grants their state to who asks.
bool granted() {
    constexpr int ASK = 0x1023, TILE_DATA = 18;
    return syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}

}  // namespace
#else

namespace {

struct Units {};  // nothing to make ready

// c (m x n) = a (m x k) b (k x n), or added to c; every size a multiple of 32. Eight rows by 32 columns lie in registers.
void product(const bf16 *a, int64_t a_step, Pairs b, float *c, int64_t c_step, int64_t m, int64_t n, int64_t k, bool add) {
    constexpr int ROWS = 8;
    for (int64_t i = 0; i < m; i += ROWS) {
        for (int64_t j = 0; j < n; j += 32) {
            __m512 left[ROWS], right[ROWS];
            for (int r = 0; r < ROWS; r++) {
                const float *was = c + (i + r) * c_step + j;
                left[r] = add ? _mm512_loadu_ps(was) : _mm512_setzero_ps();
                right[r] = add ? _mm512_loadu_ps(was + 16) : _mm512_setzero_ps();
            }
            const uint32_t *pairs = b.at + j / 16 * b.columns;
            for (int64_t p = 0; p < k; p += 2, pairs += b.row) {
                const auto first = (__m512bh)_mm512_loadu_si512(pairs), second = (__m512bh)_mm512_loadu_si512(pairs + b.columns);
                for (int r = 0; r < ROWS; r++) {
                    int32_t two;
                    std::memcpy(&two, a + (i + r) * a_step + p, sizeof two);
                    const auto both = (__m512bh)_mm512_set1_epi32(two);
                    left[r] = _mm512_dpbf16_ps(left[r], both, first);
                    right[r] = _mm512_dpbf16_ps(right[r], both, second);
                }
            }
            for (int r = 0; r < ROWS; r++) {
                _mm512_storeu_ps(c + (i + r) * c_step + j, left[r]);
                _mm512_storeu_ps(c + (i + r) * c_step + j + 16, right[r]);
            }
        }
    }
}

bool granted() { return true; }

}  // namespace
#endif
#endif
