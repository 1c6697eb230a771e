/* SPDX-License-Identifier: MIT */
/*
 * Recordings made to deceive, with right checksums around what none has: the exact status of each,
 * from the check, the teacher and the recorder.
 */
#include "damage.h"

#include <stdlib.h>

enum { F32 = 0, PROBABILITIES = 3, LOG_PROBABILITIES = 4, F16 = 6, TOP = 8, WIDE = 10 };
enum { NOTHING, HEAD = 1, RECORD = 2, END = 4, ALL = 7 }; /* which checksums are made right */

typedef struct lie {
    int form;
    size_t at, bytes; /* what is written there; from SEAL_AT on within the seal */
    uint64_t value;
    int fix;
    kd_status verify, teach, open;
} lie;

#define SEAL_AT 100000
#define CASE(field) (HEADER + (field))
#define EVERY(status) status, status, status
#define SOUND(teach, open) KD_OK, teach, open /* what only who reads the values can know */
#define NAN32 0x7fc00000
#define INF32 0x7f800000
#define NEG32 0xff800000

static const lie lies[] = {
    /* the header */
    {F32, 0, 1, 'k', ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 7, 1, '\r', ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 0, 8, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 8, 4, 0, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 8, 4, 2, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 8, 4, 0xffffffff, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 8, 4, 0x01000000, ALL, EVERY(KD_ERR_VERSION)},
    {F32, 12, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 12, 4, 79, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 12, 4, 81, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 12, 4, 0xffffffff, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 16, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 16, 4, 4, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 16, 4, 3, ALL, EVERY(KD_ERR_FORMAT)}, /* TOPK without top */
    {F32, 16, 4, 0x80000000, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 2, ALL, EVERY(KD_ERR_FORMAT)}, /* probabilities without T0 */
    {F32, 20, 4, 4, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 5, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 20, 4, 0xffffffff, ALL, EVERY(KD_ERR_FORMAT)},
    {F16, 20, 4, 3, ALL, EVERY(KD_ERR_FORMAT)},
    {PROBABILITIES, 16, 4, 2, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 20, 4, 2, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_C(1) << 31, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, (UINT64_C(1) << 32) + 10, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_C(1) << 62, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_C(1) << 63, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, UINT64_MAX, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 24, 8, INT32_MAX, ALL, KD_ERR_TRUNCATED, KD_ERR_TRUNCATED, KD_ERR_MISMATCH},
    {F32, 24, 8, INT32_MAX, HEAD, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH},
    {F32, 24, 8, 11, ALL, KD_ERR_TRUNCATED, KD_ERR_TRUNCATED, KD_ERR_MISMATCH},
    {F32, 24, 8, 9, ALL, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH},
    {F32, 24, 8, 11, HEAD, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH},
    {TOP, 24, 8, 2, ALL, EVERY(KD_ERR_FORMAT)}, /* fewer classes than are kept */
    {F32, 32, 8, 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 32, 8, UINT64_C(1) << 63, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 32, 8, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 32, 8, 11, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 32, 8, UINT64_MAX / 4 + 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 40, 4, 0x3f800000, ALL, EVERY(KD_ERR_FORMAT)}, /* logits at 1 */
    {F32, 40, 4, 0x80000000, ALL, EVERY(KD_ERR_FORMAT)}, /* at -0 */
    {F32, 40, 4, NAN32, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, 0xbf800000, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, NAN32, ALL, EVERY(KD_ERR_FORMAT)},
    {TOP, 40, 4, INF32, ALL, EVERY(KD_ERR_FORMAT)},
    {PROBABILITIES, 40, 4, 0, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 44, 4, 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 64, 4, 1, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 72, 4, 0x80000000, ALL, EVERY(KD_ERR_FORMAT)},
    {F32, 76, 4, 0, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    {F32, 48, 8, 1, ALL, SOUND(KD_OK, KD_ERR_MISMATCH)},
    {F32, 56, 8, 1, ALL, SOUND(KD_OK, KD_ERR_MISMATCH)},
    {F32, 48, 8, 1, HEAD, KD_ERR_CHECKSUM, KD_ERR_CHECKSUM, KD_ERR_MISMATCH}, /* another's seal */
    /* the seal */
    {F32, SEAL_AT + 8, 8, 0, END, EVERY(KD_ERR_FORMAT)},
    {F32, SEAL_AT + 8, 8, 2, END, EVERY(KD_ERR_CHECKSUM)},
    {F32, SEAL_AT + 8, 8, 4, END, EVERY(KD_ERR_TRUNCATED)},
    {F32, SEAL_AT + 8, 8, UINT64_MAX, END, EVERY(KD_ERR_TRUNCATED)},
    {F32, SEAL_AT + 8, 8, (UINT64_C(1) << 62) + 3, END, EVERY(KD_ERR_TRUNCATED)},
    {F32, SEAL_AT + 8, 8, 4, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    {F32, SEAL_AT, 8, 0, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    {F32, SEAL_AT + 16, 8, 0, NOTHING, EVERY(KD_ERR_CHECKSUM)},
    /* cases */
    {F32, CASE(3), 1, 77, END, EVERY(KD_ERR_CHECKSUM)},
    {F32, CASE(3), 1, 77, RECORD, EVERY(KD_ERR_CHECKSUM)},
    {F32, CASE(0), 8, 0, ALL, SOUND(KD_ERR_ID, KD_ERR_ID)}, /* the second case has it */
    {F32, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F32, CASE(44), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F32, CASE(8), 4, NEG32, ALL, SOUND(KD_OK, KD_OK)},
    {1, CASE(8), 4, NEG32, ALL, SOUND(KD_ERR_SUPPORT, KD_OK)},
    {PROBABILITIES, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {PROBABILITIES, CASE(8), 4, 0xbf800000, ALL, SOUND(KD_ERR_PROBABILITY, KD_OK)},
    {PROBABILITIES, CASE(8), 4, 0x40000000, ALL, SOUND(KD_ERR_PROBABILITY, KD_OK)},
    {LOG_PROBABILITIES, CASE(8), 4, 0x40000000, ALL, SOUND(KD_ERR_PROBABILITY, KD_OK)},
    {LOG_PROBABILITIES, CASE(8), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(8), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(8), 4, NEG32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(12), 2, 0x7e00, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(12), 2, 0x7c00, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {F16, CASE(12), 2, 0x3c00, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {F16, CASE(12), 2, 0x0001, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {7, CASE(12), 8, UINT64_C(0xbc00bc00bc00bc00), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {7, CASE(12), 8, UINT64_C(0xfc00fc00fc00fc00), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(8), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(8), 4, NEG32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(12), 4, NAN32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(12), 4, INF32, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(12), 4, NEG32, ALL, SOUND(KD_OK, KD_OK)},
    {TOP, CASE(20), 2, 10, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(20), 2, 0xffff, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(16), 6, UINT64_C(0x000200020001), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(16), 6, UINT64_C(0x000100020003), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(22), 2, 0xfc00, ALL, SOUND(KD_ERR_NOT_FINITE, KD_OK)},
    {TOP, CASE(22), 2, 0x3c00, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {TOP, CASE(22), 6, UINT64_C(0xbc00bc00bc00), ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {WIDE, CASE(20), 4, 65537, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
    {WIDE, CASE(20), 4, 0xffffffff, ALL, SOUND(KD_ERR_FORMAT, KD_OK)},
};

static void files_that_lie(void **state)
{
    (void)state;
    recording_begin();
    for (size_t i = 0; i < COUNT(lies); i++) {
        const lie *l = &lies[i];
        const recording_form *form = &recording_forms[l->form];
        recording_data data;
        size_t size;
        unsigned char *bytes = damage_make(form, &data, &size);
        size_t at = l->at < SEAL_AT ? l->at : l->at - SEAL_AT + size - SEAL;
        recording_store(bytes + at, l->bytes, l->value);
        if (l->fix & HEAD) {
            recording_fix_header(bytes);
        }
        if (l->fix & RECORD) {
            recording_fix_case(bytes + HEADER, form->bytes);
        }
        if (l->fix & END) {
            recording_fix_seal(bytes, size, form->bytes);
        }
        recording_put(bytes, size);
        damage_answers a = damage_ask(form);
        if (a.verify != l->verify || a.teach != l->teach || a.open != l->open) {
            fail_msg("lie %zu (%s, %zu bytes at %zu): %s %s %s", i, form->name, l->bytes, l->at,
                     kd_status_name(a.verify), kd_status_name(a.teach), kd_status_name(a.open));
        }
        recording_is("a look changes nothing", bytes, size);
        free(bytes);
        recording_drop(&data);
    }
    recording_end();
    print_message("%zu files\n", COUNT(lies));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
