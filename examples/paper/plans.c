/* SPDX-License-Identifier: MIT */
/* Fields of plans by name. */
#include "plans.h"

#include "arguments.h"

#include <stdio.h>
#include <string.h>

/* Points to one field; exactly one of the three is not NULL. */
typedef struct field {
    const char *name;
    double low, high;
    size_t *size;
    float *number;
    int *whole;
} field;

enum { FIELDS = 13 };

static void fields_of(plan *p, field out[FIELDS])
{
    const field all[FIELDS] = {
        {"layers", 1, 100, &p->layers, NULL, NULL},
        {"hidden", 1, 100000, &p->hidden, NULL, NULL},
        {"epochs", 1, 100000, &p->epochs, NULL, NULL},
        {"batch", 1, 1000000, &p->batch, NULL, NULL},
        {"rate", 1e-9, 100, NULL, &p->rate, NULL},
        {"momentum", 0, 0.9999, NULL, &p->momentum, NULL},
        {"input_dropout", 0, 0.99, NULL, &p->input_dropout, NULL},
        {"hidden_dropout", 0, 0.99, NULL, &p->hidden_dropout, NULL},
        {"max_norm", 0, 1e6, NULL, &p->max_norm, NULL},
        {"jitter", 0, 14, NULL, NULL, &p->jitter},
        {"temperature", 1e-3, 1e6, NULL, &p->temperature, NULL},
        {"soft_weight", 0, 1e6, NULL, &p->soft_weight, NULL},
        {"hard_weight", 0, 1e6, NULL, &p->hard_weight, NULL},
    };
    memcpy(out, all, sizeof all);
}

const char *plan_field(const plan *p, size_t i, double *out_value)
{
    plan copy = *p;
    field fields[FIELDS];
    if (i >= FIELDS) {
        return NULL;
    }
    fields_of(&copy, fields);
    const field *f = &fields[i];
    *out_value = f->size ? (double)*f->size : f->number ? (double)*f->number : (double)*f->whole;
    return f->name;
}

/* ---- reading ---- */

/* The field that this text, FIELD=VALUE, is about; NULL after a message. */
static const field *find(const plan_kind *kind, const field fields[FIELDS], const char *text,
                         size_t length, size_t name)
{
    static const char *const soft[] = {"temperature", "soft_weight", "hard_weight", NULL};
    const field *found = NULL;
    for (size_t i = 0; name < length && i < FIELDS; i++) {
        if (strlen(fields[i].name) == name && strncmp(text, fields[i].name, name) == 0) {
            found = &fields[i];
        }
    }
    const char *wrong = found ? NULL : "not FIELD=VALUE; --help names the fields";
    for (size_t i = 0; found && !kind->taught && soft[i]; i++) {
        if (strcmp(found->name, soft[i]) == 0) {
            wrong = "of no meaning without a teacher";
        }
    }
    for (size_t i = 0; found && kind->swept && kind->swept[i]; i++) {
        if (strcmp(found->name, kind->swept[i]) == 0) {
            wrong = "this program sets that itself";
        }
    }
    return wrong ? (argument_refuse(kind->option, text, length, wrong), NULL) : found;
}

static void set(const field *f, double value)
{
    if (f->size) {
        *f->size = (size_t)value;
    } else if (f->number) {
        *f->number = (float)value;
    } else {
        *f->whole = (int)value;
    }
}

bool plan_read(const plan_kind *kind, const char *text, plan *p)
{
    field fields[FIELDS];
    fields_of(p, fields);
    bool given[FIELDS] = {false};
    for (bool more = true; more;) {
        size_t length = strcspn(text, ",");
        size_t name = strcspn(text, "=,");
        double value;
        const field *f = find(kind, fields, text, length, name);
        if (f && given[f - fields]) {
            return argument_refuse(kind->option, text, length, "given twice");
        }
        if (!f || !argument_number(kind->option, text, length, name + 1, f->low, f->high,
                                   !f->number, &value)) {
            return false;
        }
        set(f, value);
        given[f - fields] = true;
        more = text[length] != '\0';
        text += length + 1;
    }
    return true;
}

/* ---- printing ---- */

void plan_print_fields(void)
{
    static const plan any = {0};
    double value;
    const char *name;
    size_t column = 82; /* behind "Fields are" */
    for (size_t i = 0; (name = plan_field(&any, i, &value)) != NULL; i++) {
        size_t length = strlen(name) + 2;
        bool fits = column + length < 100;
        printf(i == 0 ? " %s" : fits ? ", %s" : ",\n                     %s", name);
        column = fits ? column + length : 21 + length;
    }
}

void plan_print(const char *name, const plan *p)
{
    double value;
    const char *what;
    size_t column = (size_t)printf("  --%-9s ", name);
    for (size_t i = 0, n = 0; (what = plan_field(p, i, &value)) != NULL; i++) {
        char text[60];
        size_t length = (size_t)snprintf(text, sizeof text, "%s=%g", what, value);
        bool fits = column + length + 1 < 100;
        if (value != 0.0) {
            printf(n++ == 0 ? "%s" : fits ? ",%s" : ",\n              %s", text);
            column = (fits ? column : 14) + length + 1;
        }
    }
    putchar('\n');
}
