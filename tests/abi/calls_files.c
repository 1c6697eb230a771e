/* SPDX-License-Identifier: MIT */
/* Calls of kd/file.h and kd/cache.h. */
#include "sizes.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const float matrix[6] = {1, 2, 3, 4, 5, 6};

static kd_status call_kd_save_net(world *w, kd_error *error)
{
    return kd_save_net(NEEDED(w, w->net), NULL, w->writer, error);
}

static kd_status call_kd_export_weights(world *w, kd_error *error)
{
    return kd_export_weights(NEEDED(w, w->net), NULL, NULL, w->writer, error);
}

static kd_status call_kd_save_training(world *w, kd_error *error)
{
    return kd_save_training(NEEDED(w, w->training), NULL, w->writer, error);
}

static kd_status call_kd_save_npy(world *w, kd_error *error)
{
    return kd_save_npy(NEEDED(w, matrix), 2, 3, 0, NULL, w->writer, error);
}

static kd_status call_kd_load_net(world *w, kd_error *error)
{
    kd_net *made = NULL;
    kd_status status = kd_load_net(NEEDED(w, w->context), NULL, w->reader, &made, error);
    kd_net_destroy(made);
    return status;
}

static kd_status call_kd_import_weights(world *w, kd_error *error)
{
    kd_param param = KD_PARAM_INIT;
    kd_status status = kd_import_weights(NEEDED(w, w->large), NULL, NULL, w->reader, error);
    world_result(w, kd_net_get_param(w->large, 0, &param));
    world_results(w, param.values, INPUTS * 6);
    return status;
}

static kd_status call_kd_load_training(world *w, kd_error *error)
{
    return kd_load_training(NEEDED(w, w->training), NULL, w->reader, error);
}

static kd_status call_kd_load_npy(world *w, kd_error *error)
{
    float values[6] = {0};
    kd_status status = kd_load_npy(NULL, NEEDED(w, w->reader), values, 6, w->npy_info, error);
    world_results(w, values, 6);
    return status;
}

/* Files to load. */
static void written(world *w, kd_status status)
{
    assert_int_equal(status, KD_OK);
    w->own.reader.size = w->file_size;
}

static void a_net(world *w)
{
    written(w, kd_save_net(w->net, NULL, &w->own.writer, NULL));
}

static void a_training(world *w)
{
    written(w, kd_save_training(&w->own.training, NULL, &w->own.writer, NULL));
    w->own.training.epoch = 77;
}

static void a_matrix(world *w)
{
    written(w, kd_save_npy(matrix, 2, 3, 0, NULL, &w->own.writer, NULL));
}

static kd_status call_kd_cache_open(world *w, kd_error *error)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_status status =
        kd_cache_open(NEEDED(w, w->context), world_path(), w->cache_options, &w->cache, error);
    if (status == KD_OK) {
        world_result(w, kd_cache_get_info(w->cache, &info, error));
        world_result(w, info.encoding);
        world_result(w, (double)info.teacher_hash);
    }
    return status;
}

static kd_status call_kd_cache_append(world *w, kd_error *error)
{
    (void)error;
    return kd_cache_append(w->cache, w->own.batch.ids, w->targets, CASES);
}

static kd_status call_kd_cache_get_info(world *w, kd_error *error)
{
    return kd_cache_get_info(NEEDED(w, w->cache), w->cache_info, error);
}

static kd_status call_kd_cache_verify(world *w, kd_error *error)
{
    return kd_cache_verify(NEEDED(w, world_path()), w->cache_info, error);
}

static kd_status call_kd_teacher_from_cache(world *w, kd_error *error)
{
    kd_teacher *made = NULL;
    kd_status status =
        kd_teacher_from_cache(NEEDED(w, w->context), world_path(), w->cache_options, &made, error);
    kd_teacher_destroy(made);
    return status;
}

static kd_status call_kd_teacher_hash(world *w, kd_error *error)
{
    uint64_t hash = 0;
    return kd_teacher_hash(NEEDED(w, w->teacher), &hash, error);
}

/* A recording that is open, and one that is finished. */
static void open_cache(world *w)
{
    assert_int_equal(
        kd_cache_open(w->context, world_path(), &w->own.cache_options, &w->cache, NULL), KD_OK);
}

static void finished_cache(world *w)
{
    open_cache(w);
    assert_int_equal(call_kd_cache_append(w, NULL), KD_OK);
    assert_int_equal(kd_cache_finish(w->cache), KD_OK);
    kd_cache_destroy(w->cache);
    w->cache = NULL;
}

static const row rows[] = {
    ROW(kd_save_net, kd_writer, writer, READ, NULL),
    WORDS(kd_save_net, NULL),
    ROW(kd_export_weights, kd_writer, writer, READ, NULL),
    WORDS(kd_export_weights, NULL),
    ROW(kd_save_training, kd_training, training, READ, NULL),
    ROW(kd_save_training, kd_writer, writer, READ, NULL),
    WORDS(kd_save_training, NULL),
    ROW(kd_save_npy, kd_writer, writer, READ, NULL),
    WORDS(kd_save_npy, NULL),
    ROW(kd_load_net, kd_reader, reader, READ, a_net),
    WORDS(kd_load_net, a_net),
    ROW(kd_import_weights, kd_reader, reader, READ, a_net),
    WORDS(kd_import_weights, a_net),
    ROW(kd_load_training, kd_training, training, FILLED, a_training),
    ROW(kd_load_training, kd_reader, reader, READ, a_training),
    WORDS(kd_load_training, a_training),
    ROW(kd_load_npy, kd_reader, reader, READ, a_matrix),
    ROW(kd_load_npy, kd_npy_info, npy_info, FILLED_ONLY, a_matrix),
    WORDS(kd_load_npy, a_matrix),
    ROW(kd_cache_open, kd_cache_options, cache_options, READ, NULL),
    WORDS(kd_cache_open, NULL),
    ROW(kd_cache_append, kd_targets, targets, READ, open_cache),
    ROW(kd_cache_get_info, kd_cache_info, cache_info, FILLED_ONLY, open_cache),
    WORDS(kd_cache_get_info, open_cache),
    ROW(kd_cache_verify, kd_cache_info, cache_info, FILLED_ONLY, finished_cache),
    WORDS(kd_cache_verify, finished_cache),
    ROW(kd_teacher_from_cache, kd_cache_options, cache_options, READ, finished_cache),
    WORDS(kd_teacher_from_cache, finished_cache),
    WORDS(kd_teacher_hash, NULL),
};

const row_list file_rows = {rows, COUNT(rows)};
