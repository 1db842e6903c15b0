// The choice of the next token for many texts at once. Rows are independent of each other, so whichever thread takes one,
// and whatever stands beside it, the bits are the same.
#include <algorithm>
#include <vector>

#include "numbers.hpp"

namespace {

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
    extern "C" void draw_##type(const T *scores, const float *temperature, const float *uniform, int64_t *ids,           \
                                float *logprobs, int64_t rows, int64_t width) {                                         \
        draw(scores, temperature, uniform, ids, logprobs, rows, width);                                                 \
    }

FOR_EACH_TYPE(float, f32)
FOR_EACH_TYPE(bf16, bf16)
