/* SPDX-License-Identifier: MIT */
/* Checks of single arguments that every call of the room shares. */
#include "loss/loss.h"

#include <math.h>

bool kdi_loss_is_temperature(float temperature)
{
    return isfinite(temperature) && temperature > 0.0f;
}

bool kdi_loss_is_weight(float weight)
{
    return isfinite(weight) && weight >= 0.0f;
}

kd_status kdi_loss_check_temperature(float temperature, const char *name, int argument,
                                     kd_error *error)
{
    if (kdi_loss_is_temperature(temperature)) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_TEMPERATURE, argument, "%s is %g, not finite and above 0",
                         name, (double)temperature);
}

kd_status kdi_loss_check_weight(float weight, const char *name, int argument, kd_error *error)
{
    if (kdi_loss_is_weight(weight)) {
        return KD_OK;
    }
    return kdi_base_fail(error, KD_ERR_WEIGHT, argument, "%s is %g, not finite and at least 0",
                         name, (double)weight);
}

kd_status kdi_loss_check_weights(const float *weights, size_t n, size_t first, const char *name,
                                 int argument, double *out_sum, kd_error *error)
{
    double sum = weights ? 0.0 : (double)n;
    for (size_t i = 0; weights && i < n; i++) {
        if (!kdi_loss_is_weight(weights[i])) {
            return kdi_base_fail(error, KD_ERR_WEIGHT, argument,
                                 "%s[%z] is %g, not finite and at least 0", name, first + i,
                                 (double)weights[i]);
        }
        sum += (double)weights[i];
    }
    *out_sum = sum;
    return KD_OK;
}

kd_status kdi_loss_check_matrix(const float *values, size_t n, size_t k, size_t *stride,
                                const char *name, int argument, int stride_argument,
                                kd_error *error)
{
    if (!values) {
        return kdi_base_fail(error, KD_ERR_NULL, argument, "%s is NULL", name);
    }
    if (*stride == 0) {
        *stride = k;
    }
    if (*stride < k) {
        return kdi_base_fail(error, KD_ERR_SIZE, stride_argument,
                             "the stride of %s is %z, below its %z columns", name, *stride, k);
    }
    if (*stride > INT32_MAX) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, stride_argument,
                             "the stride of %s is %z, above %i", name, *stride, (int64_t)INT32_MAX);
    }
    size_t bytes;
    if (!kdi_base_extent(n, k, *stride, &bytes)) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, stride_argument,
                             "%s has %z rows of %z: too many bytes", name, n, *stride);
    }
    return KD_OK;
}
