// One token more for many texts at once: attention of one query over what was read, and the choice of the next token.
//
// Each text is as long as it is: nothing is padded to the longest and masked. Texts are independent of each other, so
// whichever thread takes one, and whatever stands beside it, the bits are the same.
#include <algorithm>
#include <vector>

#include "numbers.hpp"

namespace {

struct Shape {
    int64_t rows, queries, keys, width, room;  // R, H, K, E, places in a slot
};

// q: (R, H, E), k and v: (R, K, E), written to place `length` of the slots (R, K, room, E).  o: (R, H, E).
template <class T>
void extend(const T *q, const T *k, const T *v, T *k_slots, T *v_slots, const int64_t *length, T *o, Shape s) {
    const int64_t groups = s.queries / s.keys, E = s.width;
    const float scale = 1.0f / std::sqrt(float(E));
#pragma omp parallel
    {
        std::vector<float> weights(s.room), query(E), sums(E);
        float *p = weights.data(), *x = query.data(), *out = sums.data();
#pragma omp for schedule(dynamic, 8)
        for (int64_t item = 0; item < s.rows * s.keys; item++) {
            const int64_t places = length[item / s.keys] + 1;
            T *past_k = k_slots + item * s.room * E, *past_v = v_slots + item * s.room * E;
            std::copy_n(k + item * E, E, past_k + (places - 1) * E);
            std::copy_n(v + item * E, E, past_v + (places - 1) * E);
            for (int64_t head = item * groups; head < (item + 1) * groups; head++) {
                for (int64_t e = 0; e < E; e++) x[e] = up(q[head * E + e]) * scale, out[e] = 0.0f;
                float highest = -INFINITY, sum = 0.0f;
                for (int64_t t = 0; t < places; t++) {
                    const T *key = past_k + t * E;
                    float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
                    for (int64_t e = 0; e < E; e++) dot += x[e] * up(key[e]);
                    p[t] = dot;
                    highest = dot > highest ? dot : highest;
                }
#pragma omp simd reduction(+ : sum)
                for (int64_t t = 0; t < places; t++) {
                    p[t] = exponential(p[t] - highest);
                    sum += p[t];
                }
                for (int64_t t = 0; t < places; t++) {
                    const T *value = past_v + t * E;
                    const float weight = p[t];
#pragma omp simd
                    for (int64_t e = 0; e < E; e++) out[e] += weight * up(value[e]);
                }
                for (int64_t e = 0; e < E; e++) put(o[head * E + e], out[e] / sum);
            }
        }
    }
}

constexpr int64_t PART = 64;  // probabilities are summed in parts, and only the part in which the draw falls is searched

// Of each row the likeliest id, the lowest among equals, or where its temperature is above 0 the id at which the
// cumulative distribution passes `uniform`; and log p(id) under the distribution that was not tempered.
template <class T>
void draw(const T *scores, const float *temperature, const float *uniform, int64_t *ids, float *logprobs, int64_t rows,
          int64_t width) {
    const int64_t parts = (width + PART - 1) / PART;
#pragma omp parallel
    {
        std::vector<float> kept(parts * PART), sum_of(parts);
        float *p = kept.data();
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            const T *x = scores + row * width;
            float highest = -INFINITY, sum = 0.0f;
#pragma omp simd reduction(max : highest)
            for (int64_t i = 0; i < width; i++) {
                float score = up(x[i]);
                highest = score > highest ? score : highest;
            }
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < width; i++) sum += exponential(up(x[i]) - highest);
            int64_t id = 0;
            if (temperature[row] > 0.0f) {
                const float heat = 1.0f / temperature[row];
                std::fill(kept.begin(), kept.end(), 0.0f);
#pragma omp simd
                for (int64_t i = 0; i < width; i++) p[i] = exponential((up(x[i]) - highest) * heat);
                float total = 0.0f;
                for (int64_t part = 0; part < parts; part++) {
                    float in_part = 0.0f;
#pragma omp simd reduction(+ : in_part)
                    for (int64_t i = part * PART; i < (part + 1) * PART; i++) in_part += p[i];
                    sum_of[part] = in_part;
                    total += in_part;
                }
                float left = uniform[row] * total;
                int64_t part = 0;
                while (part < parts - 1 && left >= sum_of[part]) left -= sum_of[part++];
                id = part * PART;
                int64_t last = id;  // that has any probability, should rounding carry the draw past the end
                for (; id < std::min(width, (part + 1) * PART); id++) {
                    if (p[id] > 0.0f) last = id;
                    if (left < p[id]) break;
                    left -= p[id];
                }
                if (id == std::min(width, (part + 1) * PART)) id = last;
            } else {
                while (id < width - 1 && up(x[id]) != highest) id++;
            }
            ids[row] = id;
            logprobs[row] = up(x[id]) - highest - std::log(sum);
        }
    }
}

}  // namespace

#define FOR_EACH_TYPE(T, type)                                                                                          \
    extern "C" void extend_##type(const T *q, const T *k, const T *v, T *k_slots, T *v_slots, const int64_t *length,     \
                                  T *o, int64_t rows, int64_t queries, int64_t keys, int64_t width, int64_t room) {      \
        extend(q, k, v, k_slots, v_slots, length, o, {rows, queries, keys, width, room});                               \
    }                                                                                                                   \
    extern "C" void draw_##type(const T *scores, const float *temperature, const float *uniform, int64_t *ids,           \
                                float *logprobs, int64_t rows, int64_t width) {                                         \
        draw(scores, temperature, uniform, ids, logprobs, rows, width);                                                 \
    }

FOR_EACH_TYPE(float, f32)
FOR_EACH_TYPE(bf16, bf16)
