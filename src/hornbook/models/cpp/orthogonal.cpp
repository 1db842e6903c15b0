// Newton-Schulz's iteration for many matrices of one shape, a matrix a thread: five times x <- p x with the polynomial
// p = a + b g + c g g of g = x x'.
//
// p, g and all their products are polynomials of one symmetric matrix: they are symmetric themselves, so that only what
// lies on and below the diagonal is multiplied, and the rest copied. And x need not be touched at each step, for the next
// step's g is p g p: the steps' product q is gathered, and x <- q x made at the end of a leg. In one leg of five the
// rounding of g to bf16 would drown its small values, which each step makes larger by a a; after three g is made anew of
// x, and the result is nearly as near the exact one as step by step (docs/log.md). In all 0.46 of the work of general products
// step by step for matrices of 1 : 3, 0.67 for square ones. Source of the idea: Gram Newton-Schulz (Dao-AILab, 2026).
#include <cmath>
#include <vector>

#include <omp.h>

#include "panels.hpp"

#ifdef PANELS
namespace {

// Room for one thread: what is r x c has r <= c.
struct Room {
    int64_t r, c;
    std::vector<bf16> x, next, g, p, q, product;
    std::vector<uint32_t> panel;
    Room(int64_t r, int64_t c)
        : r(r), c(c), x(r * c), next(r * c), g(r * r), p(r * r), q(r * r), product(r * r), panel(COLUMNS * c / 2) {}
};

// The 16 x 16 below the diagonal at row i, column j, to its place above; the upper half of one on the diagonal itself.
inline void mirror(bf16 *out, int64_t r, int64_t i, int64_t j) {
    __m512i square[LANES];
    for (int64_t k = 0; k < LANES; k++) square[k] = sixteen(out + (i + k) * r + j, 0xffff);
    transpose(square);
    for (int64_t k = 0; k < LANES; k++) {
        const __mmask16 above = i == j ? ~((2u << k) - 1) : 0xffff;
        _mm256_mask_storeu_epi16(out + (j + k) * r + i, above, _mm512_cvtepi32_epi16(square[k]));
    }
}

// out (r x r) = a product that is symmetric, of which `panel(j, out)` lays out the right matrix; `mixed(sum, i, j)` has
// the last word on 16 of its values.
template <class Panel, class Mixed>
void symmetric(Room &room, Left left, int64_t pairs, bf16 *out, Panel panel, Mixed mixed) {
    const int64_t r = room.r;
    for (int64_t j = 0; j < r; j += COLUMNS) {
        panel(j, room.panel.data());
        auto finish = [&](int64_t i, int v, __m512 sum) {
            const int64_t row = j + i, column = j + v * LANES;
            if (column < r) store(out + row * r + column, mixed(sum, row, column), first(r - column));
        };
        by_panel({left.at + j * left.row, left.row, left.pair}, r - j, room.panel.data(), pairs, nothing, finish);
        for (int64_t i = j; i < r; i += LANES)
            for (int64_t column = j; column < std::min(j + COLUMNS, i + LANES); column += LANES) mirror(out, r, i, column);
    }
}

inline __m512 as_it_is(__m512 sum, int64_t, int64_t) { return sum; }

// out = left right, both symmetric and polynomials of the same matrix.
template <class Mixed>
void times(Room &room, const std::vector<bf16> &left, const std::vector<bf16> &right, std::vector<bf16> &out, Mixed mixed) {
    const int64_t r = room.r;
    symmetric(room, rows_of(left.data(), r), r / 2, out.data(),
              [&](int64_t j, uint32_t *panel) {
                  for (int64_t i = 0; i < r; i += 2) pair_into_panels(&right[i * r + j], &right[(i + 1) * r + j], std::min(COLUMNS, r - j), 0, i / 2, panel);
              }, mixed);
}

void leg(Room &room, int steps, float a, float b, float c) {
    const int64_t r = room.r, width = room.c;
    symmetric(room, rows_of(room.x.data(), width), width / 2, room.g.data(),
              [&](int64_t j, uint32_t *panel) { panel_of_columns(room.x.data(), width, width, r, j, panel); }, as_it_is);
    for (int step = 0; step < steps; step++) {
        times(room, room.g, room.g, room.p, [&](__m512 sum, int64_t i, int64_t j) {
            const __m512 g = (__m512)_mm512_slli_epi32(sixteen(&room.g[i * r + j], first(r - j)), 16);
            const __m512 found = _mm512_fmadd_ps(_mm512_set1_ps(c), sum, _mm512_mul_ps(_mm512_set1_ps(b), g));
            const bool diagonal = j <= i && i < j + LANES;
            return _mm512_mask_add_ps(found, diagonal ? 1 << (i - j) : 0, found, _mm512_set1_ps(a));
        });
        if (step == 0) room.q = room.p;
        else {
            times(room, room.p, room.q, room.product, as_it_is);
            std::swap(room.q, room.product);
        }
        if (step + 1 < steps) {
            times(room, room.g, room.p, room.product, as_it_is);
            times(room, room.p, room.product, room.g, as_it_is);
        }
    }
    for (int64_t j = 0; j < width; j += COLUMNS) {
        for (int64_t i = 0; i < r; i += 2) pair_into_panels(&room.x[i * width + j], &room.x[(i + 1) * width + j], std::min(COLUMNS, width - j), 0, i / 2, room.panel.data());
        by_panel(rows_of(room.q.data(), r), r, room.panel.data(), r / 2, nothing, [&](int64_t i, int v, __m512 sum) {
            const int64_t column = j + v * LANES;
            if (column < width) store(&room.next[i * width + column], sum, first(width - column));
        });
    }
    std::swap(room.x, room.next);
}

// `matrices` (count x rows x columns) in place. Both sizes are multiples of 32.
void orthogonal(float *matrices, int64_t count, int64_t rows, int64_t columns, float a, float b, float c) {
    const bool tall = rows > columns;
#pragma omp parallel
    {
        Room room(std::min(rows, columns), std::max(rows, columns));
#pragma omp for schedule(dynamic)
        for (int64_t n = 0; n < count; n++) {
            float *matrix = matrices + n * rows * columns;
            double squares = 0;
            for (int64_t i = 0; i < rows; i++) {
                float sum = 0;
#pragma omp simd reduction(+ : sum)
                for (int64_t j = 0; j < columns; j++) sum += matrix[i * columns + j] * matrix[i * columns + j];
                squares += sum;
            }
            const float scale = 1.0f / std::max(float(std::sqrt(squares)), 1e-7f);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < columns; j++)
                    put(room.x[tall ? j * rows + i : i * columns + j], matrix[i * columns + j] * scale);
            if (room.c >= 2 * room.r) {
                leg(room, 3, a, b, c);
                leg(room, 2, a, b, c);
            } else {
                for (int step = 0; step < 5; step++) leg(room, 1, a, b, c);
            }
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < columns; j++)
                    matrix[i * columns + j] = up(room.x[tall ? j * rows + i : i * columns + j]);
        }
    }
}

}  // namespace

extern "C" void orthogonal_f32(float *matrices, int64_t count, int64_t rows, int64_t columns, float a, float b, float c) {
    orthogonal(matrices, count, rows, columns, a, b, c);
}
#endif
