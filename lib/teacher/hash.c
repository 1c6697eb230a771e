/* SPDX-License-Identifier: MIT */
/* A number that stands for a teacher; each kind says its own. */
#include "teacher/parts.h"

#include <kd/cache.h>

kd_status kd_teacher_hash(const kd_teacher *teacher, uint64_t *out_hash, kd_error *error)
{
    if (!teacher || !out_hash) {
        return kdi_base_fail(error, KD_ERR_NULL, teacher ? 2 : 1, "%s is NULL",
                             teacher ? "out_hash" : "teacher");
    }
    if (!teacher->ops->hash) {
        return kdi_base_fail(error, KD_ERR_KIND, 1,
                             "the teacher is, or contains, a callback: only the host knows it");
    }
    uint64_t hash;
    kd_status status = teacher->ops->hash(teacher, &hash, error);
    if (status == KD_OK) {
        *out_hash = hash;
    }
    return status;
}
