/* SPDX-License-Identifier: MIT */
/** Door of the room teacher: whoever gives soft targets, and the memory that asking takes. */
#ifndef KDI_TEACHER_H
#define KDI_TEACHER_H

#include "net/net.h"

#include <kd/train.h>

/** A reference more; returns the teacher. */
kd_teacher *kdi_teacher_retain(kd_teacher *teacher);

/** Classes. */
size_t kdi_teacher_classes(const kd_teacher *teacher);

/** Width of x that its nets take; 0 = any. */
size_t kdi_teacher_inputs(const kd_teacher *teacher);

/** Whether it finds its targets by sample id, so that a batch must have ids. */
bool kdi_teacher_by_id(const kd_teacher *teacher);

/** What it gives. */
kd_target_kind kdi_teacher_kind(const kd_teacher *teacher);

/** Whether this net is among those that teach. */
bool kdi_teacher_uses(const kd_teacher *teacher, const kd_net *net);

/** Asks. Batch and temperature are checked already; `known` goes to callbacks as it is. */
kd_status kdi_teacher_ask(kd_teacher_workspace *ws, const kd_batch *known, float temperature,
                          kd_targets *out_targets, kd_error *error);

#endif
