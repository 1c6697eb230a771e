/* SPDX-License-Identifier: MIT */
/*
 * Small files of ours with any one bit changed, cut at any byte, or changed at random: none is
 * taken for what it is not. `test_ckpt_damage N` makes N changes at random instead of 2,000.
 */
#include "recipes.h"

static size_t mutants = 2000;
static rig training;
static io_bytes training_file;
static io_bytes net_file;
static support_memory memory;
static kd_context *context;

/* How a file is loaded, and what was in the objects before, and is if it is refused. */
typedef struct subject {
    const char *name;
    const io_bytes *file;
    kd_status (*load)(io_bytes *file, kd_error *error); /* KD_OK: and nothing is different */
} subject;

static kd_status load_net(io_bytes *file, kd_error *error)
{
    kd_reader reader = io_reader(file);
    kd_net *net;
    kd_status status = kd_load_net(context, NULL, &reader, &net, error);
    if (status == KD_OK) {
        io_bytes again = {0};
        kd_writer writer = io_writer(&again);
        support_ok(kd_save_net(net, NULL, &writer, NULL), "kd_save_net");
        assert_int_equal(again.size, net_file.size);
        support_same_bits("a net", again.bytes, net_file.bytes, again.size);
        io_free(&again);
    } else {
        assert_null(net);
    }
    kd_net_destroy(net);
    return status;
}

static kd_status load_training(io_bytes *file, kd_error *error)
{
    kd_training before = training.training;
    kd_status status = rig_load(&training, file, error);
    io_bytes again = rig_save(&training);
    support_same_bits("the host's numbers", &training.training, &before, sizeof before);
    assert_int_equal(again.size, training_file.size);
    support_same_bits("a training", again.bytes, training_file.bytes, again.size);
    io_free(&again);
    return status;
}

/* The student in the file of a training: all of the file is looked at. */
static kd_status load_student(io_bytes *file, kd_error *error)
{
    kd_reader reader = io_reader(file);
    kd_net *net;
    kd_status status = kd_load_net(context, NULL, &reader, &net, error);
    if (status == KD_OK) {
        assert_int_equal(support_hash(net), support_hash(training.net));
    }
    kd_net_destroy(net);
    return status;
}

static const subject subjects[] = {
    {"net", &net_file, load_net},
    {"training", &training_file, load_training},
    {"student", &training_file, load_student},
};

static void refuse(const subject *s, io_bytes *file, const char *what, size_t at)
{
    kd_error e = KD_ERROR_INIT;
    kd_status status = s->load(file, &e);
    if (status == KD_OK || status != e.status) {
        fail_msg("%s, %s %zu: %s", s->name, what, at, kd_status_name(status));
    }
}

/* Bytes of its own, exactly as many as there are, so that a sanitizer sees their end. */
static io_bytes copy(const io_bytes *file, size_t size)
{
    io_bytes own = {.size = size, .room = size};
    own.bytes = malloc(size ? size : 1);
    assert_non_null(own.bytes);
    memcpy(own.bytes, file->bytes, size < file->size ? size : file->size);
    return own;
}

static void every_bit(void **state)
{
    (void)state;
    size_t flips = 0;
    for (size_t i = 0; i < COUNT(subjects); i++) {
        io_bytes file = copy(subjects[i].file, subjects[i].file->size);
        for (size_t bit = 0; bit < 8 * file.size; bit++, flips++) {
            file.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            refuse(&subjects[i], &file, "bit", bit);
            file.bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        kd_error e = KD_ERROR_INIT;
        support_ok(subjects[i].load(&file, &e), e.text);
        io_free(&file);
    }
    print_message("%zu bits changed, one at a time\n", flips);
}

static void every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(subjects); i++) {
        for (size_t size = 0; size < subjects[i].file->size; size++) {
            io_bytes file = copy(subjects[i].file, size);
            refuse(&subjects[i], &file, "cut at", size);
            io_free(&file);
        }
        for (size_t more = 1; more < 20; more++) {
            io_bytes file = copy(subjects[i].file, subjects[i].file->size + more);
            memset(file.bytes + subjects[i].file->size, ' ', more);
            refuse(&subjects[i], &file, "longer by", more);
            io_free(&file);
        }
    }
}

/* ---- at random ---- */

static const uint64_t magic[] = {0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, UINT64_MAX};

static void mutate(io_bytes *file, const io_bytes *other, uint64_t *seed)
{
    size_t at = support_below(seed, file->size);
    size_t from = support_below(seed, other->size);
    size_t most = file->size - at < other->size - from ? file->size - at : other->size - from;
    uint64_t value = magic[support_below(seed, COUNT(magic))];
    switch (support_below(seed, 6)) {
    case 0:
        file->bytes[at] ^= (unsigned char)(1 + support_below(seed, 255));
        break;
    case 1:
        file->bytes[at] = (unsigned char)support_next(seed);
        break;
    case 2:
        file->bytes[at] = (unsigned char)"0123456789,\"}]:{[ "[support_below(seed, 18)];
        break;
    case 3:
        memcpy(file->bytes + at, &value, file->size - at < 8 ? file->size - at : 8);
        break;
    case 4:
        memmove(file->bytes + at, other->bytes + from, support_below(seed, most) % 64);
        break;
    default:
        file->size = support_below(seed, 4) ? file->size : at + 1;
    }
}

static void at_random(void **state)
{
    (void)state;
    size_t taken = 0;
    size_t same = 0;
    for (size_t i = 0; i < COUNT(subjects) * mutants; i++) {
        const subject *s = &subjects[i / mutants];
        uint64_t seed = 1000 + i;
        io_bytes file = copy(s->file, s->file->size);
        kd_error e = KD_ERROR_INIT;
        for (size_t n = 1 + support_below(&seed, 4); n > 0; n--) {
            mutate(&file, s->file, &seed);
        }
        bool equal =
            file.size == s->file->size && memcmp(file.bytes, s->file->bytes, file.size) == 0;
        kd_status status = s->load(&file, &e); /* fails the test if it changes anything */
        same += equal;
        taken += status == KD_OK;
        assert_true(equal == (status == KD_OK));
        io_free(&file);
    }
    print_message("%zu mutants, %zu of them as before, %zu taken\n", COUNT(subjects) * mutants,
                  same, taken);
}

static int begin(void **state)
{
    (void)state;
    static const recipe small = {
        .name = "small",
        .shape = "2: 2 relu 2",
        .optimizer = {.struct_size = sizeof(kd_optimizer_options),
                      .kind = KD_SGD,
                      .rate = 0.1f,
                      .momentum = 0.5f},
        .options = {.struct_size = sizeof(kd_distiller_options),
                    .batch = 4,
                    .temperature = 1,
                    .hard_weight = 1},
        .from = FROM_NOBODY,
    };
    context = support_context(&memory);
    rig_open(&training, &small, 1);
    support_data data;
    support_fill(&data, 1, 4, 2, 2);
    kd_batch batch = support_batch(&data, 0, 4);
    batch.more = 1;
    (void)support_step(training.training.distiller, &batch);
    batch.more = 0;
    (void)support_step(training.training.distiller, &batch);
    training.training.tag = 12345;
    training_file = rig_save(&training);
    kd_writer writer = io_writer(&net_file);
    support_ok(kd_save_net(training.net, NULL, &writer, NULL), "kd_save_net");
    return 0;
}

static int end(void **state)
{
    (void)state;
    io_free(&training_file);
    io_free(&net_file);
    rig_close(&training);
    kd_context_destroy(context);
    support_all_returned(&memory);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit),
        cmocka_unit_test(every_length),
        cmocka_unit_test(at_random),
    };
    if (argc > 1) {
        mutants = strtoul(argv[1], NULL, 10);
    }
    return cmocka_run_group_tests(tests, begin, end);
}
