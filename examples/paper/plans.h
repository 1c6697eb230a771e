/* SPDX-License-Identifier: MIT */
/**
 * @file plans.h
 * Plans as users see them: FIELD=VALUE,FIELD=VALUE...
 */
#ifndef PLANS_H
#define PLANS_H

#include "training.h"

/** An option that changes a plan. */
typedef struct plan_kind {
    const char *option;       /**< Without dashes. */
    bool taught;              /**< It has fields of soft targets. */
    const char *const *swept; /**< Fields that the program sets itself, to a NULL; or NULL. */
} plan_kind;

/** A field of a plan by number, 0 and up: its name and value; NULL behind the last one. */
const char *plan_field(const plan *p, size_t i, double *out_value);

/** Changes the fields that the words name. False after a message. */
bool plan_read(const plan_kind *kind, const char *text, plan *p);

/** Prints the names of all fields, for the help: lines that go on below --distilled's text. */
void plan_print_fields(void);

/** Prints a plan as an option would say it, without what is 0. */
void plan_print(const char *name, const plan *p);

#endif
