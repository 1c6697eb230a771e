/* SPDX-License-Identifier: MIT */
/*
 * What test_python.py talks to. Reads files from its input, each as a letter, four bytes of length
 * (least first) and the bytes; for each it prints one line of JSON: what it read, or the status.
 *
 *   s  a safetensors file       n  a .npy file
 *
 * With --again it also writes what it read, and adds that as "again".
 */
#include "common.h"

static kdi_allocator libc;

static void print_hex(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        printf("%02x", at[i]);
    }
    putchar('"');
}

static void print_again(const io_bytes *file)
{
    printf(",\"again\":");
    print_hex(file->bytes, file->size);
}

static void *all_bytes(const kdi_io_tensors *t, const kdi_io_tensor *tensor)
{
    unsigned char *bytes = malloc(tensor->size + 1);
    kd_error error = KD_ERROR_INIT;
    io_ok(bytes ? kdi_io_tensors_read(t, tensor, bytes, &error) : KD_ERR_MEMORY, &error);
    return bytes;
}

static void print_words(const kdi_io_tensors *t)
{
    printf("{\"words\":[");
    for (size_t i = 0; i < kdi_io_tensors_words(t); i++) {
        kdi_io_word word = kdi_io_tensors_get_word(t, i);
        printf("%s[", i ? "," : "");
        print_hex(word.key, strlen(word.key));
        putchar(',');
        print_hex(word.value, strlen(word.value));
        putchar(']');
    }
    printf("],\"tensors\":[");
}

static void print_tensors(const kdi_io_tensors *t)
{
    for (size_t i = 0; i < kdi_io_tensors_count(t); i++) {
        kdi_io_tensor tensor = kdi_io_tensors_get(t, i);
        void *bytes = all_bytes(t, &tensor);
        printf("%s[", i ? "," : "");
        print_hex(tensor.name, strlen(tensor.name));
        printf(",\"%s\",[", kdi_io_dtype_name(tensor.dtype));
        for (size_t r = 0; r < tensor.rank; r++) {
            printf("%s%zu", r ? "," : "", tensor.shape[r]);
        }
        printf("],");
        print_hex(bytes, tensor.size);
        putchar(']');
        free(bytes);
    }
    putchar(']');
}

static kd_status give(void *user, size_t offset, void *out_bytes, size_t size, kd_error *error)
{
    (void)error;
    memcpy(out_bytes, (unsigned char *)user + offset, size);
    return KD_OK;
}

static bool is_ours(const char *key)
{
    return strcmp(key, KDI_IO_OWN) == 0 || strncmp(key, KDI_IO_SUM, strlen(KDI_IO_SUM)) == 0;
}

/* Half of the tensors are given as bytes, half through the callback. */
static void write_tensors(const kdi_io_tensors *t)
{
    size_t n = kdi_io_tensors_count(t);
    size_t n_words = 0;
    kdi_io_item *items = calloc(n + 1, sizeof *items);
    kdi_io_word *words = calloc(kdi_io_tensors_words(t) + 1, sizeof *words);
    io_bytes file = {0};
    kdi_io_sink sink = io_sink(&file);
    kd_error error = KD_ERROR_INIT;
    assert_true(items && words);
    for (size_t i = 0; i < n; i++) {
        kdi_io_tensor tensor = kdi_io_tensors_get(t, i);
        items[i] = (kdi_io_item){.name = tensor.name, .dtype = tensor.dtype, .rank = tensor.rank};
        memcpy(items[i].shape, tensor.shape, sizeof tensor.shape);
        items[i].user = all_bytes(t, &tensor);
        items[i].bytes = i % 2 ? items[i].user : NULL;
        items[i].give = give;
    }
    for (size_t i = 0; i < kdi_io_tensors_words(t); i++) {
        words[n_words] = kdi_io_tensors_get_word(t, i);
        n_words += !is_ours(words[n_words].key);
    }
    io_ok(kdi_io_tensors_write(&libc, &sink, items, n, words, n_words, &error), &error);
    print_again(&file);
    for (size_t i = 0; i < n; i++) {
        free(items[i].user);
    }
    free(words);
    free(items);
    io_free(&file);
}

static kd_status run_tensors(const kdi_io_source *source, bool again, kd_error *error)
{
    kdi_io_tensors *t;
    kd_status status = kdi_io_tensors_open(&libc, source, KDI_IO_FOREIGN, &t, error);
    if (status == KD_OK) {
        print_words(t);
        print_tensors(t);
        if (again) {
            write_tensors(t);
        }
        puts("}");
    }
    kdi_io_tensors_close(t);
    return status;
}

static kd_status run_npy(const kdi_io_source *source, bool again, kd_error *error)
{
    kdi_io_npy npy;
    kd_status status = kdi_io_npy_open(&npy, &libc, source, error);
    if (status != KD_OK) {
        return status;
    }
    size_t count = npy.rows * npy.columns;
    float *values = calloc(count + 1, sizeof *values);
    assert_non_null(values);
    status = kdi_io_npy_read(&npy, 0, npy.rows, values, error);
    if (status == KD_OK) {
        printf("{\"shape\":[%zu", npy.rows);
        if (npy.rank == 2) {
            printf(",%zu", npy.columns);
        }
        printf("],\"values\":");
        print_hex(values, count * sizeof *values);
        if (again) {
            io_bytes file = {0};
            kdi_io_sink sink = io_sink(&file);
            io_ok(kdi_io_npy_write(&sink, values, npy.rank, npy.rows, npy.columns, npy.columns,
                                   error),
                  error);
            print_again(&file);
            io_free(&file);
        }
        puts("}");
    }
    free(values);
    return status;
}

int main(int argc, char **argv)
{
    bool again = argc > 1 && strcmp(argv[1], "--again") == 0;
    unsigned char head[5];
    libc = kdi_base_libc_allocator();
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        io_bytes file = {0};
        kd_error error = KD_ERROR_INIT;
        size_t size = (size_t)kdi_io_load(head + 1, 4);
        for (; size > 0; size--) {
            char byte = (char)getchar();
            io_add(&file, &byte, 1);
        }
        kdi_io_source source = io_source(&file);
        kd_status status =
            head[0] == 's' ? run_tensors(&source, again, &error) : run_npy(&source, again, &error);
        if (status != KD_OK) {
            printf("{\"status\":\"%s\"}\n", kd_status_name(status));
        }
        io_free(&file);
    }
    return 0;
}
