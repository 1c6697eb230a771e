/* SPDX-License-Identifier: MIT */
/* Random orders of cases: Fisher and Yates, from the last place down. */
#include "base/base.h"

#include <kd/batch.h>

kd_status kd_shuffle(uint64_t seed, uint32_t epoch, size_t n, uint32_t *out_order, kd_error *error)
{
    if (!out_order) {
        return kdi_base_fail(error, KD_ERR_NULL, 4, "out_order is NULL");
    }
    kd_status status = kdi_base_check_size(n, "n", 3, error);
    if (status != KD_OK) {
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        out_order[i] = (uint32_t)i;
    }
    kdi_rng_key key = kdi_base_rng_key(seed, KDI_STREAM_SHUFFLE);
    for (size_t i = n - 1; i > 0; i--) {
        uint32_t counter[4] = {(uint32_t)i, epoch, 0, 0};
        uint32_t word[4];
        kdi_base_rng_block(key, counter, word);
        /* 64 bits: the remainder's bias is below 2^-33. */
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): n is at least 1 */
        size_t j = (size_t)(((uint64_t)word[0] << 32 | word[1]) % (i + 1));
        uint32_t swapped = out_order[i];
        out_order[i] = out_order[j];
        out_order[j] = swapped;
    }
    return KD_OK;
}
