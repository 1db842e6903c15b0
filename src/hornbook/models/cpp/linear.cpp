// The three products of a linear layer, from weights of fp32 or bf16: forward, back to its input, back to its weights.
//
// The weights are rounded as they are laid into panels, and their gradient is summed in fp32 over all places, so that
// neither a copy in bf16 nor a gradient in bf16 is ever made. Every output is summed by one thread, in one order:
// the same bits whatever the threads.
#include <vector>

#include <omp.h>

#include "panels.hpp"

#ifdef PANELS
namespace {

constexpr int64_t BLOCK = 96;  // rows a task

// Rows a task: about `BLOCK`, so that the tasks are a multiple of the threads and none is left alone at the end.
int64_t block_of(int64_t rows) {
    const int64_t tasks = up_to((rows + BLOCK - 1) / BLOCK, omp_get_max_threads());
    return up_to((rows + tasks - 1) / tasks, ROWS);
}

// The right matrix x (2 pairs x n), rows one after the other, in panels. To be called by all threads.
template <class T>
void lay_out(const T *x, int64_t n, int64_t pairs, uint32_t *out) {
#pragma omp for schedule(static)
    for (int64_t p = 0; p < pairs; p++) pair_into_panels(x + 2 * p * n, x + (2 * p + 1) * n, n, pairs, p, out);
}

// Ask for rows that will be read: the processor does not see them coming, six short ones at a time.
void fetch(const bf16 *x, int64_t size) {
    for (int64_t i = 0; i < size; i += 32) _mm_prefetch(reinterpret_cast<const char *>(x + i), _MM_HINT_T1);
}

// Some rows of y (n wide) = a b, of a (2 pairs wide) and b in panels; `sums` has room for the rows by 64.
void some_rows(const bf16 *a, const uint32_t *b, bf16 *y, int64_t rows, int64_t n, int64_t pairs, float *sums) {
    if (pairs <= MOST_PAIRS) fetch(a, rows * 2 * pairs);
    for (int64_t j = 0; j < n; j += COLUMNS) {
        auto finish = [&](int64_t i, int v, __m512 sum) {
            store(y + i * n + j + v * LANES, sum, first(n - j - v * LANES));
        };
        auto kept = [&](int64_t i, int v) { return _mm512_loadu_ps(sums + i * COLUMNS + v * LANES); };
        auto keep = [&](int64_t i, int v, __m512 sum) { _mm512_storeu_ps(sums + i * COLUMNS + v * LANES, sum); };
        for (int64_t p = 0; p < pairs; p += MOST_PAIRS) {
            const int64_t now = std::min(MOST_PAIRS, pairs - p);
            const Left left = rows_of(a + 2 * p, 2 * pairs);
            const uint32_t *right = b + j * pairs + p * COLUMNS;
            const bool last = p + now == pairs;
            if (p == 0) last ? by_panel(left, rows, right, now, nothing, finish) : by_panel(left, rows, right, now, nothing, keep);
            else last ? by_panel(left, rows, right, now, kept, finish) : by_panel(left, rows, right, now, kept, keep);
        }
    }
}

template <class W>
void forward(const W *w, const bf16 *x, bf16 *y, int64_t m, int64_t n, int64_t k) {
    const int64_t pairs = k / 2, block = block_of(m);
    uint32_t *b = scratch(up_to(n, COLUMNS) * pairs);
#pragma omp parallel
    {
        std::vector<float> sums(block * COLUMNS);
#pragma omp for schedule(static)
        for (int64_t j = 0; j < n; j += COLUMNS) panel_of_columns(w, k, k, n, j, b + j * pairs);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < m; i += block)
            some_rows(x + i * k, b, y + i * n, std::min(block, m - i), n, pairs, sums.data());
    }
}

// dx (m x k) = dy w and dw (n x k) = dy' x, or added to dw, of dy (m x n), w (n x k), x (m x k); either may be left out.
// Both are made for some places at a time, while their dy is near.
template <class W>
void back(const W *w, const bf16 *dy, const bf16 *x, bf16 *dx, float *dw, int64_t m, int64_t n, int64_t k, bool add) {
    constexpr int64_t PLACES = 1024, WIDE = 48;  // WIDE: rows of dw a task, a multiple of both ROWS and LANES
    const int64_t block = block_of(PLACES), across = up_to(k, COLUMNS), down = up_to(n, WIDE), most = std::min(PLACES, m) / 2;
    uint32_t *w_panels = scratch((dx ? across * n / 2 : 0) + (dw ? (across + down) * most : 0));
    uint32_t *x_panels = w_panels + (dx ? across * n / 2 : 0), *turned = x_panels + across * most;
#pragma omp parallel
    {
        std::vector<float> sums(block * COLUMNS);
        if (dx) lay_out(w, k, n / 2, w_panels);
        for (int64_t from = 0; from < m; from += PLACES) {
            const int64_t places = std::min(PLACES, m - from), pairs = places / 2;
            const bf16 *dy_here = dy + from * n, *x_here = x + from * k;
            if (dw) {
                lay_out(x_here, k, pairs, x_panels);
#pragma omp for schedule(static)
                for (int64_t p = 0; p < pairs; p++)
                    for (int64_t i = 0; i < n; i += LANES) {
                        const bf16 *at = dy_here + 2 * p * n + i;
                        _mm512_storeu_si512(turned + i / WIDE * pairs * WIDE + p * WIDE + i % WIDE, paired(at, at + n, first(n - i)));
                    }
            }
            const int64_t row_tasks = dx ? (places + block - 1) / block : 0, panels = across / COLUMNS;
#pragma omp for schedule(dynamic)
            for (int64_t task = 0; task < row_tasks + (dw ? down / WIDE * panels : 0); task++) {
                if (task < row_tasks) {
                    const int64_t i = task * block;
                    some_rows(dy_here + i * n, w_panels, dx + (from + i) * k, std::min(block, places - i), k, n / 2, sums.data());
                    continue;
                }
                const int64_t i = (task - row_tasks) / panels * WIDE, j = (task - row_tasks) % panels * COLUMNS;
                float *out = dw + i * k + j;
                auto some = [=](int v) { return first(k - j - v * LANES); };
                auto was = [&](int64_t r, int v) { return _mm512_maskz_loadu_ps(some(v), out + r * k + v * LANES); };
                auto finish = [&](int64_t r, int v, __m512 sum) { store(out + r * k + v * LANES, sum, some(v)); };
                const Left left = {turned + i * pairs, 1, WIDE};
                if (from > 0 || add) by_panel(left, std::min(WIDE, n - i), x_panels + j * pairs, pairs, was, finish);
                else by_panel(left, std::min(WIDE, n - i), x_panels + j * pairs, pairs, nothing, finish);
            }
        }
    }
}

}  // namespace

// x is m x k, w n x k, y m x n. dx or dw may be null.
#define FOR_EACH_WEIGHT(T, type)                                                                                        \
    extern "C" void linear_##type(const T *w, const bf16 *x, bf16 *y, int64_t m, int64_t n, int64_t k) {               \
        forward(w, x, y, m, n, k);                                                                                      \
    }                                                                                                                   \
    extern "C" void linear_back_##type(const T *w, const bf16 *dy, const bf16 *x, bf16 *dx, float *dw, int64_t m,       \
                                       int64_t n, int64_t k, int add) {                                                 \
        back(w, dy, x, dx, dw, m, n, k, add);                                                                           \
    }

FOR_EACH_WEIGHT(float, f32)
FOR_EACH_WEIGHT(bf16, bf16)
extern "C" int has_products() { return 1; }
#else
extern "C" int has_products() { return 0; }
#endif
