// A head and its loss in one: the scores of some places, their cross entropy, and both gradients.
//
// Words are taken in groups whose scores stay near the core. A first pass keeps of each score only exp(score - the
// highest of its row in the group), in bf16, and for each row and group that highest and the sum of what was kept; from
// these comes what the loss needs (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018), and the
// second pass has no exponential left to take. Every output is summed in one order: the same bits whatever the threads,
// as long as they are no more than SLICES.
#include <omp.h>

#include "panels.hpp"

#ifdef PANELS
namespace {

constexpr int64_t WIDE = 48, GROUP = 192;  // rows of a task, a multiple of ROWS and LANES; words, of WIDE and COLUMNS
constexpr int64_t BLOCK = 96;              // places whose scores are at hand in fp32, a multiple of ROWS
constexpr int64_t SLICES = 8;             // parts that the gradient of the places is summed in

struct Sizes {
    int64_t places, words, width;
    int64_t groups() const { return (words + GROUP - 1) / GROUP; }
    int64_t slices() const { return std::min(groups(), std::max<int64_t>(SLICES, omp_get_max_threads())); }
    int64_t across() const { return up_to(width, COLUMNS); }
    int64_t in_group(int64_t g) const { return std::min(GROUP, words - g * GROUP); }
};

// What both passes share, of all places; laid out one after the other in the room that the caller gives.
struct Room {
    float *highest, *sums, *sought, *all, *dx;  // (groups, places) twice, (places) twice, (slices, across / 64, places, 64)
    uint32_t *x_panels;                         // places in pairs, by 64 of the width
    bf16 *raised;                               // (groups, places, GROUP)
    Room(Sizes s, void *at) {
        auto part = [&](auto *&pointer, int64_t count) {
            pointer = static_cast<std::remove_reference_t<decltype(pointer)>>(at);
            at = static_cast<char *>(at) + up_to(count * int64_t(sizeof *pointer), 64);
        };
        part(highest, s.groups() * s.places);
        part(sums, s.groups() * s.places);
        part(sought, s.places);
        part(all, s.places);
        part(dx, s.slices() * s.across() * s.places);
        part(x_panels, s.across() * s.places / 2);
        part(raised, s.groups() * s.places * GROUP);
        end = static_cast<char *>(at);
    }
    char *end;
};

inline __m512 exp_below(__m512 x) {  // of what is not above 0, to 3 units in the last place
    const __m512 t = _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), n = _mm512_roundscale_ps(t, 0), f = _mm512_sub_ps(t, n);
    __m512 p = _mm512_set1_ps(1.5403530e-4f);  // log(2)^i / i!
    for (float next : {1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f})
        p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(next));
    return _mm512_scalef_ps(p, n);
}

// A row of a group's scores, `wide` of them: raised against their highest into `out`.
inline void raise(float *scores, int64_t wide, bf16 *out, float &highest, float &sum) {
    constexpr int VECTORS_ROW = GROUP / LANES;
    for (int64_t c = wide; c < GROUP; c++) scores[c] = -1e30f;  // no word: its exponential is 0
    __m512 x[VECTORS_ROW], most, total = _mm512_setzero_ps();
#pragma GCC unroll 12
    for (int v = 0; v < VECTORS_ROW; v++) {
        x[v] = _mm512_loadu_ps(scores + v * LANES);
        most = v ? _mm512_max_ps(most, x[v]) : x[v];
    }
    highest = _mm512_reduce_max_ps(most);
    most = _mm512_set1_ps(highest);
#pragma GCC unroll 12
    for (int v = 0; v < VECTORS_ROW; v++) {
        const __m512 e = exp_below(_mm512_sub_ps(x[v], most));
        total = _mm512_add_ps(total, e);
        store(out + v * LANES, e, 0xffff);
    }
    sum = _mm512_reduce_add_ps(total);
}

// The first pass over a group of words.
template <class W>
void first_pass(const W *w, const bf16 *x, const int64_t *targets, Sizes s, int64_t g, Room room, bool keep) {
    const int64_t pairs = s.width / 2, from = g * GROUP, wide = s.in_group(g);
    uint32_t *panels = scratch(GROUP * pairs + BLOCK * GROUP + GROUP);
    float *scores = reinterpret_cast<float *>(panels + GROUP * pairs);
    bf16 *nowhere = reinterpret_cast<bf16 *>(scores + BLOCK * GROUP);
    for (int64_t j = 0; j < wide; j += COLUMNS) panel_of_columns(w, s.width, s.width, s.words, from + j, panels + j * pairs);
    for (int64_t i = 0; i < s.places; i += BLOCK) {
        const int64_t rows = std::min(BLOCK, s.places - i);
        for (int64_t j = 0; j < wide; j += COLUMNS)
            by_panel(rows_of(x + i * s.width, s.width), rows, panels + j * pairs, pairs, nothing,
                     [&](int64_t r, int v, __m512 sum) { _mm512_storeu_ps(scores + r * GROUP + j + v * LANES, sum); });
        for (int64_t r = 0; r < rows; r++) {
            const int64_t place = i + r, sought = targets[place] - from, at = g * s.places + place;
            if (sought >= 0 && sought < wide) room.sought[place] = scores[r * GROUP + sought];
            raise(scores + r * GROUP, wide, keep ? room.raised + at * GROUP : nowhere, room.highest[at], room.sums[at]);
        }
    }
}

// Each place's log of the sum over all words, from the groups' in their order; and its loss.
void meet(const float *weights, float *losses, Sizes s, Room room) {
    for (int64_t i = 0; i < s.places; i++) {
        float highest = -INFINITY, sum = 0.0f;
        for (int64_t g = 0; g < s.groups(); g++) highest = std::max(highest, room.highest[g * s.places + i]);
#pragma omp simd reduction(+ : sum)
        for (int64_t g = 0; g < s.groups(); g++)
            sum += room.sums[g * s.places + i] * exponential(room.highest[g * s.places + i] - highest);
        room.all[i] = highest + std::log(sum);
        losses[i] = weights[i] * (room.all[i] - room.sought[i]);
    }
}

// The second pass over a group: its part of dx is added to `dx`, or begins it; dw is set, or added to.
template <class W>
void second_pass(const W *w, const int64_t *targets, const float *weights, Sizes s, int64_t g, Room room, float *dx, bool begins,
                 float *dw, bool add) {
    const int64_t from = g * GROUP, wide = s.in_group(g), pairs = s.places / 2;
    uint32_t *w_panels = scratch(s.across() * GROUP / 2 + s.places * GROUP), *turned = w_panels + s.across() * GROUP / 2;
    bf16 *d = reinterpret_cast<bf16 *>(turned + pairs * GROUP);  // (places, GROUP); turned: WIDE words by pairs of places
    for (int64_t p = 0; p < GROUP / 2; p++) {
        if (2 * p < wide) pair_into_panels(w + (from + 2 * p) * s.width, w + (from + 2 * p + 1) * s.width, s.width, GROUP / 2, p, w_panels);
        else for (int64_t j = 0; j < s.across(); j += COLUMNS) std::memset(w_panels + j * GROUP / 2 + p * COLUMNS, 0, COLUMNS * 4);
    }
    for (int64_t i = 0; i < s.places; i += 2) {
        __m512 share[2];
        for (int r = 0; r < 2; r++)
            share[r] = _mm512_set1_ps(weights[i + r] * exponential(room.highest[g * s.places + i + r] - room.all[i + r]));
        const bf16 *raised = room.raised + (g * s.places + i) * GROUP;
        for (int64_t c = 0; c < GROUP; c += LANES) {
            __m512i both[2];
            for (int r = 0; r < 2; r++) {
                const __m512 e = (__m512)_mm512_slli_epi32(sixteen(raised + r * GROUP + c, 0xffff), 16);
                const auto near = (__m256i)_mm512_cvtneps_pbh(_mm512_mul_ps(e, share[r]));
                _mm256_storeu_si256(reinterpret_cast<__m256i *>(d + (i + r) * GROUP + c), near);
                both[r] = _mm512_cvtepu16_epi32(near);
            }
            _mm512_storeu_si512(turned + c / WIDE * pairs * WIDE + i / 2 * WIDE + c % WIDE,
                                _mm512_or_si512(both[0], _mm512_slli_epi32(both[1], 16)));
        }
        for (int r = 0; r < 2; r++) {
            const int64_t c = targets[i + r] - from;
            if (c < 0 || c >= wide) continue;
            bf16 &at = d[(i + r) * GROUP + c];
            put(at, weights[i + r] * std::expm1(room.sought[i + r] - room.all[i + r]));
            reinterpret_cast<bf16 *>(turned + c / WIDE * pairs * WIDE + i / 2 * WIDE + c % WIDE)[r] = at;
        }
    }
    for (int64_t j = 0; j < s.width; j += COLUMNS) {
        float *out = dx + j * s.places;
        auto was = [&](int64_t i, int v) { return _mm512_loadu_ps(out + i * COLUMNS + v * LANES); };
        auto keep = [&](int64_t i, int v, __m512 sum) { _mm512_storeu_ps(out + i * COLUMNS + v * LANES, sum); };
        const uint32_t *panel = w_panels + j * GROUP / 2;
        if (begins) by_panel(rows_of(d, GROUP), s.places, panel, GROUP / 2, nothing, keep);
        else by_panel(rows_of(d, GROUP), s.places, panel, GROUP / 2, was, keep);
    }
    for (int64_t c = 0; c < wide; c += WIDE)
        for (int64_t j = 0; j < s.width; j += COLUMNS) {
            float *out = dw + (from + c) * s.width + j;
            auto some = [=](int v) { return first(s.width - j - v * LANES); };
            auto was = [&](int64_t r, int v) { return _mm512_maskz_loadu_ps(some(v), out + r * s.width + v * LANES); };
            auto finish = [&](int64_t r, int v, __m512 sum) { store(out + r * s.width + v * LANES, sum, some(v)); };
            const Left left = {turned + c * pairs, 1, WIDE};
            if (add) by_panel(left, std::min(WIDE, wide - c), room.x_panels + j * pairs, pairs, was, finish);
            else by_panel(left, std::min(WIDE, wide - c), room.x_panels + j * pairs, pairs, nothing, finish);
        }
}

template <class W>
void head(const W *w, const bf16 *x, const int64_t *targets, const float *weights, float *losses, bf16 *dx, float *dw, void *at,
          Sizes s, bool add) {
    const Room room(s, at);
    const int64_t slices = s.slices(), pairs = s.places / 2;
#pragma omp parallel
    {
#pragma omp for schedule(dynamic)
        for (int64_t g = 0; g < s.groups(); g++) first_pass(w, x, targets, s, g, room, dx);
#pragma omp single
        meet(weights, losses, s, room);
        if (dx) {
#pragma omp for schedule(static)
            for (int64_t p = 0; p < pairs; p++)
                pair_into_panels(x + 2 * p * s.width, x + (2 * p + 1) * s.width, s.width, pairs, p, room.x_panels);
#pragma omp for schedule(dynamic)
            for (int64_t slice = 0; slice < slices; slice++) {
                const int64_t begin = slice * s.groups() / slices, end = (slice + 1) * s.groups() / slices;
                for (int64_t g = begin; g < end; g++)
                    second_pass(w, targets, weights, s, g, room, room.dx + slice * s.across() * s.places, g == begin, dw, add);
            }
#pragma omp for schedule(static)
            for (int64_t i = 0; i < s.places; i++)
                for (int64_t j = 0; j < s.width; j += LANES) {
                    __m512 sum = _mm512_setzero_ps();
                    for (int64_t slice = 0; slice < slices; slice++)
                        sum = _mm512_add_ps(sum, _mm512_loadu_ps(room.dx + slice * s.across() * s.places + j / COLUMNS * COLUMNS * s.places +
                                                                 i * COLUMNS + j % COLUMNS));
                    store(dx + i * s.width + j, sum, 0xffff);
                }
        }
    }
}

}  // namespace

// x is places x width (a multiple of 32), w words x width; places and words are even. Without dx no gradient is made.
#define FOR_EACH_WEIGHT(T, type)                                                                                        \
    extern "C" void head_##type(const T *w, const bf16 *x, const int64_t *targets, const float *weights, float *losses,  \
                                bf16 *dx, float *dw, void *room, int64_t places, int64_t words, int64_t width, int add) { \
        head(w, x, targets, weights, losses, dx, dw, room, {places, words, width}, add);                                \
    }

FOR_EACH_WEIGHT(float, f32)
FOR_EACH_WEIGHT(bf16, bf16)

// Bytes that `room` must have; less where no gradients are wanted.
extern "C" int64_t head_room(int64_t places, int64_t words, int64_t width, int gradients) {
    const Room room({places, words, width}, nullptr);
    return reinterpret_cast<int64_t>(gradients ? static_cast<void *>(room.end) : room.dx);
}
#endif
