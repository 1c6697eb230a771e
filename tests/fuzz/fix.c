/* SPDX-License-Identifier: MIT */
/*
 * Makes changed files right again: lengths that follow from what stands there, and checksums. A
 * fuzzer would never guess a CRC, and so would never get behind the first check. Knows the formats
 * by itself, without the library.
 */
#include "fuzz.h"

uint32_t fuzz_crc(uint32_t before, const unsigned char *bytes, size_t size)
{
    static uint32_t table[256];
    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t crc = i;
            for (int bit = 0; bit < 8; bit++) {
                crc = crc & 1u ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
            }
            table[i] = crc;
        }
    }
    uint32_t crc = ~before;
    for (size_t i = 0; i < size; i++) {
        crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255u];
    }
    return ~crc;
}

uint64_t fuzz_load(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

void fuzz_store(unsigned char *at, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

/* ---- safetensors ---- */

/* A stretch of the header. */
typedef struct text {
    const unsigned char *at;
    size_t size;
} text;

/* Where `what` begins in it, or its size. */
static size_t find(text in, size_t from, const void *what, size_t size)
{
    const unsigned char *first = what;
    while (from + size <= in.size) {
        const unsigned char *next = memchr(in.at + from, *first, in.size - size + 1 - from);
        if (!next) {
            break;
        }
        from = (size_t)(next - in.at);
        if (memcmp(next, what, size) == 0) {
            return from;
        }
        from++;
    }
    return in.size;
}

/* Bytes of the object that begins the text, with the spaces behind it; all if it has no end. */
static size_t object_size(text in)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < in.size; i++) {
        unsigned char c = in.at[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
            continue;
        }
        quoted = c == '"';
        depth += c == '{';
        if (c == '}' && --depth == 0) {
            for (i++; i < in.size && in.at[i] == ' ';) {
                i++;
            }
            return i;
        }
        if (depth == 0) {
            break;
        }
    }
    return in.size;
}

/* The number at `*at`, which moves behind it. */
static size_t number(text in, size_t *at)
{
    size_t value = 0;
    while (*at < in.size && in.at[*at] >= '0' && in.at[*at] <= '9' && value < SIZE_MAX / 16) {
        value = value * 10 + (size_t)(in.at[(*at)++] - '0');
    }
    return value;
}

/* Where the tensor whose entry begins at or after `from` lies in the data. */
static bool offsets(text header, size_t from, size_t *out_begin, size_t *out_end)
{
    static const char key[] = "\"data_offsets\":[";
    size_t at = find(header, from, key, sizeof key - 1);
    if (at == header.size) {
        return false;
    }
    at += sizeof key - 1;
    *out_begin = number(header, &at);
    at++;
    *out_end = number(header, &at);
    return true;
}

static void put_digits(unsigned char *at, uint32_t value)
{
    for (size_t i = 0; i < 8; i++) {
        at[i] = (unsigned char)"0123456789abcdef"[value >> (28 - 4 * i) & 15];
    }
}

/* The checksum whose key ends before `digits`, of the tensor `name`. */
static void fix_sum(unsigned char *digits, text header, text data, text name)
{
    unsigned char entry[256];
    size_t begin, end;
    if (name.size + 4 > sizeof entry) {
        return;
    }
    entry[0] = '"';
    memcpy(entry + 1, name.at, name.size);
    memcpy(entry + 1 + name.size, "\":{", 3);
    size_t at = find(header, 0, entry, name.size + 4);
    if (at < header.size && offsets(header, at, &begin, &end) && begin <= end && end <= data.size) {
        put_digits(digits, fuzz_crc(0, data.at + begin, end - begin));
    }
}

static void fix_sums(unsigned char *bytes, text header, text data)
{
    static const char key[] = "\"crc32c.", own[] = "\"kd.header_crc32c\":\"";
    for (size_t at = 0; (at = find(header, at, key, sizeof key - 1)) < header.size;) {
        at += sizeof key - 1;
        size_t end = find(header, at, "\":\"", 3);
        if (end + 11 <= header.size) {
            text name = {header.at + at, end - at};
            fix_sum(bytes + 8 + end + 3, header, data, name);
        }
    }
    size_t at = find(header, 0, own, sizeof own - 1) + sizeof own - 1;
    if (at + 8 <= header.size) {
        memset(bytes + 8 + at, '0', 8);
        put_digits(bytes + 8 + at, fuzz_crc(0, header.at, header.size));
    }
}

size_t fuzz_fix_tensors(unsigned char *bytes, size_t size, size_t most)
{
    size_t due = 0, begin, end, at = 0;
    if (size < 10) {
        return size;
    }
    text header = {bytes + 8, object_size((text){bytes + 8, size - 8})};
    fuzz_store(bytes, 8, header.size);
    while (offsets(header, at, &begin, &end)) {
        due = end > due ? end : due;
        at = find(header, at, "\"data_offsets\"", 14) + 14;
    }
    size_t before = 8 + header.size;
    if (due <= most && before <= most - due) {
        if (size < before + due) {
            memset(bytes + size, 0, before + due - size);
        }
        size = before + due;
    }
    text data = {bytes + before, size - before};
    fix_sums(bytes, header, data);
    return size;
}

/* ---- recordings ---- */

enum { HEADER = 80, SEAL = 24 };

/* Bytes of a case as its header says it; 0 if that is nothing to go by. */
static uint64_t case_bytes(const unsigned char *header)
{
    uint64_t encoding = fuzz_load(header + 16, 4), k = fuzz_load(header + 24, 8);
    uint64_t top = fuzz_load(header + 32, 8);
    uint64_t width = encoding == KD_CACHE_TOPK ? top : k;
    if (width == 0 || width > 1 << 20) {
        return 0;
    }
    return encoding == KD_CACHE_F32   ? 12 + 4 * width
           : encoding == KD_CACHE_F16 ? 16 + 2 * width
                                      : 20 + width * (k <= 65536 ? 4 : 6);
}

size_t fuzz_fix_recording(unsigned char *bytes, size_t size, size_t most)
{
    (void)most;
    if (size < HEADER) {
        return size;
    }
    uint32_t start = fuzz_crc(0, bytes, HEADER - 4), all = start;
    fuzz_store(bytes + HEADER - 4, 4, start);
    uint64_t record = case_bytes(bytes), cases = 0;
    unsigned char *seal = bytes + size - SEAL, *at = bytes + HEADER;
    bool sealed = size >= HEADER + SEAL && memcmp(seal, "KDSEAL\r\n", 8) == 0;
    size_t left = size - HEADER - (sealed ? SEAL : 0);
    for (; record > 0 && left >= record; left -= record, at += record, cases++) {
        fuzz_store(at + record - 4, 4, fuzz_crc(0, at, record - 4));
        all = fuzz_crc(all, at + record - 4, 4);
    }
    if (sealed) {
        fuzz_store(seal + 8, 8, cases);
        fuzz_store(seal + 16, 4, all);
        fuzz_store(seal + 20, 4, fuzz_crc(start, seal, 20));
    }
    return size;
}
