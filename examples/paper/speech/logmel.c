/* SPDX-License-Identifier: MIT */
/* Log-mel features. */
#include "logmel.h"

#include <fftw3.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct logmel {
    float window[LOGMEL_WINDOW];
    float weights[LOGMEL_BANDS][LOGMEL_BINS];
    int first[LOGMEL_BANDS], end[LOGMEL_BANDS]; /* bins with weights above 0 */
    float *in;                                  /* [256] */
    fftwf_complex *out;                         /* [129] */
    fftwf_plan plan;
};

static double mel(double hertz)
{
    return 2595.0 * log10(1.0 + hertz / 700.0);
}

static double hertz_of(double m)
{
    return 700.0 * (pow(10.0, m / 2595.0) - 1.0);
}

/* 1 at `centre`, 0 at `low` and `high` and outside. */
static double triangle(double low, double centre, double high, double at)
{
    double up = (at - low) / (centre - low);
    double down = (high - at) / (high - centre);
    return fmax(0.0, fmin(up, down));
}

static void make_bands(logmel *f)
{
    double step = mel(WAV_RATE / 2) / (LOGMEL_BANDS + 1);
    for (int band = 0; band < LOGMEL_BANDS; band++) {
        double low = hertz_of(step * band), centre = hertz_of(step * (band + 1));
        double high = hertz_of(step * (band + 2));
        f->first[band] = LOGMEL_BINS;
        for (int bin = 0; bin < LOGMEL_BINS; bin++) {
            double hertz = (double)bin * WAV_RATE / LOGMEL_FFT;
            double weight = triangle(low, centre, high, hertz);
            f->weights[band][bin] = (float)weight;
            if (weight > 0.0) {
                f->first[band] = bin < f->first[band] ? bin : f->first[band];
                f->end[band] = bin + 1;
            }
        }
    }
}

logmel *logmel_create(void)
{
    static const double turn = 6.28318530717958647692;
    logmel *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    for (int i = 0; i < LOGMEL_WINDOW; i++) {
        f->window[i] = (float)(0.54 - 0.46 * cos(turn * i / (LOGMEL_WINDOW - 1)));
    }
    make_bands(f);
    f->in = fftwf_alloc_real(LOGMEL_FFT);
    f->out = fftwf_alloc_complex(LOGMEL_BINS);
    /* The plan is estimated, not measured: a measured one differs from day to day, and so would
       the last bits. */
    f->plan =
        f->in && f->out ? fftwf_plan_dft_r2c_1d(LOGMEL_FFT, f->in, f->out, FFTW_ESTIMATE) : NULL;
    if (!f->plan) {
        logmel_destroy(f);
        return NULL;
    }
    return f;
}

void logmel_destroy(logmel *f)
{
    if (f) {
        fftwf_destroy_plan(f->plan);
        fftwf_free(f->in);
        fftwf_free(f->out);
        free(f);
    }
}

size_t logmel_count(size_t n)
{
    return n < LOGMEL_WINDOW ? 1 : 1 + (n - LOGMEL_WINDOW) / LOGMEL_HOP;
}

static void bands_of(const logmel *f, float *out)
{
    float power[LOGMEL_BINS];
    for (int i = 0; i < LOGMEL_BINS; i++) {
        power[i] = f->out[i][0] * f->out[i][0] + f->out[i][1] * f->out[i][1];
    }
    for (int band = 0; band < LOGMEL_BANDS; band++) {
        float energy = 0.0f;
        for (int i = f->first[band]; i < f->end[band]; i++) {
            energy += f->weights[band][i] * power[i];
        }
        out[band] = logf(energy + 1e-6f);
    }
}

void logmel_of(logmel *f, const float *samples, size_t n, float *out)
{
    size_t frames = logmel_count(n);
    for (size_t i = 0; i < frames; i++) {
        size_t left = n - i * LOGMEL_HOP;
        size_t here = left < LOGMEL_WINDOW ? left : LOGMEL_WINDOW;
        memset(f->in, 0, LOGMEL_FFT * sizeof *f->in);
        for (size_t j = 0; j < here; j++) {
            f->in[j] = f->window[j] * samples[i * LOGMEL_HOP + j];
        }
        fftwf_execute(f->plan);
        bands_of(f, out + i * LOGMEL_BANDS);
    }
}
