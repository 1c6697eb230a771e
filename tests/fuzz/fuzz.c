/* SPDX-License-Identifier: MIT */
/* See fuzz.h. */
#define _XOPEN_SOURCE 700
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

fuzz_memory fuzz_memory_used;

void fuzz_stop(const char *file, int line, const char *what, const char *words)
{
    fprintf(stderr, "%s:%d: not so: %s%s%s\n", file, line, what, words ? ": " : "",
            words ? words : "");
    abort();
}

void fuzz_check_error(kd_status status, const kd_error *error)
{
    FUZZ_EXPECT(strcmp(kd_status_name(status), "KD_ERR_?") != 0);
    FUZZ_EXPECT(error->status == status);
    FUZZ_EXPECT((status == KD_OK) == (error->text[0] == '\0'));
    FUZZ_EXPECT(memchr(error->text, '\0', sizeof error->text));
}

/* ---- memory ---- */

static void *take(void *user, size_t size, size_t align)
{
    fuzz_memory *m = user;
    void *block = NULL;
    if (size > FUZZ_MOST || (m->fail_at > 0 && --m->fail_at == 0) ||
        posix_memalign(&block, align, size) != 0) {
        return NULL;
    }
    m->live += size;
    m->peak = m->live > m->peak ? m->live : m->peak;
    return block;
}

static void give_back(void *user, void *block, size_t size)
{
    fuzz_memory *m = user;
    FUZZ_EXPECT(m->live >= size);
    m->live -= size;
    free(block);
}

kd_context *fuzz_new_context(void)
{
    kd_context_options o = KD_CONTEXT_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    kd_context *context;
    o.alloc = take;
    o.release = give_back;
    o.user = &fuzz_memory_used;
    FUZZ_OK(kd_context_create(&o, &context, &error), error.text);
    return context;
}

kd_context *fuzz_context(void)
{
    static kd_context *context; /* never destroyed: reachable, so no leak */
    if (!context) {
        context = fuzz_new_context();
    }
    return context;
}

void fuzz_mark(void)
{
    fuzz_memory_used.mark = fuzz_memory_used.live;
    fuzz_memory_used.peak = fuzz_memory_used.live;
}

void fuzz_check_memory(size_t input)
{
    FUZZ_EXPECT(fuzz_memory_used.peak - fuzz_memory_used.mark < 2 * input + ((size_t)1 << 20));
}

void fuzz_check_returned(void)
{
    FUZZ_EXPECT(fuzz_memory_used.live == fuzz_memory_used.mark);
}

/* ---- bytes as a file ---- */

static int64_t read_bytes(void *user, uint64_t offset, void *out_bytes, size_t size)
{
    const fuzz_file *file = user;
    FUZZ_EXPECT(size > 0 && offset < file->size && size <= file->size - offset);
    memcpy(out_bytes, file->bytes + offset, size);
    return (int64_t)size;
}

static int64_t write_bytes(void *user, const void *bytes, size_t size)
{
    fuzz_file *file = user;
    FUZZ_EXPECT(size > 0);
    if (size > file->room - file->size) {
        file->room = 2 * (file->size + size);
        file->bytes = realloc(file->bytes, file->room);
        FUZZ_EXPECT(file->bytes);
    }
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
    return (int64_t)size;
}

kd_reader fuzz_reader(fuzz_file *file)
{
    kd_reader reader = KD_READER_INIT;
    reader.read = read_bytes;
    reader.user = file;
    reader.size = file->size;
    return reader;
}

kd_writer fuzz_writer(fuzz_file *file)
{
    kd_writer writer = KD_WRITER_INIT;
    writer.write = write_bytes;
    writer.user = file;
    return writer;
}

void fuzz_free(fuzz_file *file)
{
    free(file->bytes);
    memset(file, 0, sizeof *file);
}

bool fuzz_same(const fuzz_file *a, const fuzz_file *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* ---- paths ---- */

static char folder[64];

static void remove_folder(void)
{
    DIR *all = opendir(folder);
    struct dirent *entry;
    while (all && (entry = readdir(all))) {
        (void)unlinkat(dirfd(all), entry->d_name, 0);
    }
    if (all) {
        closedir(all);
    }
    (void)rmdir(folder);
}

const char *fuzz_folder(void)
{
    if (!folder[0]) {
        const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(folder, sizeof folder, "%s/kd-fuzz-XXXXXX", where);
        FUZZ_EXPECT(mkdtemp(folder));
        atexit(remove_folder);
    }
    return folder;
}

void fuzz_put(const char *path, const unsigned char *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    FUZZ_EXPECT(file >= 0);
    FUZZ_EXPECT(write(file, bytes, size) == (ssize_t)size);
    close(file);
}

bool fuzz_has(const char *path, const unsigned char *bytes, size_t size)
{
    unsigned char *got = malloc(size + 1);
    int file = open(path, O_RDONLY);
    FUZZ_EXPECT(got && file >= 0);
    bool same = read(file, got, size + 1) == (ssize_t)size && memcmp(got, bytes, size) == 0;
    close(file);
    free(got);
    return same;
}

/* ---- nets ---- */

kd_net *fuzz_net(size_t inputs, size_t hidden, size_t outputs, uint64_t seed)
{
    kd_net *net;
    FUZZ_OK(kd_net_create(fuzz_context(), inputs, &net, NULL), NULL);
    FUZZ_OK(kd_net_add_dense(net, hidden), kd_net_error(net));
    FUZZ_OK(kd_net_add_relu(net), kd_net_error(net));
    FUZZ_OK(kd_net_add_dense(net, outputs), kd_net_error(net));
    FUZZ_OK(kd_net_init(net, KD_INIT_HE, seed), kd_net_error(net));
    return net;
}

fuzz_file fuzz_save(const kd_net *net)
{
    fuzz_file file = {0};
    kd_writer writer = fuzz_writer(&file);
    kd_error error = KD_ERROR_INIT;
    FUZZ_OK(kd_save_net(net, NULL, &writer, &error), error.text);
    return file;
}

uint64_t fuzz_hash(kd_net *net)
{
    kd_net_info info = KD_NET_INFO_INIT;
    FUZZ_OK(kd_net_get_info(net, &info, NULL), NULL);
    uint64_t hash = kd_hash(1, &info, sizeof info);
    for (size_t i = 0; i < info.params; i++) {
        kd_param param = KD_PARAM_INIT;
        FUZZ_OK(kd_net_get_param(net, i, &param), NULL);
        hash = kd_hash(hash, param.values, param.rows * param.columns * sizeof(float));
    }
    return hash;
}
