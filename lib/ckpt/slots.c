/* SPDX-License-Identifier: MIT */
/* Tensors of a file and the arrays of objects that they stand for. */
#include "ckpt/parts.h"

#include <string.h>

#define PIECE 2048 /* elements that are converted at a time */

/* ---- lists ---- */

static kd_node node_of(const kd_net *net, size_t index)
{
    kd_node node = KD_NODE_INIT;
    (void)kd_net_get_node(net, index, &node, NULL);
    return node;
}

kd_status kdi_ckpt_slots_open(kdi_slots *out, const kd_net *net, size_t groups, kd_error *error)
{
    size_t room = 0;
    for (size_t i = 0; i < kdi_net_nodes(net); i++) {
        room += node_of(net, i).kind == KD_NODE_DENSE ? 2 * groups : 0;
    }
    *out = (kdi_slots){.net = net, .room = room};
    if (room == 0) {
        return kdi_base_fail(error, KD_ERR_FORMAT, 0, "kd.layers has no dense layer");
    }
    out->list = kdi_ctx_new(kdi_net_context(net), room * sizeof *out->list);
    return out->list ? KD_OK
                     : kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for %z tensors", room);
}

void kdi_ckpt_slots_close(kdi_slots *slots)
{
    if (slots->net) {
        kd_context *context = kdi_net_context(slots->net);
        kdi_ctx_delete(context, slots->list, slots->room * sizeof *slots->list);
        kdi_ctx_delete(context, slots->stage, slots->stage_size);
    }
}

void kdi_ckpt_slots_add(kdi_slots *slots, const char *prefix, kdi_slot_at at, const void *object)
{
    size_t param = 0;
    for (size_t i = 0; i < kdi_net_nodes(slots->net); i++) {
        kd_node node = node_of(slots->net, i);
        for (size_t bias = 0; node.kind == KD_NODE_DENSE && bias < 2; bias++, param++) {
            kdi_slot *slot = &slots->list[slots->n++];
            *slot = (kdi_slot){.prefix = prefix, .node = i, .bias = bias == 1};
            slot->rows = node.outputs;
            slot->columns = bias ? 1 : node.inputs;
            slot->values = at ? at(object, param) : NULL;
        }
    }
}

float *kdi_ckpt_parameter(const void *net, size_t param)
{
    return kdi_net_view(net, param).values;
}

/* ---- names ---- */

/* A prefix of the host's and what follows it. */
#define NAME (KDI_CKPT_PREFIX + 32)

static void name_of(const kdi_slot *slot, char name[NAME])
{
    kdi_base_say(name, NAME, "%s%z.%s", slot->prefix, slot->node, slot->bias ? "bias" : "weight");
}

/* A failure of one tensor. */
static kd_status refuse(const kdi_slot *slot, kd_status status, const char *words, kd_error *error)
{
    char name[NAME];
    name_of(slot, name);
    return kdi_base_fail(error, status, 0, "tensor \"%s\" %s", name, words);
}

/* ---- writing ---- */

static kd_status check_finite(const kdi_slots *slots, const kdi_slot *slot, const float *values,
                              kd_error *error)
{
    const kdi_kernels *kern = kdi_ctx_kern(kdi_net_context(slots->net));
    float largest;
    if (kern->absmax_f32(values, slot->rows, slot->columns, slot->columns, &largest)) {
        return KD_OK;
    }
    return refuse(slot, KD_ERR_NOT_FINITE, "holds a NaN or an infinity", error);
}

/* What writing needs. */
typedef struct manifest {
    kdi_io_item *items;
    char (*names)[NAME];
} manifest;

static void lay_out(manifest *m, size_t n, kdi_arena *arena)
{
    m->items = kdi_base_take(arena, n, sizeof *m->items);
    m->names = kdi_base_take(arena, n, sizeof *m->names);
}

kd_status kdi_ckpt_slots_write(const kdi_slots *slots, const kdi_io_word *words, size_t n_words,
                               kdi_to *to, kd_error *error)
{
    kd_context *context = kdi_net_context(slots->net);
    kdi_arena measure = {0};
    manifest m;
    lay_out(&m, slots->n, &measure);
    void *block = measure.overflow ? NULL : kdi_ctx_new(context, measure.used);
    if (!block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for the names of %z tensors",
                             slots->n);
    }
    kdi_arena place = {.base = block};
    lay_out(&m, slots->n, &place);
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < slots->n; i++) {
        const kdi_slot *slot = &slots->list[i];
        name_of(slot, m.names[i]);
        m.items[i] = (kdi_io_item){
            .name = m.names[i],
            .dtype = KDI_IO_F32,
            .rank = slot->bias ? 1 : 2,
            .shape = {slot->rows, slot->columns},
            .bytes = slot->values,
        };
        status = check_finite(slots, slot, slot->values, error);
    }
    status = status ? status : kdi_ctx_check(context, error);
    if (status == KD_OK) {
        status = kdi_io_tensors_write(kdi_ctx_allocator(context), &to->sink, m.items, slots->n,
                                      words, n_words, error);
    }
    kdi_ctx_delete(context, block, measure.used);
    return status;
}

/* ---- matching ---- */

static bool takes(kdi_io_dtype dtype, kdi_io_origin origin)
{
    bool half = dtype == KDI_IO_F16 || dtype == KDI_IO_BF16;
    return dtype == KDI_IO_F32 || (half && origin == KDI_IO_FOREIGN);
}

static kd_status match(const kdi_slot *slot, const kdi_io_tensors *tensors, kdi_io_origin origin,
                       kd_error *error)
{
    char name[NAME], words[160];
    kdi_io_tensor t;
    name_of(slot, name);
    if (!kdi_io_tensors_find(tensors, name, &t)) {
        return refuse(slot, KD_ERR_MISMATCH, "is missing", error);
    }
    if (!takes(t.dtype, origin)) {
        kdi_base_say(words, sizeof words, "has elements of %s, which a net can't take",
                     kdi_io_dtype_name(t.dtype));
        return refuse(slot, KD_ERR_MISMATCH, words, error);
    }
    size_t rank = slot->bias ? 1 : 2;
    if (t.rank == rank && t.shape[0] == slot->rows && (slot->bias || t.shape[1] == slot->columns)) {
        return KD_OK;
    }
    if (t.rank != rank) {
        kdi_base_say(words, sizeof words, "has %z dimensions, not %z", t.rank, rank);
    } else {
        kdi_base_say(words, sizeof words, "has %z rows and %z columns, not %z and %z", t.shape[0],
                     slot->bias ? 1 : t.shape[1], slot->rows, slot->columns);
    }
    return refuse(slot, KD_ERR_MISMATCH, words, error);
}

/* The digits of a name that is the prefix, a number, a point, and something; or 0. */
static size_t digits_in(const char *name, const char *prefix)
{
    size_t before = strlen(prefix);
    size_t length = strncmp(name, prefix, before) ? 0 : strspn(name + before, "0123456789");
    return length > 0 && name[before + length] == '.' ? length : 0;
}

/* Whether it is such a name, but of none of the parameters of the net. */
static bool is_stray(const kd_net *net, const char *name, const char *prefix)
{
    char digits[NAME] = {0};
    uint64_t number;
    size_t before = strlen(prefix);
    size_t length = digits_in(name, prefix);
    if (length == 0) {
        return false;
    }
    memcpy(digits, name + before, length < NAME - 1 ? length : NAME - 1);
    const char *rest = name + before + length + 1;
    bool known = kdi_ckpt_get_count(digits, &number) && number < kdi_net_nodes(net) &&
                 node_of(net, (size_t)number).kind == KD_NODE_DENSE;
    return !known || (strcmp(rest, "weight") != 0 && strcmp(rest, "bias") != 0);
}

static kd_status check_strays(const kdi_slots *slots, const kdi_io_tensors *tensors,
                              kd_error *error)
{
    for (size_t i = 0; i < kdi_io_tensors_count(tensors); i++) {
        kdi_io_tensor t = kdi_io_tensors_get(tensors, i);
        if (is_stray(slots->net, t.name, slots->list[0].prefix)) {
            kdi_io_quote quote = kdi_io_quoted(t.name);
            return kdi_base_fail(error, KD_ERR_MISMATCH, 0,
                                 "tensor \"%s\" belongs to no layer of the net", quote.text);
        }
    }
    return KD_OK;
}

kd_status kdi_ckpt_slots_match(const kdi_slots *slots, const kdi_io_tensors *tensors,
                               kdi_io_origin origin, kd_error *error)
{
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < slots->n; i++) {
        status = match(&slots->list[i], tensors, origin, error);
    }
    return status ? status : check_strays(slots, tensors, error);
}

/* ---- reading ---- */

static float from_bfloat(uint16_t bits)
{
    uint32_t word = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

static kd_status read_halves(const kdi_io_tensors *tensors, const kdi_io_tensor *t, float *out,
                             kd_error *error)
{
    uint16_t piece[PIECE];
    size_t count = t->size / sizeof *piece;
    kdi_io_walk walk = kdi_io_walk_begin(t);
    for (size_t done = 0; done < count;) {
        size_t some = count - done < PIECE ? count - done : PIECE;
        kd_status status = kdi_io_walk_next(tensors, &walk, piece, some * sizeof *piece, error);
        if (status != KD_OK) {
            return status;
        }
        for (size_t i = 0; i < some; i++, done++) {
            out[done] = t->dtype == KDI_IO_F16 ? kdi_io_from_half(piece[i]) : from_bfloat(piece[i]);
        }
    }
    return KD_OK;
}

static kd_status read_slot(const kdi_slots *slots, const kdi_slot *slot,
                           const kdi_io_tensors *tensors, float *out, kd_error *error)
{
    char name[NAME];
    kdi_io_tensor t;
    name_of(slot, name);
    (void)kdi_io_tensors_find(tensors, name, &t); /* it matches */
    kd_status status = t.dtype == KDI_IO_F32 ? kdi_io_tensors_read(tensors, &t, out, error)
                                             : read_halves(tensors, &t, out, error);
    return status ? status : check_finite(slots, slot, out, error);
}

/* Each array begins on a line of the cache, as the ones that it will be copied to. */
static void lay_out_stage(kdi_slots *slots, kdi_arena *arena)
{
    for (size_t i = 0; i < slots->n; i++) {
        kdi_slot *slot = &slots->list[i];
        slot->staged = kdi_base_take(arena, slot->rows * slot->columns, sizeof(float));
    }
}

static kd_status make_stage(kdi_slots *slots, kd_error *error)
{
    kdi_arena arena = {0};
    lay_out_stage(slots, &arena);
    slots->stage = arena.overflow ? NULL : kdi_ctx_new(kdi_net_context(slots->net), arena.used);
    slots->stage_size = arena.used;
    if (!slots->stage) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for the tensors (%z bytes)",
                             arena.used);
    }
    arena = (kdi_arena){.base = (unsigned char *)slots->stage};
    lay_out_stage(slots, &arena);
    return KD_OK;
}

kd_status kdi_ckpt_slots_read(kdi_slots *slots, const kdi_io_tensors *tensors, bool stage,
                              kd_error *error)
{
    kd_status status = stage ? make_stage(slots, error) : KD_OK;
    for (size_t i = 0; status == KD_OK && i < slots->n; i++) {
        const kdi_slot *slot = &slots->list[i];
        status = kdi_ctx_check(kdi_net_context(slots->net), error);
        status = status
                     ? status
                     : read_slot(slots, slot, tensors, stage ? slot->staged : slot->values, error);
    }
    return status;
}

kd_status kdi_ckpt_slots_alone(const kdi_slots *slots, const kdi_io_tensors *tensors,
                               kd_error *error)
{
    size_t count = kdi_io_tensors_count(tensors);
    return count == slots->n ? KD_OK
                             : kdi_base_fail(error, KD_ERR_MISMATCH, 0, "it has %z tensors, not %z",
                                             count, slots->n);
}

kd_status kdi_ckpt_slots_check_rest(const kdi_slots *slots, const kdi_io_tensors *tensors,
                                    kd_error *error)
{
    unsigned char piece[2 * PIECE];
    kd_status status = KD_OK;
    for (size_t i = 0; status == KD_OK && i < kdi_io_tensors_count(tensors); i++) {
        kdi_io_tensor t = kdi_io_tensors_get(tensors, i);
        kdi_io_walk walk = kdi_io_walk_begin(&t);
        bool ours = digits_in(t.name, slots->list[0].prefix) > 0; /* or it would be a stray */
        while (!ours && status == KD_OK && walk.done < t.size) {
            size_t some = t.size - walk.done < sizeof piece ? t.size - walk.done : sizeof piece;
            status = kdi_io_walk_next(tensors, &walk, piece, some, error);
        }
    }
    return status;
}

void kdi_ckpt_slots_commit(const kdi_slots *slots)
{
    for (size_t i = 0; i < slots->n; i++) {
        const kdi_slot *slot = &slots->list[i];
        memcpy(slot->values, slot->staged, slot->rows * slot->columns * sizeof(float));
    }
}
