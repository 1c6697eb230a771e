/* SPDX-License-Identifier: MIT */
/* The metadata of a safetensors file, which any reader of JSON opens: a length, then text. */
#include "inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1 << 24 };

/* The text, and its size; NULL: it could not be read. */
static char *read_header(FILE *file, size_t *out_size)
{
    unsigned char bytes[8];
    uint64_t size = 0;
    if (fread(bytes, 1, sizeof bytes, file) != sizeof bytes) {
        return NULL;
    }
    for (size_t i = sizeof bytes; i-- > 0;) {
        size = size << 8 | bytes[i];
    }
    char *text = size > 0 && size <= LONGEST ? malloc(size) : NULL;
    if (text && fread(text, 1, size, file) != size) {
        free(text);
        text = NULL;
    }
    *out_size = size;
    return text;
}

cJSON *metadata_read(const char *path)
{
    size_t size = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        complain(path, strerror(errno));
        return NULL;
    }
    char *text = read_header(file, &size);
    fclose(file);
    cJSON *header = text ? cJSON_ParseWithLength(text, size) : NULL;
    cJSON *metadata = cJSON_DetachItemFromObjectCaseSensitive(header, "__metadata__");
    if (!metadata) {
        complain(path, "its metadata can't be read a second time");
    }
    cJSON_Delete(header);
    free(text);
    return metadata;
}

const char *metadata_get(const cJSON *metadata, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, key));
    return text ? text : "";
}
