// Causal attention within documents and what they go on from, in bf16, on processors that multiply it (`products.hpp`).
//
// One thread takes one head of one row of the batch at a time and keeps all it needs in its second-level cache. Scores
// are made for 32 queries at once against the keys that they may see, the rest is never computed; nothing of size
// places x places leaves the cache. The way back makes the scores again from the saved log-sums (FlashAttention,
// arXiv:2205.14135). "Pairs" are matrices whose neighbouring rows lie in pairs, two bf16 in 32 bits. Length and head
// width are multiples of 32.
#include <algorithm>
#include <vector>

#include "products.hpp"

#ifdef PRODUCTS

namespace {

constexpr int64_t BLOCK = 32;  // queries at once, and the measure of every product
constexpr int64_t SQUARE = 16;

// Neighbouring rows of x (length x width) in pairs.
void pair_rows(const bf16 *x, int64_t x_step, uint32_t *out, int64_t out_step, int64_t length, int64_t width) {
    for (int64_t t = 0; t < length; t += 2)
#pragma omp simd
        for (int64_t e = 0; e < width; e++)
            out[t / 2 * out_step + e] = uint32_t(x[t * x_step + e].bits) | uint32_t(x[(t + 1) * x_step + e].bits) << 16;
}

// The transpose of x (rows x columns), a square that fits into registers and few cache lines at a time.
template <class From, class To>
void transpose(const From *x, int64_t x_step, To *out, int64_t out_step, int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < rows; row += SQUARE)
        for (int64_t column = 0; column < columns; column += SQUARE)
            for (int c = 0; c < SQUARE; c++)
                for (int r = 0; r < SQUARE; r++) {
                    const From from = x[(row + r) * x_step + column + c];
                    To &to = out[(column + c) * out_step + row + r];
                    if constexpr (sizeof(From) == sizeof(To)) to = from;
                    else put(to, from);
                }
}

// The transpose of x (length x width), its neighbouring rows in pairs: two numbers that lie side by side stay together.
// Sixteen columns of it lie in one piece, for rows a power of two apart would push each other out of the cache.
void pair_columns(const bf16 *x, int64_t step, uint32_t *out, int64_t length, int64_t width) {
    for (int64_t t = 0; t < length; t += 16)
        transpose(reinterpret_cast<const uint32_t *>(x + t * step), step / 2, out + t * width / 2, 16, 16, width / 2);
}
Pairs columns(const std::vector<uint32_t> &packed, int64_t from, int64_t width) {
    return {&packed[from * width / 2], 16, 8 * width};
}
Pairs rows(const std::vector<uint32_t> &packed, int64_t from, int64_t width) {
    return {&packed[from / 2 * width], width, 16};
}

struct Shape {
    int64_t batch, length, queries, keys, width;  // B, T, H, K, E
};

// Sixteen numbers at once.
inline __m512 exponential(__m512 x) {  // of what is not above 0; exact to a few units in the last place of fp32
    x = _mm512_max_ps(_mm512_set1_ps(-100.0f), x);  // in this order what is no number stays none
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.3981999507e-3f + 1.9875691500e-4f);
    for (float c : {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f, 1.0f, 1.0f})
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
    return _mm512_scalef_ps(p, n);
}
inline void put(bf16 *to, __m512 x) { _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), (__m256i)_mm512_cvtneps_pbh(x)); }
inline __mmask16 same(const int32_t *documents, int32_t own) {
    return _mm512_cmpeq_epi32_mask(_mm512_loadu_si512(documents), _mm512_set1_epi32(own));
}
inline __mmask16 first_lanes(int64_t count) { return count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1u; }

// For every place the first that it may see, and the last that may see it. A place sees its own document and the one that
// document goes on from, its prefix; neither need lie in one piece.
void first_and_last(const int32_t *documents, const int32_t *prefixes, int64_t length, int32_t *first, int32_t *last) {
    for (int64_t t = 0; t < length; t++) {
        const bool like = t && documents[t] == documents[t - 1] && prefixes[t] == prefixes[t - 1];
        int64_t s = like ? first[t - 1] : 0;
        while (documents[s] != documents[t] && documents[s] != prefixes[t]) s++;
        first[t] = int32_t(s);
    }
    for (int64_t t = length - 1; t >= 0; t--) {
        int64_t s = t + 1 < length && documents[t] == documents[t + 1] ? last[t + 1] : length - 1;
        while (documents[s] != documents[t] && prefixes[s] != documents[t]) s--;
        last[t] = int32_t(s);
    }
}

// q, k, v: (B, heads, T, E).  o: (B, T, H, E).  sums: log of the softmax's sum, (B, H, T).
void attention(const bf16 *q, const bf16 *k, const bf16 *v, const int32_t *documents, const int32_t *prefixes, bf16 *o,
               float *sums, Shape s) {
    const int64_t T = s.length, E = s.width, groups = s.queries / s.keys, wide = T + 32;
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(float(E))), nothing = _mm512_set1_ps(-INFINITY);
#pragma omp parallel
    {
        Units units;
        std::vector<uint32_t> k_columns(T * E / 2), v_rows(T * E / 2);
        std::vector<float> scores(BLOCK * wide), out(BLOCK * E);
        std::vector<bf16> p(BLOCK * wide);
        std::vector<int32_t> first(T), last(T);
#pragma omp for schedule(static)
        for (int64_t item = 0; item < s.batch * s.keys; item++) {
            const int64_t b = item / s.keys;
            const int32_t *document = documents + b * T, *prefix = prefixes + b * T;
            first_and_last(document, prefix, T, first.data(), last.data());
            pair_columns(k + item * T * E, E, k_columns.data(), T, E);
            pair_rows(v + item * T * E, E, v_rows.data(), E, T, E);
            for (int64_t h = item % s.keys * groups; h < (item % s.keys + 1) * groups; h++) {
                const int64_t head = (b * s.queries + h) * T;
                for (int64_t from = 0; from < T; from += BLOCK) {
                    // the keys that these queries may see
                    const int64_t begin = *std::min_element(&first[from], &first[from] + BLOCK) / BLOCK * BLOCK;
                    const int64_t seen = from + BLOCK - begin;
                    product(q + (head + from) * E, E, columns(k_columns, begin, E), scores.data(), wide, BLOCK, seen, E, false);
                    float sum_of[BLOCK];
                    for (int64_t i = 0; i < BLOCK; i++) {
                        const int64_t t = from + i;
                        float *x = &scores[i * wide];
                        __m512 highest = nothing, sum = _mm512_setzero_ps();
                        for (int64_t j = 0; j < seen; j += 16) {
                            const int32_t *keys = document + begin + j;
                            const __mmask16 own = same(keys, document[t]) | same(keys, prefix[t]);
                            const __mmask16 sees = own & first_lanes(t + 1 - begin - j);
                            const __m512 score = _mm512_mask_mul_ps(nothing, sees, _mm512_loadu_ps(x + j), scale);
                            _mm512_storeu_ps(x + j, score);
                            highest = _mm512_max_ps(highest, score);
                        }
                        const float top = _mm512_reduce_max_ps(highest);
                        for (int64_t j = 0; j < seen; j += 16) {
                            const __m512 e = exponential(_mm512_sub_ps(_mm512_loadu_ps(x + j), _mm512_set1_ps(top)));
                            sum = _mm512_add_ps(sum, e);
                            put(&p[i * wide + j], e);
                        }
                        sum_of[i] = _mm512_reduce_add_ps(sum);
                        if (sums) sums[head + t] = top + std::log(sum_of[i]);
                    }
                    product(p.data(), wide, rows(v_rows, begin, E), out.data(), E, BLOCK, E, seen, false);
                    for (int64_t i = 0; i < BLOCK; i++) {
                        const __m512 part = _mm512_set1_ps(1.0f / sum_of[i]);
                        bf16 *to = o + ((b * T + from + i) * s.queries + h) * E;
                        for (int64_t e = 0; e < E; e += 16) put(to + e, _mm512_mul_ps(_mm512_loadu_ps(&out[i * E + e]), part));
                    }
                }
            }
        }
    }
}

// All scores are made transposed here, 32 keys against the queries that see them: so the long sums, over queries, are
// those of the keys' and values' gradients, and only the queries' is gathered piece by piece.
void attention_back(const bf16 *d_o, const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *o, const int32_t *documents,
                    const int32_t *prefixes, const float *sums, bf16 *dq, bf16 *dk, bf16 *dv, Shape s) {
    const int64_t T = s.length, E = s.width, groups = s.queries / s.keys, token = s.queries * E, wide = T + 32;
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(float(E)));
#pragma omp parallel
    {
        Units units;
        std::vector<uint32_t> q_columns(T * E / 2), do_columns(T * E / 2), q_rows(T * E / 2), do_rows(T * E / 2);
        std::vector<uint32_t> ds_rows(BLOCK / 2 * T);
        std::vector<bf16> k_turned(E * wide), p(BLOCK * wide), ds(BLOCK * wide);
        std::vector<float> scores(BLOCK * wide), dp(BLOCK * wide), dots(T), dq_turned(E * wide), dk_sum(T * E), dv_sum(T * E);
        std::vector<int32_t> first(T), last(T);
#pragma omp for schedule(static)
        for (int64_t item = 0; item < s.batch * s.keys; item++) {
            const int64_t b = item / s.keys, first_head = item % s.keys * groups;
            const int32_t *document = documents + b * T, *prefix = prefixes + b * T;
            const bf16 *keys = k + item * T * E, *values = v + item * T * E;
            first_and_last(document, prefix, T, first.data(), last.data());
            transpose(keys, E, k_turned.data(), wide, T, E);
            for (int64_t h = first_head; h < first_head + groups; h++) {
                const int64_t head = (b * s.queries + h) * T;
                const bf16 *gradient = d_o + b * T * token + h * E, *said = o + b * T * token + h * E;
                pair_columns(q + head * E, E, q_columns.data(), T, E);
                pair_columns(gradient, token, do_columns.data(), T, E);
                pair_rows(q + head * E, E, q_rows.data(), E, T, E);
                pair_rows(gradient, token, do_rows.data(), E, T, E);
                for (int64_t t = 0; t < T; t++) {  // of the output and its gradient: what the softmax takes off
                    float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
                    for (int64_t e = 0; e < E; e++) dot += up(gradient[t * token + e]) * up(said[t * token + e]);
                    dots[t] = dot;
                }
                std::fill(dq_turned.begin(), dq_turned.end(), 0.0f);
                for (int64_t from = 0; from < T; from += BLOCK) {
                    // the queries that may see these keys
                    const int64_t end = *std::max_element(&last[from], &last[from] + BLOCK) / BLOCK * BLOCK + BLOCK;
                    const int64_t seeing = end - from;
                    product(keys + from * E, E, columns(q_columns, from, E), scores.data(), wide, BLOCK, seeing, E, false);
                    product(values + from * E, E, columns(do_columns, from, E), dp.data(), wide, BLOCK, seeing, E, false);
                    for (int64_t i = 0; i < BLOCK; i++) {
                        for (int64_t j = 0; j < seeing; j += 16) {
                            const int32_t own = document[from + i];
                            const __mmask16 seeing_it = same(document + from + j, own) | same(prefix + from + j, own);
                            const __mmask16 sees = seeing_it & ~first_lanes(i - j);
                            const __m512 sum = _mm512_loadu_ps(sums + head + from + j);
                            const __m512 x = _mm512_fmsub_ps(_mm512_loadu_ps(&scores[i * wide + j]), scale, sum);
                            const __m512 e = _mm512_maskz_mov_ps(sees, exponential(x));
                            const __m512 off = _mm512_sub_ps(_mm512_loadu_ps(&dp[i * wide + j]), _mm512_loadu_ps(&dots[from + j]));
                            put(&p[i * wide + j], e);
                            put(&ds[i * wide + j], _mm512_mul_ps(_mm512_mul_ps(e, scale), off));
                        }
                    }
                    const bool more = h > first_head;
                    product(p.data(), wide, rows(do_rows, from, E), &dv_sum[from * E], E, BLOCK, E, seeing, more);
                    product(ds.data(), wide, rows(q_rows, from, E), &dk_sum[from * E], E, BLOCK, E, seeing, more);
                    for (int64_t j = 0; j < seeing; j += 16) pair_rows(&ds[j], wide, &ds_rows[j * 16], 16, BLOCK, 16);
                    product(&k_turned[from], wide, columns(ds_rows, 0, BLOCK), &dq_turned[from], wide, E, seeing, BLOCK, true);
                }
                transpose(dq_turned.data(), wide, dq + head * E, E, E, T);
            }
            for (int64_t at = 0; at < T * E; at += 16) {
                put(dk + item * T * E + at, _mm512_loadu_ps(&dk_sum[at]));
                put(dv + item * T * E + at, _mm512_loadu_ps(&dv_sum[at]));
            }
        }
    }
}

}  // namespace

extern "C" void attention_bf16(const bf16 *q, const bf16 *k, const bf16 *v, const int32_t *documents, const int32_t *prefixes,
                               bf16 *o, float *sums, int64_t batch, int64_t length, int64_t queries, int64_t keys,
                               int64_t width) {
    attention(q, k, v, documents, prefixes, o, sums, {batch, length, queries, keys, width});
}
extern "C" void attention_back_bf16(const bf16 *d_o, const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *o,
                                    const int32_t *documents, const int32_t *prefixes, const float *sums,
                                    bf16 *dq, bf16 *dk, bf16 *dv, int64_t batch, int64_t length, int64_t queries,
                                    int64_t keys, int64_t width) {
    attention_back(d_o, q, k, v, o, documents, prefixes, sums, dq, dk, dv, {batch, length, queries, keys, width});
}
extern "C" int has_attention() { return granted(); }
#else
extern "C" int has_attention() { return 0; }
#endif
