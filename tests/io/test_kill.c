/* SPDX-License-Identifier: MIT */
/*
 * kill -9 at random moments of saving and of appending: what is read afterwards is what was there
 * last, or what was being written. `test_io_kill N` kills N times instead of 200 times.
 */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE 20000 /* of the saved file: four writes */

static size_t kills = 200;
static kdi_allocator libc;

/* ---- a child that works until it is killed, and reports each thing that is done ---- */

typedef uint32_t (*step)(uint32_t number); /* does thing `number`; 0 = it failed */

static void work(int report, uint32_t from, step next)
{
    for (uint32_t number = from + 1;; number++) {
        if (!next(number) || write(report, &number, sizeof number) != sizeof number) {
            _exit(1);
        }
    }
}

/* Runs it for a random time; returns the last number that it reported, `from` if none. */
static uint32_t run_and_kill(uint32_t from, step next, uint64_t *seed)
{
    int ends[2];
    int how;
    uint32_t last = from;
    uint32_t number;
    struct timespec pause = {0, (long)(io_random(seed) % 4000000)};
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        work(ends[1], from, next);
    }
    close(ends[1]);
    if (io_random(seed) % 2 && read(ends[0], &number, sizeof number) == sizeof number) {
        last = number; /* into the loop, past the start */
    }
    nanosleep(&pause, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &number, sizeof number) == sizeof number) {
        last = number;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    return last;
}

/* ---- saving ---- */

static uint32_t save(uint32_t number)
{
    return files_save(files_path("a"), (unsigned char)(number % 251), SIZE, NULL) == KD_OK;
}

static void killed_while_saving(void **state)
{
    (void)state;
    uint64_t seed = 19;
    uint32_t last = 0;
    size_t later = 0;
    size_t left = 0;
    files_begin();
    assert_true(save(0));
    for (size_t i = 0; i < kills; i++) {
        last = run_and_kill(last, save, &seed);
        int value = files_value(files_path("a"), SIZE);
        if (value != (int)(last % 251) && value != (int)((last + 1) % 251)) {
            fail_msg("kill %zu: %d instead of %u or the next", i, value, (unsigned)(last % 251));
        }
        later += value != (int)(last % 251);
        last += value != (int)(last % 251);
        size_t count = files_count();
        left += count == 2;
        assert_in_range(count, 1, 2);
    }
    assert_true(save(last + 1));
    assert_int_equal(files_count(), 1);
    files_done();
    print_message("%zu kills, %u saves: the next state %zu times, a temporary left %zu times\n",
                  kills, (unsigned)last, later, left);
}

/* ---- appending: records of length, checksum, and bytes ---- */

static size_t make_record(unsigned char out[600], uint32_t number)
{
    size_t size = 8 + 4 + number * 37 % 500;
    memset(out, (int)(number % 256), size);
    kdi_io_store(out, 4, size - 8);
    kdi_io_store(out + 8, 4, number);
    kdi_io_store(out + 4, 4, kdi_io_crc(kdi_io_crc(0, out, 4), out + 8, size - 8));
    return size;
}

/* The number of whole records 1, 2, ... at the beginning; the rest is cut off. */
static uint32_t recover(kdi_io_file *file)
{
    kdi_io_source source = kdi_io_file_source(file);
    unsigned char due[600];
    unsigned char got[600];
    uint64_t at = 0;
    uint32_t number = 1;
    for (;; number++) {
        size_t size = make_record(due, number);
        if (file->size - at < size || kdi_io_read(&source, at, got, size, NULL) != KD_OK ||
            memcmp(got, due, size) != 0) {
            break;
        }
        at += size;
    }
    if (at < file->size) {
        assert_int_equal(kdi_io_append_cut(file, at, NULL), KD_OK);
    }
    return number - 1;
}

static kdi_io_file log_file = {.descriptor = -1};

static uint32_t append(uint32_t number)
{
    unsigned char record[600];
    if (log_file.descriptor < 0 &&
        (kdi_io_append_open(&log_file, &libc, files_path("log"), true, NULL) != KD_OK ||
         recover(&log_file) != number - 1)) {
        return 0;
    }
    return kdi_io_append(&log_file, record, make_record(record, number), NULL) == KD_OK &&
           kdi_io_append_sync(&log_file, NULL) == KD_OK;
}

static void killed_while_appending(void **state)
{
    (void)state;
    uint64_t seed = 23;
    uint32_t last = 0;
    size_t later = 0;
    files_begin();
    for (size_t i = 0; i < kills; i++) {
        kdi_io_file file;
        kd_error error = KD_ERROR_INIT;
        last = run_and_kill(last, append, &seed);
        io_ok(kdi_io_append_open(&file, &libc, files_path("log"), true, &error), &error);
        uint32_t found = recover(&file);
        kdi_io_file_close(&file);
        assert_true(found == last || found == last + 1);
        later += found != last;
        last = found;
        if (i % 50 == 49) { /* not longer and longer */
            assert_int_equal(unlink(files_path("log")), 0);
            last = 0;
        }
    }
    files_done();
    print_message("%zu kills: one record more than reported %zu times\n", kills, later);
}

/* A record torn at any byte is found and cut off, and appending goes on there. */
static void torn_at_every_byte(void **state)
{
    (void)state;
    unsigned char bytes[2400];
    size_t ends[4] = {0};
    files_begin();
    for (uint32_t i = 1; i <= 3; i++) {
        ends[i] = ends[i - 1] + make_record(bytes + ends[i - 1], i);
    }
    for (size_t size = 0; size <= ends[3]; size++) {
        uint32_t whole = (uint32_t)((size >= ends[1]) + (size >= ends[2]) + (size >= ends[3]));
        unsigned char record[600];
        kdi_io_file file;
        files_put("log", bytes, size);
        assert_int_equal(kdi_io_append_open(&file, &libc, files_path("log"), false, NULL), KD_OK);
        assert_int_equal(recover(&file), whole);
        assert_int_equal(file.size, ends[whole]);
        assert_int_equal(kdi_io_append(&file, record, make_record(record, whole + 1), NULL), KD_OK);
        assert_int_equal(recover(&file), whole + 1);
        kdi_io_file_close(&file);
    }
    files_done();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_while_saving),
        cmocka_unit_test(killed_while_appending),
        cmocka_unit_test(torn_at_every_byte),
    };
    libc = kdi_base_libc_allocator();
    if (argc > 1) {
        kills = strtoul(argv[1], NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
