/* SPDX-License-Identifier: MIT */
/* Targets of the top classes that are refused, with status and words; and buffers that overlap. */
#include "../support/support.h"

#include <float.h>
#include <stdio.h>

#define N 3
#define K 5
#define TOP 2

/* A good call of kd_loss on rows of K classes, of which 1 and 3 are given. */
typedef struct world {
    float z[32], v[32], values[32], tail[32], d[32];
    uint32_t index[32];
    int32_t labels[N];
    double term_values[2];
    kd_targets targets;
    kd_term terms[2];
    kd_loss_in in;
    kd_loss_out out;
    kd_error error;
} world;

static void fill(world *w)
{
    memset(w, 0, sizeof *w);
    uint64_t seed = 7;
    support_normals(&seed, w->z, N * K, 2);
    support_normals(&seed, w->v, N * K, 2);
    support_normals(&seed, w->values, N * TOP, 2);
    for (size_t i = 0; i < N; i++) {
        w->index[2 * i] = 1;
        w->index[2 * i + 1] = 3;
        w->tail[i] = (float)i - 1;
    }
    w->error = (kd_error)KD_ERROR_INIT;
    w->targets = (kd_targets)KD_TARGETS_INIT;
    w->targets.kind = KD_TARGET_TOPK;
    w->targets.temperature = 2;
    w->targets.values = w->values;
    w->targets.top = TOP;
    w->targets.topk_index = w->index;
    w->targets.tail = w->tail;
    w->terms[0] = (kd_term){sizeof(kd_term), KD_TERM_SOFT, 2, 1, 0};
    w->terms[1] = (kd_term){sizeof(kd_term), KD_TERM_HARD, 0, 1, 0};
    w->in = (kd_loss_in)KD_LOSS_IN_INIT;
    w->in.n = N;
    w->in.k = K;
    w->in.logits = w->z;
    w->in.labels = w->labels;
    w->in.targets = &w->targets;
    w->out = (kd_loss_out)KD_LOSS_OUT_INIT;
    w->out.d_logits = w->d;
    w->out.term_values = w->term_values;
}

static kd_status lose(world *w)
{
    return kd_loss(w->terms, 2, &w->in, &w->out, &w->error);
}

/* kd_loss says so, and kd_metrics in the same words. */
static void refused(world *w, kd_status status, const char *words)
{
    kd_metrics_out m = KD_METRICS_OUT_INIT;
    support_refused(lose(w), status, w->error.text, words);
    assert_int_equal(w->error.argument, 3);
    support_refused(kd_metrics(&w->in, 2, &m, &w->error), status, w->error.text, words);
    assert_int_equal(w->error.argument, 1);
}

static void good_as_it_is(void **state)
{
    (void)state;
    world w;
    kd_metrics_out m = KD_METRICS_OUT_INIT;
    fill(&w);
    support_ok(lose(&w), w.error.text);
    support_ok(kd_metrics(&w.in, 2, &m, &w.error), w.error.text);
    w.targets.k = K;
    w.targets.stride = TOP;
    support_ok(lose(&w), w.error.text);
}

static void fields(void **state)
{
    (void)state;
    world w;
    fill(&w);
    w.targets.topk_index = NULL;
    refused(&w, KD_ERR_NULL, "in.targets.topk_index is NULL");
    fill(&w);
    w.targets.tail = NULL;
    refused(&w, KD_ERR_NULL, "in.targets.tail is NULL");
    fill(&w);
    w.targets.values = NULL;
    refused(&w, KD_ERR_NULL, "in.targets.values is NULL");
    fill(&w);
    w.targets.top = 0;
    refused(&w, KD_ERR_SIZE, "in.targets.top is 0");
    w.targets.top = K + 1;
    refused(&w, KD_ERR_SHAPE, "in.targets.top is 6, but in.logits have 5 classes");
    w.targets.top = SIZE_MAX;
    refused(&w, KD_ERR_SHAPE, "in.targets.top is");
    fill(&w);
    w.targets.stride = TOP - 1;
    refused(&w, KD_ERR_SIZE, "the stride of in.targets.values is 1, below its 2 columns");
    w.targets.stride = SIZE_MAX;
    refused(&w, KD_ERR_TOO_LARGE, "the stride of in.targets.values");
    fill(&w);
    w.targets.k = K + 1;
    refused(&w, KD_ERR_SHAPE, "in.targets.k is 6");
    static const float bad_t[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < COUNT(bad_t); i++) {
        fill(&w);
        w.targets.temperature = bad_t[i];
        refused(&w, KD_ERR_TEMPERATURE, "in.targets.temperature is");
    }
}

/* Set for targets that have no use for them: somebody forgot the kind. */
static void fields_of_another_kind(void **state)
{
    (void)state;
    static const kd_target_kind kinds[] = {KD_TARGET_LOGITS, KD_TARGET_PROBABILITIES,
                                           KD_TARGET_LOG_PROBABILITIES};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        world w;
        fill(&w);
        w.targets.values = w.v;
        w.targets.kind = kinds[i];
        w.targets.topk_index = NULL;
        w.targets.tail = NULL;
        refused(&w, KD_ERR_VALUE, "in.targets.top is set, but in.targets.kind is");
        w.targets.top = 0;
        w.targets.topk_index = w.index;
        refused(&w, KD_ERR_VALUE, "in.targets.topk_index is set");
        w.targets.topk_index = NULL;
        w.targets.tail = w.tail;
        refused(&w, KD_ERR_VALUE, "in.targets.tail is set");
    }
}

static void terms_that_can_not_use_them(void **state)
{
    (void)state;
    static const kd_term_kind matches[] = {KD_TERM_MATCH, KD_TERM_MATCH_RAW};
    world w;
    kd_metrics_out m = KD_METRICS_OUT_INIT;
    for (size_t i = 0; i < COUNT(matches); i++) {
        fill(&w);
        w.terms[0].kind = matches[i];
        support_refused(lose(&w), KD_ERR_KIND, w.error.text,
                        "in.targets.kind is 4, which terms[0]");
    }
    support_refused(kd_match_logits(&w.in, &w.out, &w.error), KD_ERR_KIND, w.error.text,
                    "in.targets.kind is 4");
    static const kd_term_kind soft[] = {KD_TERM_SOFT, KD_TERM_KL};
    for (size_t i = 0; i < COUNT(soft); i++) {
        fill(&w);
        w.terms[0].kind = soft[i];
        w.terms[0].temperature = 3;
        w.terms[0].weight = 0;
        support_refused(lose(&w), KD_ERR_RETEMPER, w.error.text,
                        "in.targets.tail is at temperature 2 and can't serve 3");
    }
    support_refused(kd_metrics(&w.in, 1, &m, &w.error), KD_ERR_RETEMPER, w.error.text, "serve 1");
    assert_int_equal(w.error.argument, 2);
    support_refused(kd_soft_cross_entropy(&w.in, 4, &w.out, &w.error), KD_ERR_RETEMPER,
                    w.error.text, "serve 4");
}

/* In every row, a row that does not count among them. */
static void numbers(void **state)
{
    (void)state;
    static const float weights[] = {1, 0, 1};
    static const struct {
        float value;
        const char *text;
    } bad[] = {{NAN, "nan"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}};
    char words[80];
    for (size_t row = 0; row < N; row++) {
        world w;
        for (size_t i = 0; i < COUNT(bad) * TOP; i++) {
            fill(&w);
            w.in.case_weights = weights;
            w.values[TOP * row + i % TOP] = bad[i / TOP].value;
            (void)snprintf(words, sizeof words, "in.targets.values[%zu,%zu] is %s", row, i % TOP,
                           bad[i / TOP].text);
            refused(&w, KD_ERR_NOT_FINITE, words);
        }
        for (size_t i = 0; i < 2; i++) {
            fill(&w);
            w.in.case_weights = weights;
            w.tail[row] = bad[i].value;
            (void)snprintf(words, sizeof words, "in.targets.tail[%zu] is %s", row, bad[i].text);
            refused(&w, KD_ERR_NOT_FINITE, words);
        }
        fill(&w);
        w.in.case_weights = weights;
        w.index[TOP * row + 1] = K;
        (void)snprintf(words, sizeof words, "in.targets.topk_index[%zu,1] is 5, no such class",
                       row);
        refused(&w, KD_ERR_INDEX, words);
        w.index[TOP * row] = UINT32_MAX;
        (void)snprintf(words, sizeof words, "in.targets.topk_index[%zu,0] is 4294967295, no", row);
        refused(&w, KD_ERR_INDEX, words);
        fill(&w);
        w.in.case_weights = weights;
        w.index[TOP * row] = 3; /* twice the same */
        (void)snprintf(words, sizeof words, "topk_index[%zu,1] is 3, not above the one", row);
        refused(&w, KD_ERR_INDEX, words);
        w.index[TOP * row + 1] = 2;
        (void)snprintf(words, sizeof words, "topk_index[%zu,1] is 2, not above the one", row);
        refused(&w, KD_ERR_INDEX, words);
    }
}

static void all_classes_leave_no_tail(void **state)
{
    (void)state;
    world w;
    fill(&w);
    w.targets.top = K;
    w.targets.values = w.v;
    for (size_t i = 0; i < N * K; i++) {
        w.index[i] = (uint32_t)(i % K);
        w.tail[i / K] = -INFINITY;
    }
    support_ok(lose(&w), w.error.text);
    w.tail[2] = -50;
    refused(&w, KD_ERR_VALUE, "in.targets.tail[2] is -50, not -inf, but all classes are given");
}

static void support_of_the_student(void **state)
{
    (void)state;
    world w;
    fill(&w);
    w.z[K + 3] = -INFINITY;
    refused(&w, KD_ERR_SUPPORT, "in.logits[1,3] is -inf, but the target there is not 0");
    fill(&w);
    w.values[2] = -1e30f; /* a p that underflows is none that is 0 */
    w.z[K + 1] = -INFINITY;
    refused(&w, KD_ERR_SUPPORT, "in.logits[1,1] is -inf");
    fill(&w);
    w.labels[2] = 1;
    w.z[2 * K] = w.z[2 * K + 2] = w.z[2 * K + 4] = -INFINITY;
    refused(&w, KD_ERR_SUPPORT, "row 2 of in.logits is -inf in all classes that in.targets do not");
    w.tail[2] = -FLT_MAX;
    refused(&w, KD_ERR_SUPPORT, "row 2 of in.logits is -inf in all");
    w.tail[2] = -INFINITY;
    support_ok(lose(&w), w.error.text);
    fill(&w);
    w.z[6] = NAN;
    refused(&w, KD_ERR_NOT_FINITE, "in.logits[1,1] is nan");
}

static void overlaps(void **state)
{
    (void)state;
    world w;
    fill(&w);
    w.targets.values = w.z + 4;
    refused(&w, KD_ERR_OVERLAP, "in.targets.values overlaps in.logits");
    fill(&w);
    struct {
        void *at;
        const char *words;
    } rows[] = {
        {w.values + TOP * N - 1, "overlaps the targets"},
        {w.index + TOP * N - 1, "overlaps topk_index"},
        {w.tail + N - 1, "overlaps tail"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        fill(&w);
        w.out.d_logits = rows[i].at;
        support_refused(lose(&w), KD_ERR_OVERLAP, w.error.text, rows[i].words);
        fill(&w);
        w.out.scratch = rows[i].at;
        w.out.scratch_floats = 1;
        support_refused(lose(&w), KD_ERR_OVERLAP, w.error.text, rows[i].words);
        /* doubles over the first elements, which are aligned for them */
        void *const first[] = {w.values, w.index, w.tail};
        fill(&w);
        w.out.term_values = first[i];
        support_refused(lose(&w), KD_ERR_OVERLAP, w.error.text, rows[i].words);
    }
    /* what lies behind the given classes is nobody's */
    fill(&w);
    w.out.scratch = w.values + TOP * N;
    w.out.scratch_floats = 1;
    support_ok(lose(&w), w.error.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_as_it_is),
        cmocka_unit_test(fields),
        cmocka_unit_test(fields_of_another_kind),
        cmocka_unit_test(terms_that_can_not_use_them),
        cmocka_unit_test(numbers),
        cmocka_unit_test(all_classes_leave_no_tail),
        cmocka_unit_test(support_of_the_student),
        cmocka_unit_test(overlaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
