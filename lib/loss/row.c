/* SPDX-License-Identifier: MIT */
/* Opening rows: whatever is wrong with one is found here, before anything is made of it. */
#include "loss/row.h"

#include <math.h>

/* How far from 1 the sum of given probabilities may be. */
#define SUM_TOLERANCE 1e-4

kd_status kdi_loss_row_open(kdi_row *row, const kdi_kernels *kern, const float *x, size_t k,
                            kdi_fault *fault)
{
    row->x = x;
    if (!kern->range_f32(x, k, &row->min, &row->max)) {
        size_t i = 0;
        while (x[i] < INFINITY) {
            i++;
        }
        fault->index = i;
        fault->value = (double)x[i];
        return KD_ERR_NOT_FINITE;
    }
    if (row->max == -INFINITY) {
        fault->row = true;
        fault->value = -(double)INFINITY;
        return KD_ERR_SUPPORT;
    }
    return KD_OK;
}

const kdi_kernels *kdi_loss_row_kern(const kdi_row *row, const kdi_kernels *kern, double scale)
{
    bool small = row->max <= KDI_KERN_LARGEST_SCORE &&
                 (row->min >= -KDI_KERN_LARGEST_SCORE || row->min == -INFINITY);
    bool usual = scale >= KDI_KERN_SMALLEST_SCALE && scale <= KDI_KERN_LARGEST_SCALE;
    return small && usual ? kern : kdi_kern(KD_ISA_PORTABLE);
}

/* Elements that make a chunk worth a thread. */
#define CHUNK 32768

size_t kdi_loss_chunks(size_t n, size_t k)
{
    size_t chunks = n * k / CHUNK; /* the matrix is in memory, so this can't wrap */
    chunks = chunks > KDI_LOSS_CHUNKS ? KDI_LOSS_CHUNKS : chunks;
    chunks = chunks > n ? n : chunks;
    return chunks ? chunks : 1;
}

/* Kahan: the rounding of 1 + x is in the divisor too, so it cancels. Faster than libm's log1p. */
double kdi_loss_log1p(double x)
{
    double u = 1.0 + x;
    return u > 1.0 ? log(u) * (x / (u - 1.0)) : x;
}

double kdi_loss_target_scale(const kd_targets *targets, double temperature)
{
    bool logs = targets->kind == KD_TARGET_LOG_PROBABILITIES;
    return (logs ? (double)targets->temperature : 1.0) / temperature;
}

bool kdi_loss_targets_are_scores(const kd_targets *targets)
{
    return targets->kind == KD_TARGET_LOGITS || targets->kind == KD_TARGET_LOG_PROBABILITIES;
}

bool kdi_loss_is_faint(const kdi_sums *sums, size_t k)
{
    return sums->rest < 1e-30 * (double)k;
}

static kd_status check_sum(double sum, kdi_fault *fault)
{
    if (fabs(sum - 1.0) <= SUM_TOLERANCE) {
        return KD_OK;
    }
    fault->row = true;
    fault->value = sum;
    return KD_ERR_PROBABILITY;
}

kd_status kdi_loss_row_check_log(const kdi_row *row, const kdi_kernels *kern, size_t k,
                                 kdi_fault *fault)
{
    kdi_scores s = {row->x, row->max, 1.0};
    kdi_sums sums;
    kdi_loss_row_kern(row, kern, 1.0)->exps_f32(&s, k, NULL, &sums);
    return check_sum(exp((double)row->max) * (1.0 + sums.rest), fault);
}

kd_status kdi_loss_row_check_given(const float *p, size_t k, float least, double mass,
                                   kdi_fault *fault)
{
    if (least >= 0.0f && mass < (double)INFINITY) {
        return check_sum(mass, fault);
    }
    size_t i = 0;
    while (i + 1 < k && p[i] >= 0.0f && p[i] < INFINITY) {
        i++;
    }
    fault->index = i;
    fault->value = (double)p[i];
    return isfinite(p[i]) ? KD_ERR_PROBABILITY : KD_ERR_NOT_FINITE;
}
