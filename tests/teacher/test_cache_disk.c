/* SPDX-License-Identifier: MIT */
/* Full disks, and folders that can't be written to: a status, and the file as it was. */
#define _XOPEN_SOURCE 700
#include "recording.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 12

/* A limit of the file's size at every byte stands for a disk that is full there. */
static void a_full_disk(void **state)
{
    (void)state;
    struct rlimit old, limit;
    const recording_form *form = &recording_forms[6];
    recording_data data = recording_fill(form, 5, N);
    kd_error error = KD_ERROR_INIT;
    recording_begin_on_disk();
    size_t size;
    recording_make(form, &data);
    unsigned char *due = recording_get(&size);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t most = 0; most < size; most++) {
        recording_remove();
        limit = (struct rlimit){most, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        kd_status status = recording_try(form, &data, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        support_refused(status, KD_ERR_IO, error.text, "too large");
        size_t there;
        unsigned char *left = recording_get(&there);
        size_t half = HEADER + N / 2 * form->bytes, all = HEADER + N * form->bytes;
        assert_int_equal(there, most < HEADER ? 0 : most < half ? HEADER : most < all ? half : all);
        support_same_bits("what is there", left, due, there);
        free(left);
        support_ok(recording_try(form, &data, &error), error.text);
        recording_is("gone on with", due, size);
    }
    signal(SIGXFSZ, handler);
    free(due);
    recording_drop(&data);
    recording_end();
}

/* Without rights of its own, which root always has. */
static void rights_that_are_missing(void **state)
{
    (void)state;
    int how;
    kd_cache_info info = KD_CACHE_INFO_INIT;
    const recording_form *form = &recording_forms[0];
    recording_data data = recording_fill(form, 5, N);
    kd_error error = KD_ERROR_INIT;
    recording_begin_on_disk();
    recording_make(form, &data);
    assert_int_equal(chmod(recording_path(), 0444), 0);
    assert_int_equal(chmod(recording_folder(), 0555), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) != 0) {
            _exit(99);
        }
        bool good = recording_try_teacher(&data, &error) == KD_OK &&
                    kd_cache_verify(recording_path(), &info, &error) == KD_OK &&
                    recording_try(form, &data, &error) == KD_ERR_IO &&
                    strstr(error.text, "permission denied");
        kd_cache_options o = recording_options(form);
        char path[128];
        kd_cache *cache;
        snprintf(path, sizeof path, "%s/new", recording_folder());
        good = good && kd_cache_open(recording_context, path, &o, &cache, &error) == KD_ERR_IO &&
               strstr(error.text, "permission denied") && access(path, F_OK) != 0;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(chmod(recording_folder(), 0755), 0);
    recording_drop(&data);
    recording_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(rights_that_are_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
