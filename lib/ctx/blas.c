/* SPDX-License-Identifier: MIT */
/* Makes the BLAS single-threaded, through its own functions or the host's. */
#include "ctx/ctx.h"
#include "port/port.h"

static int32_t known_get(void *user)
{
    (void)user;
    return kdi_port_blas_threads();
}

static void known_set(void *user, int32_t count)
{
    (void)user;
    (void)count; /* is 1 */
    kdi_port_blas_single();
}

kd_status kd_blas_set_single(const kd_blas_threads *threads, int32_t *out_previous, kd_error *error)
{
    kd_blas_threads t = KD_BLAS_THREADS_INIT;
    if (threads) {
        kd_status status = kdi_base_open(&t, sizeof t, threads, "threads", 1, error);
        if (status != KD_OK) {
            return status;
        }
        if (!t.get || !t.set) {
            return kdi_base_fail(error, KD_ERR_NULL, 1, "threads.%s is NULL",
                                 t.get ? "set" : "get");
        }
    } else {
        t.get = known_get;
        t.set = known_set;
    }
    int32_t previous = t.get(t.user);
    if (out_previous) {
        *out_previous = previous;
    }
    t.set(t.user, 1);
    int32_t now = t.get(t.user);
    if (now > 1) {
        return kdi_base_fail(error, KD_ERR_BLAS_THREADS, 1,
                             "the BLAS still says that it runs %i threads after it was set to 1",
                             (int64_t)now);
    }
    return KD_OK;
}
