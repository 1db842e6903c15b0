// Attention over keys and values in pages: see inference/paged.py for how they lie.
#pragma once

#include <vector>

#include "few.hpp"

namespace {

constexpr int64_t PAGE = 16;

// H query heads of width E share K key heads; a text's pages stand in a row of `width` numbers.
struct Heads {
    int64_t H, K, E, width;
};

inline float *key_of(float *page, int64_t e, int64_t place, int64_t) { return page + e * PAGE + place; }
inline bf16 *key_of(bf16 *page, int64_t e, int64_t place, int64_t) { return page + e / 2 * PAGE * 2 + place * 2 + e % 2; }

// Put one key and one value, in fp32, at a place of a page.
template <class T>
inline void keep(const float *k, const float *v, T *key_page, T *value_page, int64_t place, int64_t E) {
    for (int64_t e = 0; e < E; e++) {
        put(*key_of(key_page, e, place, E), k[e]);
        put(value_page[place * E + e], v[e]);
    }
}

// Ask for a head's part of a page: pages lie anywhere, so the processor cannot tell which comes next.
template <class T>
inline void fetch(const T *page, int64_t E) {
    const char *at = reinterpret_cast<const char *>(page);
    for (int64_t line = 0; line < int64_t(PAGE * E * sizeof(T)); line += 64) __builtin_prefetch(at + line);
}

// The scores of sixteen keys for G queries.
template <int G>
inline void scores(const float *q, const float *keys, int64_t E, F16 (&out)[G]) {
    F16 even[G] = {}, odd[G] = {};
    for (int64_t e = 0; e < E; e += 2) {
        const F16 first = sixteen(keys + e * PAGE), second = sixteen(keys + (e + 1) * PAGE);
        for (int g = 0; g < G; g++) even[g] += first * q[g * E + e], odd[g] += second * q[g * E + e + 1];
    }
    for (int g = 0; g < G; g++) out[g] = even[g] + odd[g];
}

template <int G>
inline void scores(const bf16 *q, const bf16 *keys, int64_t E, F16 (&out)[G]) {
    const uint32_t *pairs = reinterpret_cast<const uint32_t *>(q), *k = reinterpret_cast<const uint32_t *>(keys);
    F16 even[G] = {}, odd[G] = {};
    for (int64_t p = 0; p < E / 2; p += 2) {
        const U16 first = *(const U16 *)(k + p * PAGE), second = *(const U16 *)(k + (p + 1) * PAGE);
        for (int g = 0; g < G; g++) {
            even[g] = add_pairs(even[g], first, pairs[g * E / 2 + p]);
            odd[g] = add_pairs(odd[g], second, pairs[g * E / 2 + p + 1]);
        }
    }
    for (int g = 0; g < G; g++) out[g] = even[g] + odd[g];
}

// out[g] += p[g] times the values of a page, for `count` places and V vectors of a head from `e` on.
template <int G, int V, class T>
inline void gather(const float *p, int64_t step, const T *values, int64_t count, int64_t E, int64_t e, F16 (&out)[G][V]) {
    for (int64_t place = 0; place < count; place++) {
        F16 value[V];
        for (int v = 0; v < V; v++) value[v] = sixteen(values + place * E + e + v * LANES);
        for (int g = 0; g < G; g++)
            for (int v = 0; v < V; v++) out[g][v] += value[v] * p[g * step + place];
    }
}

template <int G, int V, class T>
inline void weighted(const float *p, int64_t step, const T *values, const int32_t *table, int64_t page_size, int64_t places,
                     int64_t E, int64_t e, const float *sums, float *o) {
    F16 out[G][V] = {};
    for (int64_t begin = 0; begin < places; begin += PAGE) {
        if (begin + PAGE < places) fetch(values + table[begin / PAGE + 1] * page_size, E);
        gather<G, V>(p + begin, step, values + table[begin / PAGE] * page_size, std::min(PAGE, places - begin), E, e, out);
    }
    for (int g = 0; g < G; g++)
        for (int v = 0; v < V; v++) *(F16 *)(o + g * E + e + v * LANES) = out[g][v] / sums[g];
}

// G queries of one token, which share a key head, over the first `places` places of its text.
// keys, values: the head's part of page 0.  weights: room for G times the places, up to full pages.
template <int G, class T>
void look(const T *q, const T *keys, const T *values, const int32_t *table, int64_t page_size, int64_t places, int64_t E,
          float *weights, float *o) {
    const int64_t step = (places + PAGE - 1) / PAGE * PAGE;
    const float scale = 1.0f / std::sqrt(float(E));
    float highest[G], sums[G];
    std::fill_n(highest, G, -INFINITY);
    for (int64_t begin = 0; begin < step; begin += PAGE) {
        const T *page = keys + table[begin / PAGE] * page_size;
        if (begin + PAGE < step) fetch(keys + table[begin / PAGE + 1] * page_size, E);
        else fetch(values + table[0] * page_size, E);
        F16 found[G];
        scores<G>(q, page, E, found);
        for (int g = 0; g < G; g++) *(F16 *)(weights + g * step + begin) = found[g] * scale;
    }
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
    }
    int64_t e = 0;
    for (; e + 4 * LANES <= E; e += 4 * LANES)
        weighted<G, 4>(weights, step, values, table, page_size, places, E, e, sums, o);
    for (; e < E; e += LANES) weighted<G, 1>(weights, step, values, table, page_size, places, E, e, sums, o);
}

// What the heads of key head `head` of one token find; q and o are the token's first head's.
template <class T>
void look_around(const T *q, const T *keys, const T *values, const int32_t *table, int64_t place, int64_t head, Heads s,
                 std::vector<float> &room, float *o) {
    const int64_t groups = s.H / s.K, page_size = s.K * PAGE * s.E, at = head * PAGE * s.E, places = place + 1;
    const int64_t need = 4 * ((places + PAGE - 1) / PAGE * PAGE);
    if (int64_t(room.size()) < need) room.resize(need + need / 2);
    int64_t first = head * groups;
    const int64_t last = first + groups;
    while (first < last) {
        const int64_t left = last - first, E = s.E;
        float *w = room.data();
        if (left >= 4) look<4>(q + first * E, keys + at, values + at, table, page_size, places, E, w, o + first * E), first += 4;
        else if (left == 3) look<3>(q + first * E, keys + at, values + at, table, page_size, places, E, w, o + first * E), first += 3;
        else if (left == 2) look<2>(q + first * E, keys + at, values + at, table, page_size, places, E, w, o + first * E), first += 2;
        else look<1>(q + first * E, keys + at, values + at, table, page_size, places, E, w, o + first * E), first += 1;
    }
}

}  // namespace
