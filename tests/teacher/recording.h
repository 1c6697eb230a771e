/* SPDX-License-Identifier: MIT */
/* What the tests of recorded teachers share: a file, its bytes, and recordings of every form. */
#ifndef KD_TESTS_TEACHER_RECORDING_H
#define KD_TESTS_TEACHER_RECORDING_H

#include "../support/support.h"

#define HEADER 80
#define SEAL 24

/* ---- a folder and the one file in it ---- */

/* Begins with a new folder, in memory if there is one, for files are finished by the thousand;
 * and a context that counts. Ends with nothing left over. */
void recording_begin(void);
void recording_begin_on_disk(void);
void recording_end(void);

extern support_memory recording_memory;
extern kd_context *recording_context;

/* The file. It need not exist. */
const char *recording_path(void);
const char *recording_folder(void);
void recording_remove(void);

void recording_put(const void *bytes, size_t size);

/* Its bytes, in memory of the test's; they end where ASan can see it. */
unsigned char *recording_get(size_t *out_size);

/* Fails the test unless the file has these bytes. */
void recording_is(const char *what, const void *bytes, size_t size);

/* ---- numbers as they stand in files, written out slowly ---- */

uint32_t recording_crc(uint32_t before, const unsigned char *bytes, size_t size);
void recording_store(unsigned char *at, size_t size, uint64_t value);
uint64_t recording_load(const unsigned char *at, size_t size);
void recording_store_float(unsigned char *at, float value);

/* Makes the checksums right again after a change of: the header; a case of `size` bytes; the seal,
 * with that of all cases. */
void recording_fix_header(unsigned char *file);
void recording_fix_case(unsigned char *at, size_t size);
void recording_fix_seal(unsigned char *file, size_t size, size_t bytes_of_case);

/* ---- forms ---- */

typedef struct recording_form {
    const char *name;
    kd_cache_encoding encoding;
    kd_target_kind kind;
    size_t k;
    size_t top;
    float temperature;
    size_t bytes; /* of a case, as the header says it */
} recording_form;

#define RECORDING_FORMS 12
extern const recording_form recording_forms[RECORDING_FORMS];

kd_cache_options recording_options(const recording_form *form);

/* Soft targets of some cases that can be recorded in a form. */
typedef struct recording_data {
    size_t n;
    uint64_t ids[64];
    float *values; /* [n,k or top] */
    uint32_t *index;
    float tail[64];
    kd_targets targets;
} recording_data;

/* n <= 64 random cases; recording_drop gives the memory back. */
recording_data recording_fill(const recording_form *form, uint64_t seed, size_t n);
void recording_drop(recording_data *data);

/* Its rows from `begin` on. */
kd_targets recording_rows(const recording_data *data, size_t begin);

/* ---- recording ---- */

kd_cache *recording_open(const recording_form *form);
void recording_append(kd_cache *cache, const recording_data *data, size_t begin, size_t n);
void recording_finish(kd_cache *cache);
kd_cache_info recording_info(const kd_cache *cache);
kd_cache_info recording_verify(void);

/* The whole of it: a new file with all of the data, finished and closed. */
void recording_make(const recording_form *form, const recording_data *data);

/* Goes on where the file ends, with two calls, and finishes; what the first failure was. */
kd_status recording_try(const recording_form *form, const recording_data *data, kd_error *error);

kd_teacher *recording_teacher(void);

/* Opens a teacher and asks it for everything; what the first failure was. */
kd_status recording_try_teacher(const recording_data *data, kd_error *error);

/* Asks for cases begin .. begin + n, last one first, and compares them with the data. */
void recording_check(const recording_form *form, const recording_data *data, size_t begin,
                     size_t n);

#endif
