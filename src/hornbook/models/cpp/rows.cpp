// The element-wise work of a transformer on a processor, each piece in one pass over its rows.
//
// Products are left to torch, whose bf16 kernels use the matrix units. What stands between them would be some twenty
// small operations a block, each of which reads and writes everything once more; here it is six. A value is computed in
// fp32, whatever type it is kept in, and rounded once. Work is divided among OpenMP's threads in fixed parts, so that
// the same thread count gives the same bits. No header but the C++ library's: it compiles in three seconds.
#include <vector>

#include <omp.h>

#include "numbers.hpp"

namespace {

inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

constexpr int64_t SMALL = 1 << 14;  // elements: below, waking the other threads costs more than they save

// What each thread adds up for weights of `width` that all rows share; summed in the order of the threads.
struct Shares {
    int64_t width;
    std::vector<float> sums;
    Shares(int threads, int64_t width) : width(width), sums(threads * width, 0.0f) {}
    float *mine() { return sums.data() + omp_get_thread_num() * width; }
    void total(float *out) const {
        for (int64_t d = 0; d < width; d++) out[d] = 0.0f;
        for (size_t at = 0; at < sums.size(); at += width)
            for (int64_t d = 0; d < width; d++) out[d] += sums[at + d];
    }
};

template <class T>
float inverse_rms(const T *x, int64_t width, float eps) {
    float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
    for (int64_t d = 0; d < width; d++) squares += up(x[d]) * up(x[d]);
    return 1.0f / std::sqrt(squares / float(width) + eps);
}

// dx of y = x r w, where r = 1 / rms(x):  r (dy w - x r mean(dy w x r)).  Adds dy x r to dw.
template <class T, class Out, class Gradient>
void norm_back(Gradient dy, const T *x, const float *w, float r, int64_t width, Out out, float *dw) {
    float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
    for (int64_t d = 0; d < width; d++) {
        float normed = up(x[d]) * r, g = dy(d);
        dot += g * w[d] * normed;
        dw[d] += g * normed;
    }
    float mean = dot / float(width);
#pragma omp simd
    for (int64_t d = 0; d < width; d++) out(d, r * (dy(d) * w[d] - up(x[d]) * r * mean));
}

template <class T>
void rms_norm(const T *x, const float *w, float eps, T *y, float *r, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static) if (rows * width > SMALL)
    for (int64_t row = 0; row < rows; row++) {
        const T *from = x + row * width;
        T *to = y + row * width;
        float scale = inverse_rms(from, width, eps);
        if (r) r[row] = scale;
#pragma omp simd
        for (int64_t d = 0; d < width; d++) put(to[d], up(from[d]) * scale * w[d]);
    }
}

template <class T>
void rms_norm_back(const T *dy, const T *x, const float *w, const float *r, T *dx, float *dw, int64_t rows, int64_t width) {
    Shares shares(omp_get_max_threads(), width);
#pragma omp parallel for schedule(static) if (rows * width > SMALL)
    for (int64_t row = 0; row < rows; row++) {
        const T *gradient = dy + row * width;
        T *to = dx + row * width;
        norm_back(
            [=](int64_t d) { return up(gradient[d]); }, x + row * width, w, r[row], width,
            [=](int64_t d, float value) { put(to[d], value); }, shares.mine());
    }
    shares.total(dw);
}

// silu(gate) * up, the two side by side in one row of 2 width.
template <class T>
void swiglu(const T *both, T *y, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static) if (rows * width > SMALL)
    for (int64_t row = 0; row < rows; row++) {
        const T *gate = both + row * 2 * width, *value = gate + width;
        T *to = y + row * width;
#pragma omp simd
        for (int64_t d = 0; d < width; d++) put(to[d], up(gate[d]) * sigmoid(up(gate[d])) * up(value[d]));
    }
}

template <class T>
void swiglu_back(const T *dy, const T *both, T *dboth, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static) if (rows * width > SMALL)
    for (int64_t row = 0; row < rows; row++) {
        const T *gate = both + row * 2 * width, *value = gate + width, *gradient = dy + row * width;
        T *dgate = dboth + row * 2 * width, *dvalue = dgate + width;
#pragma omp simd
        for (int64_t d = 0; d < width; d++) {
            float g = up(gate[d]), s = sigmoid(g), silu = g * s, dy = up(gradient[d]);
            put(dvalue[d], dy * silu);
            put(dgate[d], dy * up(value[d]) * (s + silu * (1.0f - s)));
        }
    }
}

// What a place's row of queries, keys and values becomes, and back: heads apart, queries and keys normed and turned.
struct Heads {
    int64_t batch, length, queries, keys, width;  // B, T, H, K, E
    int64_t angles;                               // rows of cos and sin to step over from one row of the batch to the next
    int64_t all() const { return queries + 2 * keys; }
};

template <class T>
struct Place {
    Heads s;
    T *q, *k, *v;
    // where head h of place t of row b lies, and whose it is: 0 query, 1 key, 2 value
    T *at(int64_t b, int64_t t, int64_t h, int &kind) const {
        kind = h < s.queries ? 0 : h < s.queries + s.keys ? 1 : 2;
        T *base = kind == 0 ? q : kind == 1 ? k : v;
        int64_t heads = kind == 0 ? s.queries : s.keys, head = kind == 0 ? h : (h - s.queries) % s.keys;
        return base + ((b * heads + head) * s.length + t) * s.width;
    }
};

template <class T>
void split_heads(const T *rows, const float *q_norm, const float *k_norm, float eps, const float *cosines,
                 const float *sines, T *q, T *k, T *v, float *r, Heads s) {
    Place<T> place{s, q, k, v};
    const int64_t half = s.width / 2;
#pragma omp parallel for schedule(static) if (s.batch * s.length * s.all() * s.width > SMALL)
    for (int64_t row = 0; row < s.batch * s.length; row++) {
        const int64_t b = row / s.length, t = row % s.length;
        const float *c = cosines + b * s.angles + t * s.width, *n = sines + b * s.angles + t * s.width;
        for (int64_t h = 0; h < s.all(); h++) {
            int kind;
            const T *from = rows + (row * s.all() + h) * s.width;
            T *to = place.at(b, t, h, kind);
            if (kind == 2) {
                for (int64_t e = 0; e < s.width; e++) to[e] = from[e];
                continue;
            }
            const float *w = kind == 0 ? q_norm : k_norm;
            float scale = w ? inverse_rms(from, s.width, eps) : 1.0f;
            if (w && r) r[row * (s.queries + s.keys) + h] = scale;
#pragma omp simd
            for (int64_t e = 0; e < half; e++) {
                float left = up(from[e]) * scale, right = up(from[e + half]) * scale;
                if (w) left *= w[e], right *= w[e + half];
                put(to[e], left * c[e] - right * n[e]);
                put(to[e + half], right * c[e + half] + left * n[e + half]);
            }
        }
    }
}

template <class T>
void split_heads_back(const T *dq, const T *dk, const T *dv, const T *rows, const float *q_norm, const float *k_norm,
                      const float *cosines, const float *sines, const float *r, T *drows, float *dq_norm, float *dk_norm,
                      Heads s) {
    Place<const T> place{s, dq, dk, dv};
    Shares of_q(omp_get_max_threads(), s.width), of_k(omp_get_max_threads(), s.width);
    const int64_t half = s.width / 2;
#pragma omp parallel if (s.batch * s.length * s.all() * s.width > SMALL)
    {
        std::vector<float> turned(s.width);
        float *g = turned.data();
#pragma omp for schedule(static)
        for (int64_t row = 0; row < s.batch * s.length; row++) {
            const int64_t b = row / s.length, t = row % s.length;
            const float *c = cosines + b * s.angles + t * s.width, *n = sines + b * s.angles + t * s.width;
            for (int64_t h = 0; h < s.all(); h++) {
                int kind;
                const T *from = place.at(b, t, h, kind);
                T *to = drows + (row * s.all() + h) * s.width;
                if (kind == 2) {
                    for (int64_t e = 0; e < s.width; e++) to[e] = from[e];
                    continue;
                }
#pragma omp simd
                for (int64_t e = 0; e < half; e++) {
                    float left = up(from[e]), right = up(from[e + half]);
                    g[e] = left * c[e] + right * n[e + half];
                    g[e + half] = right * c[e + half] - left * n[e];
                }
                const float *w = kind == 0 ? q_norm : k_norm;
                if (!w) {
                    for (int64_t e = 0; e < s.width; e++) put(to[e], g[e]);
                    continue;
                }
                norm_back(
                    [=](int64_t e) { return g[e]; }, rows + (row * s.all() + h) * s.width, w,
                    r[row * (s.queries + s.keys) + h], s.width, [=](int64_t e, float value) { put(to[e], value); },
                    (kind == 0 ? of_q : of_k).mine());
            }
        }
    }
    if (q_norm) of_q.total(dq_norm);
    if (k_norm) of_k.total(dk_norm);
}

// Each row's - weight log p(target) into `loss`, and in place of the scores their gradient, weight (p - 1 at the target).
template <class T>
void cross_entropy(T *scores, const int64_t *targets, const float *weights, float *loss, int64_t rows, int64_t width,
                   int gradients) {
#pragma omp parallel if (rows * width > SMALL)
    {
        std::vector<float> kept(width);
        float *p = kept.data();
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            T *s = scores + row * width;
            const int64_t target = targets[row];
            const float weight = weights[row];
            float highest = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(max : highest)
            for (int64_t v = 0; v < width; v++) {
                float x = up(s[v]);
                highest = x > highest ? x : highest;
            }
#pragma omp simd reduction(+ : sum)
            for (int64_t v = 0; v < width; v++) {
                p[v] = exponential(up(s[v]) - highest);
                sum += p[v];
            }
            loss[row] = weight * (highest + std::log(sum) - up(s[target]));
            if (!gradients) continue;
            const float part = weight / sum, at_target = p[target] * part - weight;
#pragma omp simd
            for (int64_t v = 0; v < width; v++) put(s[v], p[v] * part);
            put(s[target], at_target);
        }
    }
}

}  // namespace

#define FOR_EACH_TYPE(T, type)                                                                                          \
    extern "C" void rms_norm_##type(const T *x, const float *w, float eps, T *y, float *r, int64_t rows, int64_t width) { \
        rms_norm(x, w, eps, y, r, rows, width);                                                                         \
    }                                                                                                                   \
    extern "C" void rms_norm_back_##type(const T *dy, const T *x, const float *w, const float *r, T *dx, float *dw,      \
                                         int64_t rows, int64_t width) {                                                 \
        rms_norm_back(dy, x, w, r, dx, dw, rows, width);                                                                \
    }                                                                                                                   \
    extern "C" void swiglu_##type(const T *both, T *y, int64_t rows, int64_t width) { swiglu(both, y, rows, width); }    \
    extern "C" void swiglu_back_##type(const T *dy, const T *both, T *dboth, int64_t rows, int64_t width) {              \
        swiglu_back(dy, both, dboth, rows, width);                                                                      \
    }                                                                                                                   \
    extern "C" void split_heads_##type(const T *rows, const float *q_norm, const float *k_norm, float eps,               \
                                       const float *cosines, const float *sines, T *q, T *k, T *v, float *r,            \
                                       int64_t batch, int64_t length, int64_t queries, int64_t keys, int64_t width,     \
                                       int64_t angles) {                                                                \
        split_heads(rows, q_norm, k_norm, eps, cosines, sines, q, k, v, r, {batch, length, queries, keys, width, angles}); \
    }                                                                                                                   \
    extern "C" void split_heads_back_##type(const T *dq, const T *dk, const T *dv, const T *rows, const float *q_norm,   \
                                            const float *k_norm, const float *cosines, const float *sines,              \
                                            const float *r, T *drows, float *dq_norm, float *dk_norm, int64_t batch,    \
                                            int64_t length, int64_t queries, int64_t keys, int64_t width,               \
                                            int64_t angles) {                                                           \
        split_heads_back(dq, dk, dv, rows, q_norm, k_norm, cosines, sines, r, drows, dq_norm, dk_norm,                  \
                         {batch, length, queries, keys, width, angles});                                                \
    }                                                                                                                   \
    extern "C" void cross_entropy_##type(T *scores, const int64_t *targets, const float *weights, float *loss,           \
                                         int64_t rows, int64_t width, int gradients) {                                  \
        cross_entropy(scores, targets, weights, loss, rows, width, gradients);                                          \
    }

FOR_EACH_TYPE(float, f32)
FOR_EACH_TYPE(bf16, bf16)
