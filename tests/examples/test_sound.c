/* SPDX-License-Identifier: MIT */
/* Speech from files to features: what is read, and 40 bands against a reference in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "logmel.h"
#include "wav.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const double turn = 6.283185307179586;

/* ---- the reference: each formula as it is written in the books ---- */

static double mel(double hertz)
{
    return 2595.0 * log10(1.0 + hertz / 700.0);
}

static double centre(double band) /* of band 0..39; -1 and 40 are the ends */
{
    return 700.0 * (pow(10.0, mel(4000.0) * (band + 1.0) / 41.0 / 2595.0) - 1.0);
}

static double weight(int band, double hertz)
{
    double middle = centre(band), low = centre(band - 1), high = centre(band + 1);
    if (hertz <= low || hertz >= high) {
        return 0.0;
    }
    return hertz <= middle ? (hertz - low) / (middle - low) : (high - hertz) / (high - middle);
}

static double power(const double *x, int n, int bin)
{
    double real = 0.0, imaginary = 0.0;
    for (int i = 0; i < n; i++) {
        real += x[i] * cos(turn * bin * i / 256.0);
        imaginary -= x[i] * sin(turn * bin * i / 256.0);
    }
    return real * real + imaginary * imaginary;
}

static void reference(const float *samples, double out[40])
{
    double x[200];
    for (int i = 0; i < 200; i++) {
        x[i] = (double)samples[i] * (0.54 - 0.46 * cos(turn * i / 199.0));
    }
    for (int band = 0; band < 40; band++) {
        double energy = 0.0;
        for (int bin = 0; bin <= 128; bin++) {
            energy += weight(band, bin * 8000.0 / 256.0) * power(x, 200, bin);
        }
        out[band] = log(energy + 1e-6);
    }
}

/* ---- features ---- */

static int set_up(void **state)
{
    *state = logmel_create();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    logmel_destroy(*state);
    return 0;
}

/* Noise, loud or hardly there, with a slope. */
static void make_noise(float *samples, size_t n, double loud)
{
    uint32_t random = 12345;
    for (size_t i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        samples[i] = (float)(loud * ((double)random / 4294967296.0 - 0.5));
        samples[i] += i > 0 ? 0.7f * samples[i - 1] : 0.0f;
    }
}

static void test_frames_are_as_the_reference_says(void **state)
{
    static const double loudness[] = {1.0, 0.01, 1e-5};
    enum { SAMPLES = 200 + 80 * 5 + 79 };
    float samples[SAMPLES], out[6 * 40];
    for (size_t l = 0; l < COUNT(loudness); l++) {
        make_noise(samples, SAMPLES, loudness[l]);
        assert_int_equal(logmel_count(SAMPLES), 6);
        logmel_of(*state, samples, SAMPLES, out);
        for (size_t frame = 0; frame < 6; frame++) {
            double due[40];
            reference(samples + 80 * frame, due);
            for (size_t band = 0; band < 40; band++) {
                assert_true(fabs((double)out[frame * 40 + band] - due[band]) < 1e-4);
            }
        }
    }
}

/* A click's spectrum is flat, so that it shows the sums of the bands' weights. */
static void test_sums_of_weights(void **state)
{
    float samples[200] = {0}, out[40];
    double window = 0.54 - 0.46 * cos(turn * 100 / 199.0);
    samples[100] = 1.0f;
    logmel_of(*state, samples, 200, out);
    for (int band = 0; band < 40; band++) {
        double sum = 0.0;
        for (int bin = 0; bin <= 128; bin++) {
            sum += weight(band, bin * 31.25);
        }
        assert_true(sum > 0.5); /* no band falls between two bins */
        assert_true(fabs(exp((double)out[band]) / (window * window) - sum) < 1e-3 * sum);
    }
}

static void test_tones_land_in_their_bands(void **state)
{
    for (int band = 3; band < 40; band++) {
        float samples[200], out[40];
        int loudest = 0;
        for (int i = 0; i < 200; i++) {
            samples[i] = (float)(0.5 * sin(turn * centre(band) * i / 8000.0));
        }
        logmel_of(*state, samples, 200, out);
        for (int b = 1; b < 40; b++) {
            loudest = out[b] > out[loudest] ? b : loudest;
        }
        /* Low bands are narrower than the window can tell apart. */
        assert_in_range(loudest, band < 12 ? band - 1 : band, band < 12 ? band + 1 : band);
    }
}

static void test_short_and_silent(void **state)
{
    static const size_t sizes[][2] = {{1, 1},   {199, 1},   {200, 1},    {279, 1},
                                      {280, 2}, {1148, 12}, {18262, 226}};
    float samples[280] = {0}, out[40], padded[40];
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_int_equal(logmel_count(sizes[i][0]), sizes[i][1]);
    }
    logmel_of(*state, samples, 200, out);
    for (int band = 0; band < 40; band++) {
        assert_true(fabs((double)out[band] - log(1e-6)) < 1e-4);
    }
    make_noise(samples, 57, 1.0);
    logmel_of(*state, samples, 57, out);
    logmel_of(*state, samples, 200, padded);
    assert_memory_equal(out, padded, sizeof out);
    samples[200] = 1.0f; /* behind the only whole window */
    logmel_of(*state, samples, 279, out);
    assert_memory_equal(out, padded, sizeof out);
}

/* ---- files ---- */

static void put(FILE *file, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        assert_int_not_equal(fputc((int)(value >> (8 * i) & 0xff), file), EOF);
    }
}

/* A file of n samples 0, 1000, 2000..., of which the header declares `declared`. */
static void write_wav(const char *path, uint32_t n, uint32_t declared)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("RIFF", file), put(file, 36 + 2 * declared, 4), fputs("WAVEfmt ", file);
    put(file, 16, 4), put(file, 1, 2), put(file, 1, 2);
    put(file, 8000, 4), put(file, 16000, 4), put(file, 2, 2), put(file, 16, 2);
    fputs("data", file), put(file, 2 * declared, 4);
    for (uint32_t i = 0; i < n; i++) {
        put(file, i % 30 * 1000, 2);
    }
    assert_int_equal(fclose(file), 0);
}

static void test_samples_are_read(void **state)
{
    const char *parent = getenv("TMPDIR");
    char path[4000], why[4400] = "";
    snprintf(path, sizeof path, "%s/libkd-wav-XXXXXX", parent ? parent : "/tmp");
    int fd = mkstemp(path);
    float *samples = NULL;
    size_t n = 0;
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_wav(path, 500, 500);
    assert_true(wav_read(path, &samples, &n, why, sizeof why));
    assert_int_equal(n, 500);
    for (size_t i = 0; i < n; i++) {
        assert_true((double)samples[i] == (double)(i % 30 * 1000) / 32768.0);
    }
    free(samples);
    samples = NULL;
    write_wav(path, 499, 500);
    assert_false(wav_read(path, &samples, &n, why, sizeof why));
    assert_null(samples);
    assert_int_equal(n, 500);
    assert_true(strncmp(why, path, strlen(path)) == 0);
    assert_non_null(strstr(why, "truncated: its header declares 500 samples, 499 are there"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_as_the_reference_says),
        cmocka_unit_test(test_sums_of_weights),
        cmocka_unit_test(test_tones_land_in_their_bands),
        cmocka_unit_test(test_short_and_silent),
        cmocka_unit_test(test_samples_are_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
