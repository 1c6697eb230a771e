/* SPDX-License-Identifier: MIT */
/*
 * The limit of a workload: what the machine and the linked BLAS need for a step if nothing but the
 * unavoidable is done, and nothing overlaps.
 *
 *   products      the median time of each product of the step, whole (not cut into tiles) and on
 *                 operands that the caches hold if they can. With one row also the matrix-vector
 *                 call is tried, and the faster of both counts.
 *   stream        bytes that must pass between registers and memory beside the products:
 *                   training   20 a parameter: w, m and the gradient are read, w and m written,
 *                              in arrays as large as the net
 *                   loss       16 a logit: z and v are read, d_logits is written, and writing
 *                              fetches the line first; the same for W5's loss
 *                   ensemble   4 a logit of each member, and 8 an element of the mean
 *                   one case   4 a weight: all are read once, and no product is counted
 *                 Activations, biases, masks and random numbers are left out: 0.1 to 0.5 % of a
 *                 step, and they could hide behind the products.
 *   exponentials  of a loss 2 a logit; of an arithmetic mean 1 a logit of each member, of a
 *                 geometric one 1 an element of the mean.
 *
 * With two threads both run the same whole product on operands of their own at the same time, and
 * half of that time counts; a stream is cut in two. A workload too small for two threads keeps the
 * limit of one.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Input and output of the exponentials lie half a page apart: loads that share their last twelve
 * bits with a store just made would wait for it. */
enum { LEAST = 3, MOST = 400, EXPS = 2048, EXP_OUT = EXPS + 512 };

/* What one thread measures on: operands of the largest product, and its part of the streams. */
typedef struct bench_thread {
    float *a, *b, *c, *exps;
    uint32_t sum; /* of what was read */
} bench_thread;

struct limit {
    const workload *w;
    int32_t threads;
    size_t kinds;
    product products[MAX_PRODUCTS];
    size_t params, elements; /* of the streams */
    float *weights, *momentum, *gradient, *out;
    const float *in[KD_MAX_MEMBERS]; /* members, or z and v of two batches */
    size_t arrays;
    bench_thread *thread;
};

typedef void (*body_fn)(const limit *l, size_t thread, const void *what, size_t turn);

/* A body that each thread repeats, and the median time that each finds. */
typedef struct job {
    const limit *l;
    body_fn body;
    const void *what;
    double seconds;
    pthread_barrier_t *start;
    size_t thread;
    double us;
} job;

static double time_of(const job *j, size_t *turn, size_t inner)
{
    double begin = now_us();
    for (size_t i = 0; i < inner; i++) {
        j->body(j->l, j->thread, j->what, (*turn)++);
    }
    return (now_us() - begin) / (double)inner;
}

/* Short bodies are timed in bunches of 20 microseconds, which the clock resolves to 1 %. */
static void *repeat(void *user)
{
    job *j = user;
    double values[MOST];
    size_t turn = 0;
    time_of(j, &turn, 1);
    double once = time_of(j, &turn, 1);
    size_t inner = once > 20.0 ? 1 : (size_t)(20.0 / (once + 0.01)) + 1;
    double room = j->seconds * 1e6 / (once * (double)inner + 0.01);
    size_t runs = room < LEAST ? LEAST : room > MOST ? MOST : (size_t)room;
    pthread_barrier_wait(j->start);
    for (size_t i = 0; i < runs; i++) {
        values[i] = time_of(j, &turn, inner);
    }
    j->us = median(values, runs);
    return NULL;
}

/* The median time of the body, with all threads at it; the mean over threads. */
static double together(const limit *l, body_fn body, const void *what, double seconds)
{
    job jobs[KD_MAX_THREADS];
    pthread_t ids[KD_MAX_THREADS];
    pthread_barrier_t start;
    size_t threads = (size_t)l->threads;
    pthread_barrier_init(&start, NULL, (unsigned)threads);
    for (size_t i = 0; i < threads; i++) {
        jobs[i] = (job){l, body, what, seconds, &start, i, 0.0};
        if (i > 0 && pthread_create(&ids[i], NULL, repeat, &jobs[i]) != 0) {
            die("a thread could not be started");
        }
    }
    repeat(&jobs[0]);
    double sum = jobs[0].us;
    for (size_t i = 1; i < threads; i++) {
        pthread_join(ids[i], NULL);
        sum += jobs[i].us;
    }
    pthread_barrier_destroy(&start);
    return sum / (double)threads;
}

static void gemm_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    const bench_thread *t = &l->thread[thread];
    (void)turn;
    product_run(what, false, t->a, t->b, t->c);
}

static void gemv_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    const bench_thread *t = &l->thread[thread];
    (void)turn;
    product_run(what, true, t->a, t->b, t->c);
}

/* The part of `count` elements that one thread has. */
static size_t part(const limit *l, size_t count, size_t thread)
{
    return count * thread / (size_t)l->threads;
}

static void sgd_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    (void)what, (void)turn;
    size_t at = part(l, l->params, thread), end = part(l, l->params, thread + 1);
    stream_sgd(l->weights + at, l->momentum + at, l->gradient + at, end - at);
}

static void read_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    (void)what, (void)turn;
    size_t at = part(l, l->params, thread), end = part(l, l->params, thread + 1);
    stream_read(l->weights + at, end - at, &l->thread[thread].sum);
}

static void add_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    (void)what;
    size_t at = part(l, l->elements, thread), end = part(l, l->elements, thread + 1);
    const float *z = l->in[2 * (turn % 2)], *v = l->in[2 * (turn % 2) + 1];
    stream_add(z + at, v + at, l->out + at, end - at);
}

static void mean_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    (void)what, (void)turn;
    size_t at = part(l, l->elements, thread), end = part(l, l->elements, thread + 1);
    stream_mean(l->in, l->arrays, l->out, at, end);
}

static void exp_body(const limit *l, size_t thread, const void *what, size_t turn)
{
    (void)what, (void)turn;
    stream_exp(l->thread[thread].exps, l->thread[thread].exps + EXP_OUT, EXPS);
}

/* True if a step trains: it then has an update, and a loss that may be large. */
static bool trains(const limit *l)
{
    return l->w->work == WORK_TRAIN;
}

static bool one_case(const limit *l)
{
    return l->w->work == WORK_INFER && l->w->n == 1;
}

static void create_streams(limit *l)
{
    const workload *w = l->w;
    size_t logits = w->n * workload_classes(w);
    bool large = w->work == WORK_LOSS || w->work == WORK_MEAN || (trains(l) && logits > 100000);
    l->params = trains(l) || one_case(l) ? workload_params(w) : 0;
    l->elements = large ? logits : 0;
    l->arrays = w->work == WORK_MEAN ? w->members : 4;
    l->weights = floats(l->params);
    l->momentum = floats(l->params);
    l->gradient = floats(l->params);
    l->out = floats(l->elements);
    for (size_t i = 0; i < l->arrays; i++) {
        l->in[i] = floats(l->elements);
    }
}

static void create_operands(limit *l)
{
    size_t a = 1, b = 1, c = 1;
    for (size_t i = 0; i < l->kinds; i++) {
        const product *p = &l->products[i];
        size_t x = p->n * p->in, y = p->n * p->out, weights = p->in * p->out;
        size_t first = p->op == 'f' ? x : y, second = p->op == 'w' ? x : weights;
        size_t result = p->op == 'f' ? y : p->op == 'w' ? weights : x;
        a = first > a ? first : a;
        b = second > b ? second : b;
        c = result > c ? result : c;
    }
    for (size_t i = 0; i < (size_t)l->threads; i++) {
        bench_thread *t = &l->thread[i];
        *t = (bench_thread){floats(a), floats(b), floats(c), floats(EXP_OUT + EXPS), 0};
        fill_normal(t->a, a, 1.0f, i + 1);
        fill_normal(t->b, b, 1.0f, i + 2);
        fill_normal(t->exps, EXPS, 3.0f, i + 3);
    }
}

limit *limit_create(const workload *w, int32_t threads)
{
    limit *l = calloc(1, sizeof *l);
    if (!l) {
        die("no memory");
    }
    l->w = w;
    l->threads = w->one_thread ? 1 : threads;
    l->kinds = one_case(l) ? 0 : products_list(w, l->products);
    l->thread = calloc((size_t)l->threads, sizeof *l->thread);
    if (!l->thread) {
        die("no memory");
    }
    create_streams(l);
    create_operands(l);
    return l;
}

static double gemm_us(const limit *l, double seconds)
{
    double sum = 0.0;
    for (size_t i = 0; i < l->kinds; i++) {
        const product *p = &l->products[i];
        double us = together(l, gemm_body, p, seconds / (double)l->kinds);
        if (p->n == 1 && p->op != 'w') {
            double vector = together(l, gemv_body, p, seconds / (double)l->kinds);
            us = vector < us ? vector : us;
        }
        sum += us * (double)p->count / (double)l->threads;
    }
    return sum;
}

static void stream_us(const limit *l, double seconds, limit_parts *out)
{
    double params = (double)l->params, elements = (double)l->elements;
    if (trains(l)) {
        out->stream += together(l, sgd_body, NULL, seconds);
        out->bytes += 20.0 * params;
    } else if (one_case(l)) {
        out->stream += together(l, read_body, NULL, seconds);
        out->bytes += 4.0 * params;
    }
    if (l->w->work == WORK_MEAN) {
        out->stream += together(l, mean_body, NULL, seconds);
        out->bytes += 4.0 * elements * (double)(l->w->members + 2);
    } else if (l->elements > 0) {
        out->stream += together(l, add_body, NULL, seconds);
        out->bytes += 16.0 * elements;
    }
}

static double exps_of(const workload *w)
{
    double logits = (double)(w->n * workload_classes(w));
    switch (w->work) {
    case WORK_MEAN:
        return w->mean == KD_MEAN_ARITHMETIC ? logits * (double)w->members : logits;
    case WORK_INFER:
        return 0.0;
    default:
        return logits * ((w->soft > 0.0f ? 2.0 : 0.0) + (w->hard > 0.0f ? 1.0 : 0.0));
    }
}

void limit_measure(limit *l, double seconds, limit_parts *out_parts)
{
    memset(out_parts, 0, sizeof *out_parts);
    double shares = l->kinds > 0 ? 0.6 : 0.0;
    out_parts->flop = l->kinds > 0 ? workload_flop(l->w) : 0.0;
    out_parts->gemm = gemm_us(l, seconds * shares);
    stream_us(l, seconds * (0.9 - shares), out_parts);
    out_parts->count = exps_of(l->w);
    if (out_parts->count > 0.0) {
        double per_exp = together(l, exp_body, NULL, seconds * 0.1) / EXPS;
        out_parts->exps = out_parts->count * per_exp / (double)l->threads;
    }
}

void limit_destroy(limit *l)
{
    for (size_t i = 0; i < (size_t)l->threads; i++) {
        bench_thread *t = &l->thread[i];
        free(t->a), free(t->b), free(t->c), free(t->exps);
    }
    for (size_t i = 0; i < l->arrays; i++) {
        free((void *)(uintptr_t)l->in[i]);
    }
    free(l->weights), free(l->momentum), free(l->gradient), free(l->out);
    free(l->thread);
    free(l);
}
