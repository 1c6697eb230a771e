/* SPDX-License-Identifier: MIT */
/*
 * Anybody's safetensors files: kd_import_weights. What is taken gives the same weights each time,
 * and there and back; what is refused leaves the net as it was.
 */
#include "fuzz.h"

const char fuzz_name[] = "safetensors";

static kd_net *net;
static uint64_t before;

static kd_status import(fuzz_file *file, const char *prefix)
{
    kd_reader reader = fuzz_reader(file);
    kd_error error = KD_ERROR_INIT;
    fuzz_mark();
    kd_status status = kd_import_weights(net, prefix, NULL, &reader, &error);
    fuzz_check_error(status, &error);
    fuzz_check_memory(file->size);
    fuzz_check_returned();
    return status;
}

static void start_anew(void)
{
    FUZZ_OK(kd_net_init(net, KD_INIT_HE, 1), kd_net_error(net));
    FUZZ_EXPECT(fuzz_hash(net) == before);
}

static void check_taken(fuzz_file *file, const char *prefix)
{
    fuzz_file own = {0};
    kd_writer writer = fuzz_writer(&own);
    uint64_t hash = fuzz_hash(net);
    FUZZ_OK(kd_export_weights(net, prefix, NULL, &writer, NULL), "export");
    start_anew();
    FUZZ_OK(import(file, prefix), "once more");
    FUZZ_EXPECT(fuzz_hash(net) == hash);
    start_anew();
    FUZZ_OK(import(&own, prefix), "there and back");
    FUZZ_EXPECT(fuzz_hash(net) == hash);
    start_anew();
    fuzz_free(&own);
}

void fuzz_one(const unsigned char *bytes, size_t size)
{
    static const char *const prefixes[] = {NULL, "", "m."};
    fuzz_file file = {(unsigned char *)(uintptr_t)bytes, size, size}; /* only read */
    if (!net) {
        net = fuzz_net(3, 2, 2, 1);
        before = fuzz_hash(net);
    }
    for (size_t i = 0; i < 3; i++) {
        kd_status status = import(&file, prefixes[i]);
        if (status == KD_OK) {
            check_taken(&file, prefixes[i]);
        } else {
            FUZZ_EXPECT(fuzz_hash(net) == before);
        }
        if (status != KD_ERR_MISMATCH) {
            break;
        }
    }
}

size_t fuzz_fix(unsigned char *bytes, size_t size, size_t most)
{
    return fuzz_fix_tensors(bytes, size, most);
}
