/* SPDX-License-Identifier: MIT */
/* Measures the headers in kd/ with a list of layout.py: LAYOUT and LIST say which ones. */
#include "layout.h"

#include <kd/kd.h>

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define OF(s, f) (((s *)0)->f)
#define KIND(x)                                                                                    \
    _Generic((x), int                                                                              \
             : 'i', unsigned                                                                       \
             : 'u', long                                                                           \
             : 'l', long long                                                                      \
             : 'l', unsigned long                                                                  \
             : 'm', unsigned long long                                                             \
             : 'm', float                                                                          \
             : 'f', double                                                                         \
             : 'd', default                                                                        \
             : 'p')

#define STRUCT(s) {#s, "", 0, sizeof(s), 's'},
#define FIELD(s, f) {#s, #f, offsetof(s, f), sizeof OF(s, f), KIND(OF(s, f))},
#define NUMBER(n)
#define CALL(f, s)
#define DECLARED(...)
static const layout_row rows[] = {
#include LIST
};

#undef STRUCT
#undef FIELD
#undef NUMBER
#define STRUCT(s)
#define FIELD(s, f)
#define NUMBER(n) {#n, n},
static const layout_number numbers[] = {
#include LIST
};

#undef NUMBER
#undef CALL
#define NUMBER(n)
#define CALL(f, s) {#f, #s},
static const layout_call calls[] = {
#include LIST
};

const layout LAYOUT = {rows, numbers, calls, COUNT(rows), COUNT(numbers), COUNT(calls)};
