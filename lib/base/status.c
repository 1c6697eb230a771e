/* SPDX-License-Identifier: MIT */
/* Version and names of statuses. */
#include "base/base.h"

int32_t kd_version(void)
{
    return KD_VERSION_NUM;
}

const char *kd_status_name(kd_status status)
{
    switch (status) {
#define NAME(name, number, text)                                                                   \
    case name:                                                                                     \
        return #name;
        KD_STATUS_LIST(NAME)
#undef NAME
    default:
        return "KD_ERR_?";
    }
}

const char *kd_status_text(kd_status status)
{
    switch (status) {
#define TEXT(name, number, text)                                                                   \
    case name:                                                                                     \
        return text;
        KD_STATUS_LIST(TEXT)
#undef TEXT
    default:
        return "not a status of this library";
    }
}
