// Attention of a step's tokens by itself: their keys and values are kept first, then each looks at its text so far.
#include "paged.hpp"

namespace {

// Token m's keys and values, (K, E) each, in its page. Within a team of threads, each of which takes a part.
template <class T>
void keep_all(const T *k, const T *v, T *keys, T *values, const int32_t *tables, const int32_t *rows,
              const int32_t *places, int64_t M, Heads s) {
    const int64_t E = s.E, page_size = s.K * PAGE * E;
    std::vector<float> key(E), value(E);
#pragma omp for schedule(static)
    for (int64_t m = 0; m < M; m++) {
        const int64_t page = tables[rows[m] * s.width + places[m] / PAGE];
        for (int64_t head = 0; head < s.K; head++) {
            const int64_t from = (m * s.K + head) * E, at = page * page_size + head * PAGE * E;
            for (int64_t e = 0; e < E; e++) key[e] = up(k[from + e]), value[e] = up(v[from + e]);
            keep(key.data(), value.data(), keys + at, values + at, places[m] % PAGE, E);
        }
    }
}

// q, o: (M, H, E).  k, v: (M, K, E).  tables: (R, width).  rows, places: (M).
template <class T>
void paged(const T *q, const T *k, const T *v, T *keys, T *values, const int32_t *tables, const int32_t *rows,
           const int32_t *places, T *o, int64_t M, Heads s) {
    const int64_t E = s.E;
#pragma omp parallel
    {
        std::vector<float> room, found(s.H * E);
        keep_all(k, v, keys, values, tables, rows, places, M, s);
#pragma omp for schedule(dynamic, heads_at_once(M, s.K))
        for (int64_t item = 0; item < M * s.K; item++) {
            const int64_t m = item / s.K, head = item % s.K, groups = s.H / s.K;
            look_around(q + m * s.H * E, keys, values, tables + rows[m] * s.width, places[m], head, s, room, found.data());
            for (int64_t i = head * groups * E; i < (head + 1) * groups * E; i++) put(o[m * s.H * E + i], found[i]);
        }
    }
}

}  // namespace

#define FOR_EACH_TYPE(T, type)                                                                                          \
    extern "C" void keep_##type(const T *k, const T *v, T *keys, T *values, const int32_t *tables, const int32_t *rows, \
                                const int32_t *places, int64_t M, int64_t K, int64_t E, int64_t width) {                \
        _Pragma("omp parallel") keep_all(k, v, keys, values, tables, rows, places, M, {K, K, E, width});                \
    }                                                                                                                   \
    extern "C" void paged_##type(const T *q, const T *k, const T *v, T *keys, T *values, const int32_t *tables,         \
                                 const int32_t *rows, const int32_t *places, T *o, int64_t M, int64_t H, int64_t K,     \
                                 int64_t E, int64_t width) {                                                            \
        paged(q, k, v, keys, values, tables, rows, places, o, M, {H, K, E, width});                                     \
    }

FOR_EACH_TYPE(float, f32)
FOR_EACH_TYPE(bf16, bf16)
