// Weights packed for products of few rows, and such a product by itself: see few.hpp.
#include <omp.h>

#include "few.hpp"

namespace {

template <class Kind>
void pack(const typename Kind::Weight *w, void *to, int64_t outputs, int64_t inputs) {
    const int64_t side = SIDE * padded(inputs) * Kind::BYTES;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < padded(outputs); first += SIDE)
        Kind::pack(w, outputs, inputs, first, static_cast<char *>(to) + first / SIDE * side);
}

template <class Kind>
void few(const Packed &w, const float *x, float *y, void *memory, int64_t rows) {
    const Inputs in = inputs_in(memory, rows, w.K);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) Kind::ready(x + row * w.K, w.K, in, row);
        product<Kind>(w, in, rows, y, false, omp_get_thread_num(), omp_get_num_threads());
    }
}

}  // namespace

#define FOR_EACH_KIND(Kind, type)                                                                                       \
    extern "C" void pack_##type(const Kind::Weight *w, void *to, int64_t outputs, int64_t inputs) {                     \
        pack<Kind>(w, to, outputs, inputs);                                                                             \
    }                                                                                                                   \
    extern "C" void few_##type(const void *w, const float *scales, const float *bias, const float *x, float *y,         \
                               void *memory, int64_t rows, int64_t outputs, int64_t inputs) {                           \
        few<Kind>({w, scales, bias, outputs, inputs}, x, y, memory, rows);                                              \
    }

FOR_EACH_KIND(Floats, f32)
FOR_EACH_KIND(Pairs16, bf16)
FOR_EACH_KIND(Bytes, i8)
