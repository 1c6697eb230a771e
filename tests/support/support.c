/* SPDX-License-Identifier: MIT */
/*
 * What the tests of tiers 2 and 3 share: random data, small nets, memory that fails,
 * comparisons.
 */
#define _POSIX_C_SOURCE 200112L /* posix_memalign: exact sizes, so that ASan sees their end */

#include "support.h"

#include <stdlib.h>

/* ---- time ---- */

bool support_again(support_limit *limit)
{
    enum { MOST = 20 };
    double took = (double)(clock() - limit->begin) / CLOCKS_PER_SEC;
    if (took < SUPPORT_SLOW * limit->seconds) {
        return false;
    }
    if (++limit->slow == MOST || took > MOST * SUPPORT_SLOW * limit->seconds) {
        fail_msg("%g s of processor time, not %g", took, SUPPORT_SLOW * limit->seconds);
    }
    limit->begin = clock();
    return true;
}

/* ---- numbers ---- */

uint64_t support_next(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

size_t support_below(uint64_t *state, size_t limit)
{
    return (size_t)(support_next(state) % limit);
}

double support_between(uint64_t *state, double low, double high)
{
    return low + (high - low) * (double)(support_next(state) >> 11) * 0x1p-53;
}

double support_normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(support_between(state, 0x1p-53, 1)));
    return radius * cos(6.283185307179586 * support_between(state, 0, 1));
}

void support_normals(uint64_t *state, float *out, size_t count, double scale)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)(scale * support_normal(state));
    }
}

/* ---- memory ---- */

#define HUGE_PAGE ((size_t)2 << 20) /* the most that is asked for as alignment */
#define MARK UINT64_C(0x6b64207465737473)
#define MOST ((size_t)1 << 30) /* a larger block is out of memory, whatever the machine has */

typedef struct header {
    uint64_t mark;
    size_t size;
} header;

static void *take(void *user, size_t size, size_t align)
{
    support_memory *m = user;
    size_t call = atomic_fetch_add(&m->calls, 1) + 1;
    bool told = m->fail_at > 0 && (m->lasting ? call >= m->fail_at : call == m->fail_at);
    void *base = NULL;
    assert_true(align >= sizeof(void *) && (align & (align - 1)) == 0);
    size_t head = align > sizeof(header) ? align : (sizeof(header) + align - 1) / align * align;
    if (told || size > MOST || posix_memalign(&base, align, head + size) != 0) {
        atomic_fetch_add(&m->refused, 1);
        return NULL;
    }
    unsigned char *start = (unsigned char *)base + head;
    header h = {MARK ^ head, size};
    memcpy(start - sizeof h, &h, sizeof h);
    memset(start, 0xA5, size);
    atomic_fetch_add(&m->asked, size);
    atomic_fetch_add(&m->live, 1);
    size_t bytes = atomic_fetch_add(&m->bytes, size) + size;
    size_t peak = atomic_load(&m->peak);
    while (bytes > peak && !atomic_compare_exchange_weak(&m->peak, &peak, bytes)) {
    }
    return start;
}

static void give(void *user, void *pointer, size_t size)
{
    support_memory *m = user;
    unsigned char *start = pointer;
    header h = {0, 0};
    if (start) {
        memcpy(&h, start - sizeof h, sizeof h);
    }
    size_t head = (size_t)(h.mark ^ MARK);
    if (head < sizeof h || head > HUGE_PAGE || h.size != size) {
        atomic_fetch_add(&m->wrong, 1);
        return;
    }
    memset(start - sizeof h, 0x5A, sizeof h + size); /* whoever reads on sees rubbish */
    atomic_fetch_sub(&m->live, 1);
    atomic_fetch_sub(&m->bytes, size);
    free(start - head);
}

kd_context *support_context(support_memory *memory)
{
    return support_context_of(memory, 1);
}

kd_status support_try_context(support_memory *memory, int32_t threads, kd_context **out_context,
                              kd_error *error)
{
    kd_context_options options = KD_CONTEXT_OPTIONS_INIT;
    options.threads = threads;
    options.alloc = take;
    options.release = give;
    options.user = memory;
    return kd_context_create(&options, out_context, error);
}

kd_context *support_context_of(support_memory *memory, int32_t threads)
{
    kd_error error = KD_ERROR_INIT;
    kd_context *context;
    memset(memory, 0, sizeof *memory);
    support_ok(support_try_context(memory, threads, &context, &error), error.text);
    return context;
}

void support_all_returned(support_memory *memory)
{
    assert_int_equal(atomic_load(&memory->wrong), 0);
    assert_int_equal(atomic_load(&memory->live), 0);
    assert_int_equal(atomic_load(&memory->bytes), 0);
}

/* ---- nets ---- */

size_t support_read(const char *shape, size_t *out_inputs, support_node *out_nodes)
{
    char *at;
    size_t width = strtoul(shape, &at, 10);
    size_t count = 0;
    *out_inputs = width;
    assert_true(*at == ':' && width > 0 && width <= SUPPORT_WIDTH);
    for (at++; *at; count++) {
        support_node node = {'d', width, 0.0f};
        at += strspn(at, " ");
        assert_true(count < SUPPORT_NODES);
        if (strncmp(at, "relu", 4) == 0) {
            node.kind = 'r';
            at += 4;
        } else if (strncmp(at, "drop", 4) == 0) {
            node.kind = 'o';
            node.rate = strtof(at + 4, &at);
        } else {
            node.width = strtoul(at, &at, 10);
            assert_true(node.width > 0 && node.width <= SUPPORT_WIDTH);
        }
        width = node.width;
        out_nodes[count] = node;
    }
    return count;
}

static kd_status add(kd_net *net, const support_node *node)
{
    switch (node->kind) {
    case 'r':
        return kd_net_add_relu(net);
    case 'o':
        return kd_net_add_dropout(net, node->rate);
    default:
        return kd_net_add_dense(net, node->width);
    }
}

kd_status support_try_net(kd_context *context, const char *shape, uint64_t seed, kd_net **out_net)
{
    support_node nodes[SUPPORT_NODES];
    size_t inputs;
    size_t count = support_read(shape, &inputs, nodes);
    kd_status status = kd_net_create(context, inputs, out_net, NULL);
    for (size_t i = 0; status == KD_OK && i < count; i++) {
        status = add(*out_net, &nodes[i]);
    }
    if (status == KD_OK) {
        status = kd_net_init(*out_net, KD_INIT_HE, seed);
    }
    if (status != KD_OK) {
        kd_net_destroy(*out_net);
        *out_net = NULL;
    }
    return status;
}

kd_net *support_net(kd_context *context, const char *shape, uint64_t seed)
{
    kd_net *net;
    support_ok(support_try_net(context, shape, seed, &net), shape);
    kd_net_info info = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(net, &info, NULL), "kd_net_get_info");
    for (size_t i = 1; i < info.params; i += 2) {
        kd_param bias = support_param(net, i);
        support_normals(&seed, bias.values, bias.rows, 0.1);
    }
    return net;
}

kd_net *support_clone(const kd_net *net)
{
    kd_error error = KD_ERROR_INIT;
    kd_net *copy;
    support_ok(kd_net_clone(net, &copy, &error), error.text);
    return copy;
}

kd_param support_param(kd_net *net, size_t index)
{
    kd_param param = KD_PARAM_INIT;
    support_ok(kd_net_get_param(net, index, &param), kd_net_error(net));
    return param;
}

kd_param support_gradient(kd_workspace *ws, size_t index)
{
    kd_param gradient = KD_PARAM_INIT;
    support_ok(kd_workspace_get_gradient(ws, index, &gradient), kd_workspace_error(ws));
    return gradient;
}

size_t support_values(const kd_net *net)
{
    kd_net_info info = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(net, &info, NULL), "kd_net_get_info");
    return (size_t)info.values;
}

/* FNV-1a. */
uint64_t support_hash_bytes(uint64_t before, const void *bytes, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++) {
        before = (before ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return before;
}

uint64_t support_hash(kd_net *net)
{
    kd_net_info info = KD_NET_INFO_INIT;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    support_ok(kd_net_get_info(net, &info, NULL), "kd_net_get_info");
    for (size_t i = 0; i < info.params; i++) {
        kd_param p = support_param(net, i);
        hash = support_hash_bytes(hash, p.values, p.rows * p.columns * sizeof *p.values);
    }
    return hash;
}

void support_get_weights(kd_net *net, float *out)
{
    kd_net_info info = KD_NET_INFO_INIT;
    support_ok(kd_net_get_info(net, &info, NULL), "kd_net_get_info");
    for (size_t i = 0; i < info.params; i++) {
        kd_param p = support_param(net, i);
        memcpy(out, p.values, p.rows * p.columns * sizeof *out);
        out += p.rows * p.columns;
    }
}

kd_workspace *support_workspace(kd_net *net, size_t batch, int32_t training, uint64_t seed)
{
    kd_workspace_options options = KD_WORKSPACE_OPTIONS_INIT;
    kd_error error = KD_ERROR_INIT;
    kd_workspace *ws;
    options.batch = batch;
    options.training = training;
    options.seed = seed;
    support_ok(kd_workspace_create(net, &options, &ws, &error), error.text);
    return ws;
}

/* ---- teachers and distillers ---- */

kd_teacher *support_teacher(kd_net *net)
{
    kd_error error = KD_ERROR_INIT;
    kd_teacher *teacher;
    support_ok(kd_teacher_from_net(net, &teacher, &error), error.text);
    return teacher;
}

kd_distiller *support_distiller(kd_net *student, kd_teacher *teacher,
                                const kd_distiller_options *options)
{
    kd_error error = KD_ERROR_INIT;
    kd_distiller *distiller;
    support_ok(kd_distiller_create(student, teacher, options, &distiller, &error), error.text);
    return distiller;
}

kd_report support_step(kd_distiller *distiller, const kd_batch *batch)
{
    kd_report report = KD_REPORT_INIT;
    support_ok(kd_distill_step(distiller, batch, &report), kd_distiller_error(distiller));
    return report;
}

kd_report support_evaluate(kd_distiller *distiller, const kd_batch *batch)
{
    kd_report report = KD_REPORT_INIT;
    support_ok(kd_distill_evaluate(distiller, batch, &report), kd_distiller_error(distiller));
    return report;
}

/* ---- data ---- */

void support_fill(support_data *data, uint64_t seed, size_t n, size_t inputs, size_t k)
{
    const kd_targets targets = KD_TARGETS_INIT;
    assert_true(n <= SUPPORT_CASES && inputs <= SUPPORT_WIDTH && k <= SUPPORT_WIDTH);
    memset(data, 0, sizeof *data);
    data->n = n;
    data->inputs = inputs;
    data->k = k;
    support_normals(&seed, data->x, n * inputs, 1);
    support_normals(&seed, data->v, n * k, 2);
    for (size_t i = 0; i < n; i++) {
        const float *x = data->x + i * inputs;
        size_t best = 0;
        for (size_t j = 1; j < k && j < inputs; j++) {
            best = x[j] > x[best] ? j : best;
        }
        data->labels[i] = (int32_t)best;
        data->weights[i] = (float)support_between(&seed, 0.25, 2);
        data->ids[i] = (support_next(&seed) << 8) + i;
    }
    data->targets = targets;
    data->targets.kind = KD_TARGET_LOGITS;
    data->targets.values = data->v;
}

kd_batch support_batch(const support_data *data, size_t begin, size_t n)
{
    kd_batch batch = KD_BATCH_INIT;
    assert_true(begin + n <= data->n);
    batch.n = n;
    batch.x = data->x + begin * data->inputs;
    batch.labels = data->labels + begin;
    batch.ids = data->ids + begin;
    return batch;
}

uint64_t support_data_hash(const support_data *data)
{
    uint64_t hash = support_hash_bytes(1, data->x, sizeof data->x);
    hash = support_hash_bytes(hash, data->labels, sizeof data->labels);
    hash = support_hash_bytes(hash, data->weights, sizeof data->weights);
    hash = support_hash_bytes(hash, data->ids, sizeof data->ids);
    hash = support_hash_bytes(hash, data->v, sizeof data->v);
    return support_hash_bytes(hash, &data->targets, sizeof data->targets);
}

/* ---- comparisons ---- */

void support_ok(kd_status status, const char *words)
{
    if (status != KD_OK) {
        fail_msg("%s: %s", kd_status_name(status), words);
    }
}

void support_refused(kd_status status, kd_status expected, const char *words, const char *needle)
{
    if (status != expected) {
        fail_msg("%s instead of %s (\"%s\")", kd_status_name(status), kd_status_name(expected),
                 needle);
    }
    if (words && !strstr(words, needle)) {
        fail_msg("%s: \"%s\" is not in \"%s\"", kd_status_name(status), needle, words);
    }
}

void support_near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("%s: %.17g instead of %.17g, off by %g, allowed %g", what, got, want, got - want,
                 tolerance);
    }
}

void support_near_row(const char *what, const float *got, const float *want, size_t count,
                      double relative, double absolute)
{
    for (size_t i = 0; i < count; i++) {
        double w = (double)want[i];
        if (!(fabs((double)got[i] - w) <= relative * fabs(w) + absolute)) {
            fail_msg("%s[%zu]: %.9g instead of %.9g", what, i, (double)got[i], w);
        }
    }
}

void support_same_bits(const char *what, const void *got, const void *want, size_t bytes)
{
    if (bytes > 0 && memcmp(got, want, bytes) != 0) {
        fail_msg("%s: not the same bits", what);
    }
}
