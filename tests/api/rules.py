# SPDX-License-Identifier: MIT
"""Where the rules of arguments.py do not hold, and why."""
import re

# (function, what is wrong) as regular expressions, and the statuses that are due instead of those
# of the rule; "any": whatever the docstring lists, or success.
HUGE = r"(\(size_t\).*|SIZE_MAX.*)"
CREATE = "kd_(distiller|optimizer)_create"
EXCEPTIONS = [
    # Calls that do not look at the targets of a batch.
    ("kd_net_forward|kd_teacher_targets", "targets[. ].*", "_OK"),
    # What no buffer is behind: an index or how much fits.
    (".*", "index = (INT32_MAX|.*_MAX.*)", "_INDEX"),
    # Wide, but it takes no memory yet.
    ("kd_net_create|kd_net_add_dense|kd_teacher_from_callback|kd_cache_open|kd_workspace_size",
     ".* = INT32_MAX", "any"),
    ("kd_load_npy", "floats = " + HUGE, "_OK"),
    (".*", ".*scratch_floats = 0", "_OK"),
    (".*", ".*scratch_doubles = 0", "_WORKSPACE"),
    (".*", ".*scratch_(floats|doubles) = " + HUGE, "_OVERLAP _TOO_LARGE"),
    # Numbers that must equal others, and are compared with them first.
    ("kd_teacher_from_cache", "cache_options.(k|top|encoding|kind) = .*", "_MISMATCH _OK"),
    ("kd_cache_open", "cache_options.top = .*", "_VALUE _OK"),
    (".*", "(targets|specialist_options).k = " + HUGE, "_SHAPE"),
    (".*", "targets.top = " + HUGE, "_VALUE"),
    # Options that are ignored, because another one says that they are not used.
    (".*", "targets.temperature = .*", "_OK"),
    (CREATE, "optimizer_options.(beta1|beta2|epsilon) = .*", "_OK"),
    ("kd_distiller_create", "distiller_options.temperature = .*", "_OK"),
    (CREATE + "|kd_schedule_value", "\\w*schedule.factor = .*", "_OK"),
    ("kd_teacher_from_callback", "callback_options.temperature = .*", "_OK"),
    # Numbers that a call only writes, or has written.
    (".*", "(loss_out|report|sum)[.].* = \\(double\\).*", "_OK"),
    # NULL is right: no schedule, no TOPK, no allocator.
    (CREATE, "\\w+_options.\\w+_schedule is NULL", "_OK"),
    (".*", "targets.(topk_index|tail) is NULL", "_OK"),
    ("kd_context_create", "context_options.(alloc|release) is NULL", "_OK"),
    # Bytes are the host's word: what is not there can't be hashed.
    ("kd_hash", "size = (1|" + HUGE + ")", "skip"),
    ("kd_hash", "size = 0", "_OK"),
]


def exception(function, what, due, listed):
    """The statuses that are due after all; None: the call can't be made."""
    for names, wrong, instead in EXCEPTIONS:
        if re.fullmatch(names, function) and re.fullmatch(wrong, what):
            return {"any": listed, "skip": None}.get(instead, set(instead.split()))
    return due
