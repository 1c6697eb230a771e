/* SPDX-License-Identifier: MIT */
/* See jobs.h. */
#include "jobs.h"

#include "../ckpt/works.h"
#include "../teacher/recording.h"

#include <unistd.h>

#define CASES 12
#define ROWS 20
#define COLUMNS 7

enum { NET_JOBS = 9, NPY_JOBS = 3, RECORD_JOBS = 5, FORMS = 2 };

const char jobs_file[] = "f";
static size_t job;
static support_memory memory; /* of recordings */
static kd_context *context;
static kd_cache *open_one; /* of jobs_open */
static const recording_form *form;
static recording_data data[FORMS];
static io_bytes recorded[FORMS];
static float matrix[ROWS * COLUMNS];
static float got[ROWS * COLUMNS];
static io_bytes npy;

static const char *path(void)
{
    return files_path(jobs_file);
}

/* ---- which one it is ---- */

/* The loads, then each save without and with an old file. */
static const struct {
    size_t work;
    bool was_there;
} net_jobs[NET_JOBS] = {
    {1, true},  {3, true}, {5, true},  {0, false}, {0, true},
    {2, false}, {2, true}, {4, false}, {4, true},
};
static const char *const npy_jobs[NPY_JOBS] = {"kd_load_npy", "kd_save_npy, new", "kd_save_npy"};
static const char *const record_jobs[RECORD_JOBS] = {"a new recording", "a recording that goes on",
                                                     "a finished one that goes on",
                                                     "kd_cache_verify", "kd_teacher_from_cache"};

static bool of_nets(void)
{
    return job < NET_JOBS;
}

static bool of_npy(void)
{
    return !of_nets() && job < NET_JOBS + NPY_JOBS;
}

static size_t record_job(void)
{
    return (job - NET_JOBS - NPY_JOBS) / FORMS;
}

static size_t which_form(void)
{
    return (job - NET_JOBS - NPY_JOBS) % FORMS;
}

static const work *work_of(void)
{
    return &works[net_jobs[job].work];
}

size_t jobs_count(void)
{
    return NET_JOBS + NPY_JOBS + FORMS * RECORD_JOBS;
}

const char *jobs_name(void)
{
    return of_nets()  ? work_of()->name
           : of_npy() ? npy_jobs[job - NET_JOBS]
                      : record_jobs[record_job()];
}

job_kind jobs_kind(void)
{
    if (of_nets()) {
        return work_of()->reads ? JOB_LOAD : JOB_SAVE;
    }
    if (of_npy()) {
        return job == NET_JOBS ? JOB_LOAD : JOB_SAVE;
    }
    return record_job() < 3 ? JOB_RECORD : JOB_LOAD;
}

static bool was_there(void)
{
    return of_nets() ? net_jobs[job].was_there : job != NET_JOBS + 1;
}

support_memory *jobs_memory(void)
{
    return of_nets() ? works_memory : of_npy() ? NULL : &memory;
}

/* What the file is when all went well. */
static const io_bytes *due(void)
{
    return of_nets() ? works_file(work_of()) : of_npy() ? &npy : &recorded[which_form()];
}

io_bytes jobs_bytes(void)
{
    io_bytes copy = {0};
    io_add(&copy, due()->bytes, due()->size);
    return copy;
}

/* ---- recordings ---- */

/* What is missing, in two calls. */
static kd_status append_up_to(kd_cache *cache, size_t end, bool finishes, kd_error *error)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_status status = KD_OK;
    support_ok(kd_cache_get_info(cache, &info, NULL), "kd_cache_get_info");
    size_t begin = (size_t)info.cases;
    for (size_t n = (end - begin + 1) / 2; status == KD_OK && begin < end;
         begin += n, n = end - begin) {
        kd_targets t = recording_rows(&data[which_form()], begin);
        status = kd_cache_append(cache, data[which_form()].ids + begin, &t, n);
    }
    if (finishes) {
        status = status ? status : kd_cache_finish(cache);
    }
    if (status != KD_OK) {
        snprintf(error->text, sizeof error->text, "%s", kd_cache_error(cache));
    }
    error->status = status;
    return status;
}

static kd_status record_up_to(size_t end, bool finishes, kd_error *error)
{
    kd_cache_options o = recording_options(form);
    kd_cache *cache;
    kd_status status = kd_cache_open(context, path(), &o, &cache, error);
    status = status ? status : append_up_to(cache, end, finishes, error);
    kd_cache_destroy(cache);
    return status;
}

void jobs_open(void)
{
    kd_error error = KD_ERROR_INIT;
    kd_cache_options o = recording_options(form);
    support_ok(kd_cache_open(context, path(), &o, &open_one, &error), error.text);
}

void jobs_open_again(void)
{
    kd_cache_destroy(open_one);
    jobs_open();
}

kd_status jobs_go_on(kd_error *error)
{
    return append_up_to(open_one, CASES, true, error);
}

void jobs_close(void)
{
    kd_cache_destroy(open_one);
    open_one = NULL;
    assert_true(files_has(jobs_file, recorded[which_form()].bytes, recorded[which_form()].size));
}

static kd_status teach(kd_error *error)
{
    kd_teacher *teacher;
    kd_teacher_workspace *ws = NULL;
    kd_batch batch = KD_BATCH_INIT;
    kd_targets targets = KD_TARGETS_INIT;
    const recording_data *d = &data[which_form()];
    kd_status status = kd_teacher_from_cache(context, path(), NULL, &teacher, error);
    status = status ? status : kd_teacher_workspace_create(teacher, CASES, &ws, error);
    batch.n = CASES;
    batch.ids = d->ids;
    status = status ? status : kd_teacher_targets(ws, &batch, 2, &targets, error);
    if (status == KD_OK && form->encoding == KD_CACHE_F32) {
        support_same_bits("targets", targets.values, d->values, CASES * form->k * sizeof(float));
    }
    kd_teacher_workspace_destroy(ws);
    kd_teacher_destroy(teacher);
    return status;
}

static kd_status run_record(kd_error *error)
{
    kd_cache_info info = KD_CACHE_INFO_INIT;
    switch (record_job()) {
    case 3:
        return kd_cache_verify(path(), &info, error);
    case 4:
        return teach(error);
    default:
        return record_up_to(CASES, true, error);
    }
}

/* A recording that failed has all cases up to some call of append, and those that it began with. */
static void check_recording(void)
{
    if (access(path(), F_OK) != 0) {
        assert_int_equal(record_job(), 0);
        return;
    }
    io_bytes there = files_get(jobs_file);
    kd_cache_info info = KD_CACHE_INFO_INIT;
    kd_error error = KD_ERROR_INIT;
    if (there.size >= HEADER) {
        support_ok(kd_cache_verify(path(), &info, &error), error.text);
    }
    size_t whole = there.size < HEADER ? there.size : HEADER + (size_t)info.cases * form->bytes;
    assert_true(info.cases >= (record_job() ? 5 : 0));
    support_same_bits("cases", there.bytes, due()->bytes, whole);
    io_free(&there);
}

/* ---- the rest ---- */

static kd_status run_npy(kd_error *error)
{
    if (jobs_kind() == JOB_LOAD) {
        return kd_load_npy(path(), NULL, got, COUNT(got), NULL, error);
    }
    return kd_save_npy(matrix, ROWS, COLUMNS, 0, path(), NULL, error);
}

kd_status jobs_run(kd_error *error)
{
    return of_nets()  ? work_of()->run(path(), NULL, NULL, error)
           : of_npy() ? run_npy(error)
                      : run_record(error);
}

void jobs_take(size_t index)
{
    kd_error error = KD_ERROR_INIT;
    job = index;
    files_clear();
    if (of_nets()) {
        works_prepare();
    } else if (!of_npy()) {
        form = &recording_forms[which_form() ? 8 : 0];
    }
    if (jobs_kind() == JOB_LOAD) {
        memset(got, 0, sizeof got);
        files_put(jobs_file, due()->bytes, due()->size);
    } else if (jobs_kind() == JOB_SAVE && was_there()) {
        files_put(jobs_file, "old", 3);
    } else if (jobs_kind() == JOB_RECORD && record_job() > 0) {
        support_ok(record_up_to(5, record_job() == 2, &error), error.text);
    }
}

static bool holds_due(void)
{
    return files_has(jobs_file, due()->bytes, due()->size);
}

void jobs_check_objects(kd_status status)
{
    if (of_nets()) {
        assert_true(status ? works_same() : works_done(work_of()));
    } else if (of_npy() && status == KD_OK && jobs_kind() == JOB_LOAD) {
        support_same_bits("matrix", got, matrix, sizeof got);
    }
}

static void check_save(kd_status status, const kd_error *error)
{
    bool is_old = was_there() ? files_has(jobs_file, "old", 3) : access(path(), F_OK) != 0;
    if (status == KD_OK) {
        assert_true(holds_due());
    } else if (is_old) {
        assert_false(now.renamed);
    } else { /* only the folder is not on the disk yet */
        assert_true(now.renamed && holds_due());
        assert_non_null(strstr(error->text, "it is written, but"));
    }
    assert_true(now.stray || files_count() == (is_old && !was_there() ? 0 : 1));
}

void jobs_check(kd_status status, const kd_error *error)
{
    jobs_check_objects(status);
    if (jobs_kind() == JOB_SAVE) {
        check_save(status, error);
    } else if (status == KD_OK || jobs_kind() == JOB_LOAD) {
        assert_true(holds_due());
    } else {
        check_recording();
    }
}

void jobs_repeat(void)
{
    kd_error error = KD_ERROR_INIT;
    support_ok(jobs_run(&error), error.text);
    jobs_check_objects(KD_OK);
    assert_true(holds_due());
    assert_int_equal(files_count(), 1);
}

void jobs_begin(void)
{
    kd_error error = KD_ERROR_INIT;
    uint64_t seed = 6;
    (void)files_begin_quick();
    (void)works_begin(NULL);
    context = support_context(&memory);
    support_normals(&seed, matrix, COUNT(matrix), 2);
    job = NET_JOBS + 1;
    support_ok(run_npy(&error), error.text);
    npy = files_get(jobs_file);
    for (size_t f = 0; f < FORMS; f++) {
        job = NET_JOBS + NPY_JOBS + f;
        form = &recording_forms[f ? 8 : 0];
        data[f] = recording_fill(form, f, CASES);
        files_clear();
        support_ok(run_record(&error), error.text);
        recorded[f] = files_get(jobs_file);
    }
}

void jobs_end(void)
{
    for (size_t f = 0; f < FORMS; f++) {
        recording_drop(&data[f]);
        io_free(&recorded[f]);
    }
    io_free(&npy);
    kd_context_destroy(context);
    support_all_returned(&memory);
    (void)works_end(NULL);
    files_done();
}
