// All blocks of a decoder over the new tokens of a step, and its head, in one call: the threads stay together from the
// first norm to the last product. The stream between the blocks is fp32; inputs of products are rounded as the weights
// are, keys and values as the cache is.
#include <omp.h>

#include "paged.hpp"

namespace {

// As inference/native.py fills them in; what may be missing is null.
struct Layer {
    const float *before, *q_norm, *k_norm, *after;  // norms' weights
    Packed heads, out, wide, down;                  // wide: 32 gates and the 32 ups that belong to them, by turns
    void *keys, *values;
};

struct Step {
    const Layer *layers;
    const float *norm;  // the last one's weights
    Packed head;
    int64_t depth, D, F, H, K, E;
    float eps;
    int64_t M, asked, width;
    float *x;  // (M, D)
    const float *cos, *sin;  // (M, E)
    const int32_t *tables, *rows, *places, *which;  // which: (asked), the tokens after which the head is asked
    float *logits;                                  // (asked, V)
    char *memory;
};

inline void normed(const float *x, const float *w, float eps, int64_t width, float *out) {
    float squares = 0.0f;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < width; i++) squares += x[i] * x[i];
    const float by = 1.0f / std::sqrt(squares / float(width) + eps);
#pragma omp simd
    for (int64_t i = 0; i < width; i++) out[i] = x[i] * by * w[i];
}

// A head normed, where there is a norm, and turned by its place's angles.
inline void turned(const float *x, const float *w, float eps, const float *cos, const float *sin, int64_t E, float *out) {
    float held[1024];
    if (w) normed(x, w, eps, E, held), x = held;
#pragma omp simd
    for (int64_t e = 0; e < E / 2; e++) {
        out[e] = x[e] * cos[e] - x[e + E / 2] * sin[e];
        out[e + E / 2] = x[e + E / 2] * cos[e + E / 2] + x[e] * sin[e + E / 2];
    }
}

// Scratch memory for M tokens, one part after the other.
struct Room {
    float *heads, *found, *wide, *line;
    void *q, *inputs;

    static int64_t lined(int64_t bytes) { return (bytes + 63) / 64 * 64; }

    Room(const Step &s) {
        char *at = s.memory;
        const auto take = [&](int64_t bytes) { char *mine = at; at += lined(bytes); return mine; };
        heads = reinterpret_cast<float *>(take(s.M * (s.H + 2 * s.K) * s.E * 4));
        found = reinterpret_cast<float *>(take(s.M * s.H * s.E * 4));
        wide = reinterpret_cast<float *>(take(s.M * padded(s.F) * 4));
        q = take(s.M * s.H * s.E * 4);
        inputs = at;
    }
};

// Kind: of the blocks' weights.  Outer: of the head's.  T: of keys and values.
template <class Kind, class Outer, class T>
void blocks(const Step &s) {
    const Room room(s);
    const int64_t M = s.M, D = s.D, E = s.E, QKV = (s.H + 2 * s.K) * E, page_size = s.K * PAGE * E;
    const Heads shape{s.H, s.K, E, s.width};
    const Inputs of_D = inputs_in(room.inputs, M, D), of_C = inputs_in(room.inputs, M, s.H * E),
                 of_F = inputs_in(room.inputs, M, s.F);
    T *q = static_cast<T *>(room.q);
#pragma omp parallel
    {
        const int64_t thread = omp_get_thread_num(), threads = omp_get_num_threads();
        std::vector<float> weights, line(std::max({D, E, SIDE * M}));
        for (int64_t index = 0; index < s.depth; index++) {
            const Layer &layer = s.layers[index];
            T *keys = static_cast<T *>(layer.keys), *values = static_cast<T *>(layer.values);
#pragma omp for schedule(static)
            for (int64_t m = 0; m < M; m++) {
                normed(s.x + m * D, layer.before, s.eps, D, line.data());
                Kind::ready(line.data(), D, of_D, m);
            }
            product<Kind>(layer.heads, of_D, M, room.heads, false, thread, threads);
#pragma omp barrier
#pragma omp for schedule(static)
            for (int64_t item = 0; item < M * s.K; item++) {
                const int64_t m = item / s.K, head = item % s.K, groups = s.H / s.K;
                const float *from = room.heads + m * QKV, *cos = s.cos + m * E, *sin = s.sin + m * E;
                for (int64_t h = head * groups; h < (head + 1) * groups; h++) {
                    turned(from + h * E, layer.q_norm, s.eps, cos, sin, E, line.data());
#pragma omp simd
                    for (int64_t e = 0; e < E; e++) put(q[(m * s.H + h) * E + e], line[e]);
                }
                turned(from + (s.H + head) * E, layer.k_norm, s.eps, cos, sin, E, line.data());
                const int64_t at = s.tables[s.rows[m] * s.width + s.places[m] / PAGE] * page_size + head * PAGE * E;
                keep(line.data(), from + (s.H + s.K + head) * E, keys + at, values + at, s.places[m] % PAGE, E);
            }
#pragma omp for schedule(dynamic, heads_at_once(M, s.K))
            for (int64_t item = 0; item < M * s.K; item++) {
                const int64_t m = item / s.K;
                look_around(q + m * s.H * E, keys, values, s.tables + s.rows[m] * s.width, s.places[m], item % s.K, shape,
                            weights, room.found + m * s.H * E);
            }
#pragma omp for schedule(static)
            for (int64_t m = 0; m < M; m++) Kind::ready(room.found + m * s.H * E, s.H * E, of_C, m);
            product<Kind>(layer.out, of_C, M, s.x, true, thread, threads);
#pragma omp barrier
#pragma omp for schedule(static)
            for (int64_t m = 0; m < M; m++) {
                normed(s.x + m * D, layer.after, s.eps, D, line.data());
                Kind::ready(line.data(), D, of_D, m);
            }
            const Share mine = share(layer.wide.N, thread, threads);
            for (int64_t first = mine.first; first < mine.last; first += SIDE) {
                one_side<Kind>(layer.wide, of_D, M, first, line.data(), SIDE, false);
                const int64_t count = std::min(SIDE / 2, s.F - first / 2);
                for (int64_t m = 0; m < M; m++) {
                    const float *gate = line.data() + m * SIDE, *up = gate + SIDE / 2;
                    float *out = room.wide + m * s.F + first / 2;
#pragma omp simd
                    for (int64_t i = 0; i < count; i++) out[i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
                }
            }
#pragma omp barrier
#pragma omp for schedule(static)
            for (int64_t m = 0; m < M; m++) Kind::ready(room.wide + m * s.F, s.F, of_F, m);
            product<Kind>(layer.down, of_F, M, s.x, true, thread, threads);
#pragma omp barrier
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < s.asked; i++) {
            normed(s.x + s.which[i] * D, s.norm, s.eps, D, line.data());
            Outer::ready(line.data(), D, of_D, i);
        }
        product<Outer>(s.head, of_D, s.asked, s.logits, false, thread, threads);
    }
}

}  // namespace

// The bytes of scratch memory a step of M tokens needs.
extern "C" int64_t blocks_bytes(int64_t M, int64_t D, int64_t F, int64_t H, int64_t K, int64_t E) {
    const int64_t floats = M * ((2 * H + 2 * K) * E + H * E + padded(F));
    return floats * 4 + 4 * 64 + input_bytes(M, std::max({D, F, H * E}));
}

extern "C" void blocks_f32_f32(const Step *step) { blocks<Floats, Floats, float>(*step); }
extern "C" void blocks_bf16_bf16(const Step *step) { blocks<Pairs16, Pairs16, bf16>(*step); }
extern "C" void blocks_i8_f32(const Step *step) { blocks<Bytes, Floats, float>(*step); }
extern "C" void blocks_i8_bf16(const Step *step) { blocks<Bytes, Pairs16, bf16>(*step); }
