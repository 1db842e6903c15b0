// Attention over keys and values in pages: see inference/paged.py for how they lie.
#pragma once

#include <type_traits>
#include <vector>

#include "few.hpp"

namespace {

constexpr int64_t PAGE = 16;
constexpr int64_t AHEAD = 4;  // pages that are asked for before they are read: the processor cannot tell where they lie

// H query heads of width E share K key heads; a text's pages stand in a row of `width` numbers.
struct Heads {
    int64_t H, K, E, width;
};

inline float *key_of(float *page, int64_t e, int64_t place, int64_t) { return page + e * PAGE + place; }
inline bf16 *key_of(bf16 *page, int64_t e, int64_t place, int64_t) { return page + e / 2 * PAGE * 2 + place * 2 + e % 2; }

// Put one key and one value, in fp32, at a place of a page.
template <class T>
inline void keep(const float *k, const float *v, T *key_page, T *value_page, int64_t place, int64_t E) {
    T *value = value_page + place * E;
#pragma omp simd
    for (int64_t e = 0; e < E; e++) put(value[e], v[e]);
    for (int64_t first = 0; first < E; first += LANES) {
        T some[LANES];
#pragma omp simd
        for (int64_t i = 0; i < LANES; i++) put(some[i], k[first + i]);
        for (int64_t i = 0; i < LANES; i++) *key_of(key_page, first + i, place, E) = some[i];
    }
}

// The scores of G queries with the keys of N pages; what lies `ahead` is asked for, line by line. Several pages at once
// keep the processor busy while one sum waits for itself, and more of the memory's requests under way.
template <int G, int N>
inline void scores(const float *q, const float *const *pages, const float *const *ahead, int64_t E, F16 (&out)[N][G]) {
    F16 sums[N][G] = {};
    for (int64_t e = 0; e < E; e++)
        for (int n = 0; n < N; n++) {
            __builtin_prefetch(ahead[n] + e * PAGE);
            const F16 key = sixteen(pages[n] + e * PAGE);
            for (int g = 0; g < G; g++) sums[n][g] += key * q[g * E + e];
        }
    std::memcpy(out, sums, sizeof sums);
}

template <int G, int N>
inline void scores(const bf16 *q, const bf16 *const *pages, const bf16 *const *ahead, int64_t E, F16 (&out)[N][G]) {
    const uint32_t *pairs = reinterpret_cast<const uint32_t *>(q);
    F16 sums[N][G] = {};
    for (int64_t p = 0; p < E / 2; p++)
        for (int n = 0; n < N; n++) {
            __builtin_prefetch(ahead[n] + p * 2 * PAGE);
            const U16 key = *(const U16 *)(pages[n] + p * 2 * PAGE);
            for (int g = 0; g < G; g++) sums[n][g] = add_pairs(sums[n][g], key, pairs[g * E / 2 + p]);
        }
    std::memcpy(out, sums, sizeof sums);
}

// Two neighbours' values as sixteen pairs.
inline U16 paired(const bf16 *x, const bf16 *next) {
#if defined(__AVX512F__)
    const auto low = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)x));
    const auto high = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)next));
    return (U16)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
#else
    return __builtin_convertvector(*(const H16 *)x, U16) | __builtin_convertvector(*(const H16 *)next, U16) << 16;
#endif
}

// out[g] += p[g] times the values of a page, V vectors of a head from `e` on; those of the page `ahead` are asked for,
// line by line. In bf16 two places at a time.
template <int G, int V>
inline void gather(const float *p, int64_t step, const float *values, const float *ahead, int64_t E, int64_t e,
                   F16 (&out)[G][V]) {
    for (int64_t place = 0; place < PAGE; place++) {
        for (int v = 0; v < V; v++) __builtin_prefetch(ahead + place * E + e + v * LANES);
        F16 value[V];
        for (int v = 0; v < V; v++) value[v] = sixteen(values + place * E + e + v * LANES);
        for (int g = 0; g < G; g++)
            for (int v = 0; v < V; v++) out[g][v] += value[v] * p[g * step + place];
    }
}

template <int G, int V>
inline void gather(const bf16 *p, int64_t step, const bf16 *values, const bf16 *ahead, int64_t E, int64_t e,
                   F16 (&out)[G][V]) {
    for (int64_t place = 0; place < PAGE; place += 2)
        for (int v = 0; v < V; v++) {
            const bf16 *at = values + place * E + e + v * LANES;
            __builtin_prefetch(ahead + (at - values) + v % 2 * (E - LANES));  // a line is two vectors of one place
            const U16 both = paired(at, at + E);
            for (int g = 0; g < G; g++) {
                uint32_t two;
                std::memcpy(&two, p + g * step + place, sizeof two);
                out[g][v] = add_pairs(out[g][v], both, two);
            }
        }
}

template <int G, int V, class T>
inline void weighted(const T *p, int64_t step, const T *values, const T *then, const int32_t *table, int64_t page_size,
                     int64_t pages, int64_t E, int64_t e, const float *sums, float *o) {
    F16 out[G][V] = {};
    for (int64_t page = 0; page < pages; page++) {
        const int64_t next = page + AHEAD, first = std::min(next - pages, pages - 1);
        const T *ahead = next < pages ? values + table[next] * page_size : then + table[first] * page_size;
        gather<G, V>(p + page * PAGE, step, values + table[page] * page_size, ahead, E, e, out);
    }
    for (int g = 0; g < G; g++)
        for (int v = 0; v < V; v++) *(F16 *)(o + g * E + e + v * LANES) = out[g][v] / sums[g];
}

// G queries of one token, which share a key head, over the first `places` places of its text.
// keys, values: the head's part of page 0; `then`: of what is read next.
// weights: room for 3/2 G times the places, up to full pages.
template <int G, class T>
void look(const T *q, const T *keys, const T *values, const T *then, const int32_t *table, int64_t page_size,
          int64_t places, int64_t E, float *weights, float *o) {
    const int64_t step = (places + PAGE - 1) / PAGE * PAGE;
    const float scale = 1.0f / std::sqrt(float(E));
    float highest[G], sums[G];
    std::fill_n(highest, G, -INFINITY);
    const int64_t pages = step / PAGE;
    auto some = [&](auto count, int64_t first) {
        constexpr int N = decltype(count)::value;
        const T *here[N], *ahead[N];
        for (int n = 0; n < N; n++) {
            here[n] = keys + table[first + n] * page_size;
            const int64_t next = first + n + N;
            ahead[n] = next < pages ? keys + table[next] * page_size : values + table[std::min<int64_t>(n, pages - 1)] * page_size;
        }
        F16 found[N][G];
        scores<G, N>(q, here, ahead, E, found);
        for (int n = 0; n < N; n++)
            for (int g = 0; g < G; g++) *(F16 *)(weights + g * step + (first + n) * PAGE) = found[n][g] * scale;
    };
    int64_t page = 0;
    for (; page + 4 <= pages; page += 4) some(std::integral_constant<int, 4>(), page);
    for (; page < pages; page++) some(std::integral_constant<int, 1>(), page);
    T *shares = reinterpret_cast<T *>(weights + (std::is_same_v<T, float> ? 0 : G * step));
    for (int g = 0; g < G; g++) {
        float *p = weights + g * step, most = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(max : most)
        for (int64_t t = 0; t < places; t++) most = p[t] > most ? p[t] : most;
#pragma omp simd reduction(+ : sum)
        for (int64_t t = 0; t < places; t++) {
            p[t] = exponential(p[t] - most);
            sum += p[t];
        }
        sums[g] = sum;
        std::fill(p + places, p + step, 0.0f);
        T *share = shares + g * step;
        if constexpr (!std::is_same_v<T, float>) {
#pragma omp simd
            for (int64_t t = 0; t < step; t++) put(share[t], p[t]);
        }
    }
    int64_t e = 0;
    for (; e + 4 * LANES <= E; e += 4 * LANES)
        weighted<G, 4>(shares, step, values, then, table, page_size, pages, E, e, sums, o);
    for (; e < E; e += LANES) weighted<G, 1>(shares, step, values, then, table, page_size, pages, E, e, sums, o);
}

// What the heads of key head `head` of one token find; q and o are the token's first head's.
template <class T>
void look_around(const T *q, const T *keys, const T *values, const int32_t *table, int64_t place, int64_t head, Heads s,
                 std::vector<float> &room, float *o) {
    const int64_t groups = s.H / s.K, page_size = s.K * PAGE * s.E, at = head * PAGE * s.E, places = place + 1;
    const int64_t need = 6 * ((places + PAGE - 1) / PAGE * PAGE);
    if (int64_t(room.size()) < need) room.resize(need + need / 2);
    int64_t first = head * groups;
    const int64_t last = first + groups, E = s.E;
    const T *k = keys + at, *v = values + at;
    float *w = room.data();
    while (first < last) {
        const int64_t left = last - first;
        const T *then = left > 4 ? k : head + 1 < s.K ? k + PAGE * E : v;  // whoever reads a head reads the next as well
        if (left >= 4) look<4>(q + first * E, k, v, then, table, page_size, places, E, w, o + first * E), first += 4;
        else if (left == 3) look<3>(q + first * E, k, v, then, table, page_size, places, E, w, o + first * E), first += 3;
        else if (left == 2) look<2>(q + first * E, k, v, then, table, page_size, places, E, w, o + first * E), first += 2;
        else look<1>(q + first * E, k, v, then, table, page_size, places, E, w, o + first * E), first += 1;
    }
}

// So many heads of tokens a thread takes at a time: all of a token's, which lie together, where there are tokens enough.
inline int64_t heads_at_once(int64_t tokens, int64_t heads) { return tokens >= 8 ? heads : 1; }

}  // namespace
