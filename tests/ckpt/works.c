/* SPDX-License-Identifier: MIT */
/* See works.h. */
#include "works.h"

static rig r;             /* a training that has gone on since it was saved */
static kd_net *loaded;    /* what kd_load_net made last */
static io_bytes training; /* the files */
static io_bytes net;
static io_bytes exported;
static io_bytes weights; /* of another net */
static io_bytes later;   /* of the training when it has gone on */
support_memory *works_memory;

/* Which object a work changes is seen in the file of the whole training. */
static io_bytes now_it_is(void)
{
    size_t fail_at = r.memory.fail_at;
    r.memory.fail_at = 0;
    io_bytes file = rig_save(&r);
    r.memory.fail_at = fail_at;
    return file;
}

static bool is_as(const io_bytes *due)
{
    io_bytes file = now_it_is();
    bool same = file.size == due->size && memcmp(file.bytes, due->bytes, file.size) == 0;
    io_free(&file);
    return same;
}

/* ---- the works ---- */

static kd_status save_net(const char *path, const kd_reader *reader, const kd_writer *writer,
                          kd_error *error)
{
    (void)reader;
    return kd_save_net(r.net, path, writer, error);
}

static kd_status load_net(const char *path, const kd_reader *reader, const kd_writer *writer,
                          kd_error *error)
{
    (void)writer;
    loaded = r.net; /* anything but NULL */
    kd_status status = kd_load_net(r.context, path, reader, &loaded, error);
    assert_true((status == KD_OK) == (loaded != NULL));
    return status;
}

static kd_status export_weights(const char *path, const kd_reader *reader, const kd_writer *writer,
                                kd_error *error)
{
    (void)reader;
    return kd_export_weights(r.net, NULL, path, writer, error);
}

static kd_status import_weights(const char *path, const kd_reader *reader, const kd_writer *writer,
                                kd_error *error)
{
    (void)writer;
    return kd_import_weights(r.net, NULL, path, reader, error);
}

static kd_status save_training(const char *path, const kd_reader *reader, const kd_writer *writer,
                               kd_error *error)
{
    (void)reader;
    return kd_save_training(&r.training, path, writer, error);
}

static kd_status load_training(const char *path, const kd_reader *reader, const kd_writer *writer,
                               kd_error *error)
{
    (void)writer;
    return kd_load_training(&r.training, path, reader, error);
}

const work works[] = {
    {"kd_save_net", false, save_net},
    {"kd_load_net", true, load_net},
    {"kd_export_weights", false, export_weights},
    {"kd_import_weights", true, import_weights},
    {"kd_save_training", false, save_training},
    {"kd_load_training", true, load_training},
};
const size_t n_works = COUNT(works);

const io_bytes *works_file(const work *w)
{
    const io_bytes *const files[] = {&net, &net, &exported, &weights, &later, &training};
    return files[w - works];
}

void works_prepare(void)
{
    kd_net_destroy(loaded);
    loaded = NULL;
    io_bytes file = {0};
    io_add(&file, later.bytes, later.size);
    support_ok(rig_load(&r, &file, NULL), "the later state");
    io_free(&file);
}

bool works_same(void)
{
    return is_as(&later);
}

bool works_done(const work *w)
{
    if (w->run == load_training) {
        return is_as(&training);
    }
    if (w->run == import_weights) {
        io_bytes file = {0};
        kd_writer writer = io_writer(&file);
        support_ok(kd_export_weights(r.net, NULL, NULL, &writer, NULL), "kd_export_weights");
        bool same = file.size == weights.size && memcmp(file.bytes, weights.bytes, file.size) == 0;
        io_free(&file);
        return same;
    }
    if (w->run == load_net) {
        io_bytes file = {0};
        kd_writer writer = io_writer(&file);
        support_ok(kd_save_net(loaded, NULL, &writer, NULL), "kd_save_net");
        bool same = file.size == net.size && memcmp(file.bytes, net.bytes, file.size) == 0;
        io_free(&file);
        kd_net_destroy(loaded);
        loaded = NULL;
        return same && works_same();
    }
    return works_same();
}

/* ---- objects ---- */

int works_begin(void **state)
{
    (void)state;
    rig_open(&r, recipe_of("unnamed parts"), 1);
    works_memory = &r.memory;
    for (size_t i = 0; i < 4; i++) {
        rig_step(&r);
    }
    training = rig_save(&r);
    for (size_t i = 0; i < 4; i++) {
        rig_step(&r);
    }
    later = rig_save(&r);
    kd_writer writer = io_writer(&net);
    support_ok(kd_save_net(r.net, NULL, &writer, NULL), "kd_save_net");
    writer = io_writer(&exported);
    support_ok(kd_export_weights(r.net, NULL, NULL, &writer, NULL), "kd_export_weights");
    kd_net *other = support_net(r.context, r.recipe->shape, 99);
    writer = io_writer(&weights);
    support_ok(kd_export_weights(other, NULL, NULL, &writer, NULL), "kd_export_weights");
    kd_net_destroy(other);
    return 0;
}

int works_end(void **state)
{
    (void)state;
    kd_net_destroy(loaded);
    io_free(&training);
    io_free(&later);
    io_free(&net);
    io_free(&exported);
    io_free(&weights);
    rig_close(&r);
    return 0;
}
