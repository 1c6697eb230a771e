/* SPDX-License-Identifier: MIT */
/*
 * Trainings as files. Options are compared as words, one by one, so the first that differs can be
 * named; progress is read; arrays are read aside and copied once all of them are known to be good.
 */
#include "ckpt/parts.h"

#include <math.h>
#include <string.h>

/* More updates than this can't be told apart by a schedule, which counts in double. */
#define MOST_UPDATES ((uint64_t)1 << 53)

/* ---- words ---- */

static const char *const counts[] = {"kd.updates",       "kd.position",  "kd.host_epoch",
                                     "kd.host_position", "kd.host_seed", "kd.host_tag"};
static const char *const numbers[] = {"kd.momentum_bound", "kd.pending_unit", "kd.pending_weight"};

/* How far a training is, in the order of the words above. */
typedef struct state {
    uint64_t counts[6];
    double numbers[3];
} state;

static state state_of(const kdi_progress *p)
{
    const kdi_optim *optim = kdi_net_optim(p->optimizer);
    return (state){
        .counts = {optim->step, kdi_net_position(p->run), p->host[0], p->host[1], p->host[2],
                   p->host[3]},
        .numbers = {optim->momentum_bound, p->pending ? p->pending_unit : 0.0,
                    p->pending ? p->pending_weight : 0.0},
    };
}

static const char *name_of(kd_optimizer_kind kind)
{
    return kind == KD_SGD ? "sgd" : kind == KD_ADAM ? "adam" : "adamw";
}

static void put_optimizer(kdi_words *words, const kdi_optim *optim)
{
    const kd_optimizer_options *o = &optim->options;
    kdi_ckpt_add_text(words, "kd.optimizer", name_of(o->kind));
    kdi_ckpt_add_varying(words, "kd.rate", &optim->rate);
    if (o->kind == KD_SGD) {
        kdi_ckpt_add_varying(words, "kd.momentum", &optim->momentum);
        kdi_ckpt_add_count(words, "kd.nesterov", o->nesterov != 0);
    } else {
        kdi_ckpt_add_number(words, "kd.beta1", (double)o->beta1);
        kdi_ckpt_add_number(words, "kd.beta2", (double)o->beta2);
        kdi_ckpt_add_number(words, "kd.epsilon", (double)o->epsilon);
    }
    kdi_ckpt_add_number(words, "kd.weight_decay", (double)o->weight_decay);
    kdi_ckpt_add_number(words, "kd.max_norm", (double)o->max_norm);
    kdi_ckpt_add_number(words, "kd.clip_norm", (double)o->clip_norm);
}

/* Behind the options of whoever drives: the optimiser's, and the seed. */
static void put_options(kdi_words *words, const kdi_progress *p)
{
    put_optimizer(words, kdi_net_optim(p->optimizer));
    kdi_ckpt_add_count(words, "kd.seed", kdi_net_seed(p->run));
}

static void put_state(kdi_words *words, const state *s)
{
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        kdi_ckpt_add_count(words, counts[i], s->counts[i]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        kdi_ckpt_add_number(words, numbers[i], s->numbers[i]);
    }
}

/* ---- arrays ---- */

static float *first_of(const void *optimizer, size_t param)
{
    return kdi_net_state(optimizer, param, 0);
}

static float *second_of(const void *optimizer, size_t param)
{
    return kdi_net_state(optimizer, param, 1);
}

static float *gradient_of(const void *run, size_t param)
{
    return kdi_net_gradient(run, param);
}

static kd_status open_slots(kdi_slots *out, const kdi_progress *p, bool gradients, kd_error *error)
{
    const kd_net *net = kdi_net_of_optimizer(p->optimizer);
    size_t states = kdi_optim_states(kdi_net_optim(p->optimizer));
    kd_status status = kdi_ckpt_slots_open(out, net, 1 + states + gradients, error);
    if (status != KD_OK) {
        return status;
    }
    kdi_ckpt_slots_add(out, KDI_CKPT_LAYERS, kdi_ckpt_parameter, net);
    if (states == 1) {
        kdi_ckpt_slots_add(out, "momentum." KDI_CKPT_LAYERS, first_of, p->optimizer);
    } else if (states == 2) {
        kdi_ckpt_slots_add(out, "moment1." KDI_CKPT_LAYERS, first_of, p->optimizer);
        kdi_ckpt_slots_add(out, "moment2." KDI_CKPT_LAYERS, second_of, p->optimizer);
    }
    if (gradients) {
        kdi_ckpt_slots_add(out, "gradient." KDI_CKPT_LAYERS, gradient_of, p->run);
    }
    return KD_OK;
}

/* ---- saving ---- */

static void rng_version(char out[24])
{
    kdi_base_say(out, 24, "%z", (size_t)KDI_RNG_VERSION);
}

static kd_status write(const kdi_progress *p, const kdi_head *head, kdi_to *to, kd_error *error)
{
    kdi_io_word words[KDI_HEAD + 1 + KDI_WORDS];
    char rng[24];
    size_t n = 0;
    rng_version(rng);
    for (size_t i = 0; i < KDI_HEAD; i++) {
        words[n++] = head->words[i];
    }
    words[n++] = (kdi_io_word){"kd.rng", rng};
    for (size_t i = 0; i < p->words->n; i++) {
        words[n++] = (kdi_io_word){p->words->list[i].key, p->words->list[i].value};
    }
    kdi_slots slots;
    kd_status status = open_slots(&slots, p, p->pending, error);
    status = status ? status : kdi_ckpt_slots_write(&slots, words, n, to, error);
    kdi_ckpt_slots_close(&slots);
    return status;
}

kd_status kdi_ckpt_save_training(const kdi_progress *p, const char *path, const kd_writer *writer,
                                 kd_error *error)
{
    const kd_net *net = kdi_net_of_optimizer(p->optimizer);
    state s = state_of(p);
    kdi_to to;
    kdi_head head;
    if (kdi_net_nodes(net) > KDI_CKPT_NODES) {
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 1, "the net has %z layers, more than %z",
                             kdi_net_nodes(net), (size_t)KDI_CKPT_NODES);
    }
    kd_status status = kdi_ckpt_head_open(&head, net, "training", error);
    if (status != KD_OK) {
        return status;
    }
    put_options(p->words, p);
    put_state(p->words, &s);
    status = kdi_ckpt_to(&to, kdi_ctx_allocator(kdi_net_context(net)), path, writer, 2, error);
    if (status == KD_OK) {
        status = write(p, &head, &to, error);
        status = kdi_ckpt_to_end(&to, status, error);
    }
    kdi_ckpt_head_close(&head, net);
    return status;
}

/* ---- loading: words ---- */

/* What is too long for words is shown from a little before the place where the two differ. */
static const char *from_difference(const char *word, const char *other)
{
    const char *begin = word;
    const char *last = word;
    if (strlen(word) < sizeof(kdi_io_quote)) {
        return word;
    }
    for (const char *at = word; *at && *at == *other; at++, other++) {
        if (*at == ' ') {
            begin = last;
            last = at + 1;
        }
    }
    return begin;
}

/* A word as people read it: numbers in decimals, if those tell the two apart. */
static void put_readable(char out[64], const char *word, const char *other)
{
    double value;
    double its;
    kdi_io_quote quote = kdi_io_quoted(from_difference(word, other));
    if (kdi_ckpt_get_number(word, &value) &&
        (!kdi_ckpt_get_number(other, &its) || fabs(value - its) > 1e-4 * value)) {
        kdi_base_say(out, 64, "%g", value);
    } else {
        kdi_base_say(out, 64, "%s", quote.text);
    }
}

static kd_status compare(const kdi_io_tensors *tensors, const char *key, const char *ours,
                         kd_error *error)
{
    const char *given = kdi_io_tensors_word(tensors, key);
    char there[64], here[64];
    if (given && strcmp(given, ours) == 0) {
        return KD_OK;
    }
    put_readable(there, given ? given : "not there", ours);
    put_readable(here, ours, given ? given : "");
    return kdi_base_fail(error, KD_ERR_MISMATCH, 1, "%s is %s in the file, but %s here", key, there,
                         here);
}

static kd_status check_rng(const kdi_io_tensors *tensors, kd_error *error)
{
    char ours[24];
    const char *given = kdi_io_tensors_word(tensors, "kd.rng");
    rng_version(ours);
    if (given && strcmp(given, ours) == 0) {
        return KD_OK;
    }
    kdi_io_quote quote = kdi_io_quoted(given ? given : "not there");
    return kdi_base_fail(error, KD_ERR_VERSION, 1,
                         "kd.rng is %s: its random numbers came from another mapping than this "
                         "library's, %s, so the training can't go on with the same ones",
                         quote.text, ours);
}

static kd_status check_net(const kdi_io_tensors *tensors, const kd_net *net, kd_error *error)
{
    kdi_head ours;
    kd_status status = kdi_ckpt_head_open(&ours, net, "training", error);
    for (size_t i = 0; status == KD_OK && i < KDI_HEAD; i++) {
        status = compare(tensors, ours.words[i].key, ours.words[i].value, error);
    }
    kdi_ckpt_head_close(&ours, net);
    return status;
}

static kd_status read_state(const kdi_progress *p, const kdi_io_tensors *tensors, state *s,
                            kd_error *error)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const char *word = kdi_io_tensors_word(tensors, counts[i]);
        wrong = word && kdi_ckpt_get_count(word, &s->counts[i]) ? wrong : counts[i];
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const char *word = kdi_io_tensors_word(tensors, numbers[i]);
        wrong = word && kdi_ckpt_get_number(word, &s->numbers[i]) ? wrong : numbers[i];
    }
    wrong = !wrong && s->counts[0] >= MOST_UPDATES ? counts[0] : wrong;
    /* The first of the micro-batches that wait is the unit; without any, both are 0. */
    bool whole = s->numbers[1] > 0.0 ? s->numbers[2] >= 1.0 && p->collects : s->numbers[2] == 0.0;
    wrong = wrong || whole ? wrong : numbers[2];
    return wrong
               ? kdi_base_fail(error, KD_ERR_FORMAT, 0, "%s is not there, or no such number", wrong)
               : KD_OK;
}

static kd_status read_words(const kdi_progress *p, const kdi_io_tensors *tensors, state *s,
                            kd_error *error)
{
    size_t inputs;
    state ours = state_of(p);
    kdi_words *words = p->words;
    put_options(words, p);
    size_t options = words->n;
    put_state(words, &ours);
    kdi_ckpt_add_text(words, "kd.rng", "");
    kd_status status = kdi_ckpt_check_head(tensors, "training", &inputs, error);
    status = status ? status : check_rng(tensors, error);
    status = status ? status : check_net(tensors, kdi_net_of_optimizer(p->optimizer), error);
    for (size_t i = 0; status == KD_OK && i < options; i++) {
        status = compare(tensors, words->list[i].key, words->list[i].value, error);
    }
    status = status ? status : kdi_ckpt_check_known(tensors, words, error);
    return status ? status : read_state(p, tensors, s, error);
}

/* ---- loading: arrays ---- */

static kd_status check_moments(const kdi_progress *p, const kdi_slots *slots, const state *s,
                               kd_error *error)
{
    kdi_optim then = *kdi_net_optim(p->optimizer);
    size_t states = kdi_optim_states(&then);
    size_t params = kdi_net_params(kdi_net_of_optimizer(p->optimizer));
    then.step = s->counts[0];
    then.momentum_bound = s->numbers[0];
    for (size_t i = 0; states > 0 && i < params; i++) {
        const kdi_slot *first = &slots->list[params + i];
        const float *second = states == 2 ? slots->list[2 * params + i].staged : NULL;
        if (!kdi_optim_believes(&then, first->staged, second, first->rows * first->columns)) {
            return kdi_base_fail(error, KD_ERR_FORMAT, 0,
                                 "the optimiser's state of parameter %z is none that updates can "
                                 "lead to",
                                 i);
        }
    }
    return KD_OK;
}

static kd_status read_arrays(const kdi_progress *p, const kdi_io_tensors *tensors, const state *s,
                             kdi_slots *slots, kd_error *error)
{
    bool gradients = s->numbers[2] > 0.0;
    kd_status status = open_slots(slots, p, gradients, error);
    status = status ? status : kdi_ckpt_slots_match(slots, tensors, KDI_IO_OURS, error);
    status = status ? status : kdi_ckpt_slots_alone(slots, tensors, error);
    status = status ? status : kdi_ckpt_slots_read(slots, tensors, true, error);
    return status ? status : check_moments(p, slots, s, error);
}

static void commit(kdi_progress *p, const kdi_slots *slots, const state *s)
{
    kdi_optim *optim = kdi_net_optim(p->optimizer);
    kdi_ckpt_slots_commit(slots);
    optim->step = s->counts[0];
    optim->momentum_bound = s->numbers[0];
    kdi_net_start_at(p->run, s->counts[1]);
    memcpy(p->host, s->counts + 2, sizeof p->host);
    p->pending = s->numbers[2] > 0.0;
    p->pending_unit = s->numbers[1];
    p->pending_weight = s->numbers[2];
}

static kd_status load(kdi_progress *p, const kdi_io_source *source, kd_error *error)
{
    const kd_net *net = kdi_net_of_optimizer(p->optimizer);
    kdi_slots slots = {0};
    kdi_io_tensors *tensors = NULL;
    state s = {0};
    kd_status status = kdi_io_tensors_open(kdi_ctx_allocator(kdi_net_context(net)), source,
                                           KDI_IO_OURS, &tensors, error);
    if (status != KD_OK) {
        return status; /* and its words say where */
    }
    status = read_words(p, tensors, &s, error);
    status = status ? status : read_arrays(p, tensors, &s, &slots, error);
    if (status == KD_OK) {
        commit(p, &slots, &s);
    }
    kdi_ckpt_slots_close(&slots);
    kdi_io_tensors_close(tensors);
    return status ? kdi_io_where(error, status, source->name) : KD_OK;
}

kd_status kdi_ckpt_load_training(kdi_progress *p, const char *path, const kd_reader *reader,
                                 kd_error *error)
{
    kdi_from from;
    kd_status status = kdi_ckpt_from(&from, path, reader, 2, error);
    if (status == KD_OK) {
        status = load(p, &from.source, error);
        kdi_ckpt_from_close(&from);
    }
    return status;
}
