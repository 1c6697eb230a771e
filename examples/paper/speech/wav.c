/* SPDX-License-Identifier: MIT */
/* Wav files by libsndfile, which reads what is there of a truncated file and does not complain. */
#include "wav.h"

#include <errno.h>
#include <inttypes.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BYTES = 2 /* Of a sample. */ };

/* Where a complaint goes. */
typedef struct complaint {
    const char *path;
    char *why;
    size_t size;
} complaint;

static bool refuse(const complaint *to, const char *reason)
{
    snprintf(to->why, to->size, "%s: %s (expected a wav file of 8000 Hz, mono, 16-bit PCM)",
             to->path, reason);
    return false;
}

static bool is_file(const complaint *to)
{
    struct stat about;
    if (stat(to->path, &about) != 0) {
        return refuse(to, strerror(errno));
    }
    if (!S_ISREG(about.st_mode)) {
        return refuse(to, "it is no file");
    }
    return about.st_size > 0 || refuse(to, "the file is empty");
}

/* What the header says, whether it is there or not. */
static uint32_t declared_bytes(SNDFILE *file)
{
    SF_CHUNK_INFO about = {.id = "data", .id_size = 4};
    SF_CHUNK_ITERATOR *at = sf_get_chunk_iterator(file, &about);
    return at && sf_get_chunk_size(at, &about) == SF_ERR_NO_ERROR ? about.datalen : 0;
}

static bool is_speech(const complaint *to, SNDFILE *file, const SF_INFO *info)
{
    char reason[120];
    int type = info->format & SF_FORMAT_TYPEMASK;
    int64_t declared = declared_bytes(file);
    if ((type != SF_FORMAT_WAV && type != SF_FORMAT_WAVEX) ||
        (info->format & SF_FORMAT_SUBMASK) != SF_FORMAT_PCM_16) {
        return refuse(to, "another format or encoding");
    }
    if (info->samplerate != WAV_RATE) {
        snprintf(reason, sizeof reason, "%d Hz", info->samplerate);
        return refuse(to, reason);
    }
    if (info->channels != 1) {
        snprintf(reason, sizeof reason, "%d channels", info->channels);
        return refuse(to, reason);
    }
    if (info->frames != declared / BYTES) {
        snprintf(reason, sizeof reason,
                 "truncated: its header declares %" PRId64 " samples, %" PRId64 " are there",
                 declared / BYTES, (int64_t)info->frames);
        return refuse(to, reason);
    }
    return info->frames > 0 || refuse(to, "no samples");
}

static bool read_samples(const complaint *to, SNDFILE *file, size_t n, float **out_samples)
{
    float *samples = calloc(n, sizeof *samples);
    if (!samples) {
        return refuse(to, "out of memory");
    }
    if (sf_readf_float(file, samples, (sf_count_t)n) != (sf_count_t)n) {
        free(samples);
        return refuse(to, "truncated: fewer samples can be read than it declares");
    }
    *out_samples = samples;
    return true;
}

bool wav_read(const char *path, float **out_samples, size_t *out_n, char *why, size_t why_size)
{
    const complaint to = {path, why, why_size};
    SF_INFO info = {0};
    if (!is_file(&to)) {
        return false;
    }
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file) {
        return refuse(&to, sf_strerror(NULL));
    }
    bool good =
        is_speech(&to, file, &info) && read_samples(&to, file, (size_t)info.frames, out_samples);
    if (good) {
        *out_n = (size_t)info.frames;
    }
    sf_close(file);
    return good;
}
