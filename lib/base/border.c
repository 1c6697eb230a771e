/* SPDX-License-Identifier: MIT */
/* Structs that cross the border: they carry their size, so host and library may differ in age. */
#include "base/base.h"

#include <string.h>

/* Far above any struct of ours; a larger size is garbage, and must not be walked. */
#define LARGEST 4096

static size_t size_of(const void *given)
{
    size_t size;
    memcpy(&size, given, sizeof size);
    return size;
}

bool kdi_base_struct_ok(const void *given)
{
    size_t size = size_of(given);
    return size >= sizeof size && size <= LARGEST;
}

kd_status kdi_base_read_struct(void *known, size_t known_size, const void *given)
{
    if (!kdi_base_struct_ok(given)) {
        return KD_ERR_STRUCT;
    }
    size_t size = size_of(given);
    const unsigned char *bytes = given;
    for (size_t i = known_size; i < size; i++) {
        if (bytes[i]) {
            return KD_ERR_STRUCT;
        }
    }
    memcpy(known, given, size < known_size ? size : known_size);
    memcpy(known, &known_size, sizeof known_size); /* the copy is ours, and so is its size */
    return KD_OK;
}

void kdi_base_write_struct(void *given, const void *known, size_t known_size)
{
    size_t size = size_of(given);
    size_t written = size < known_size ? size : known_size;
    memcpy((unsigned char *)given + sizeof size, (const unsigned char *)known + sizeof size,
           written - sizeof size);
}

kd_status kdi_base_open(void *known, size_t known_size, const void *given, const char *name,
                        int argument, kd_error *error)
{
    if (!given) {
        return kdi_base_fail(error, KD_ERR_NULL, argument, "%s is NULL", name);
    }
    kd_status status = kdi_base_read_struct(known, known_size, given);
    if (status != KD_OK) {
        return kdi_base_fail(error, status, argument,
                             "%s.struct_size is %z, this library knows %z; or its tail is not 0",
                             name, size_of(given), known_size);
    }
    return KD_OK;
}

kd_status kdi_base_open_out(const void *given, const char *name, int argument, kd_error *error)
{
    if (!given) {
        return kdi_base_fail(error, KD_ERR_NULL, argument, "%s is NULL", name);
    }
    if (!kdi_base_struct_ok(given)) {
        return kdi_base_fail(error, KD_ERR_STRUCT, argument, "%s.struct_size is %z", name,
                             size_of(given));
    }
    return KD_OK;
}
