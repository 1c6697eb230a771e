/* SPDX-License-Identifier: MIT */
/*
 * On-line K-means over the columns of a covariance (MacQueen 1967): a column moves its nearest mean
 * by its share of all columns that have moved it. Of several tries the one with the least inertia
 * counts; a specialist then gets the classes whose columns are nearest to its mean. Classes differ
 * in how often they are predicted by orders of magnitude, and so do their columns; unless they are
 * made equally long, the rare classes are a group of their own.
 */
#include "specialist/covariance.h"

#include <math.h>
#include <string.h>

typedef struct kmeans {
    size_t k, sets;
    double *columns;  /* [k,k] */
    double *means;    /* [sets,k] of this try */
    double *best;     /* [sets,k] of the best one */
    double *distance; /* [k] of a mean's columns */
    uint64_t *moved;  /* [sets] columns that have moved a mean */
    uint32_t *order;  /* [k] */
} kmeans;

static void lay_out(kmeans *km, kdi_arena *arena)
{
    size_t columns = 0, means = 0;
    arena->overflow = arena->overflow || !kdi_base_mul(km->k, km->k, &columns) ||
                      !kdi_base_mul(km->sets, km->k, &means);
    if (arena->overflow) {
        return;
    }
    km->columns = kdi_base_take(arena, columns, sizeof *km->columns);
    km->means = kdi_base_take(arena, means, sizeof *km->means);
    km->best = kdi_base_take(arena, means, sizeof *km->best);
    km->distance = kdi_base_take(arena, km->k, sizeof *km->distance);
    km->moved = kdi_base_take(arena, km->sets, sizeof *km->moved);
    km->order = kdi_base_take(arena, km->k, sizeof *km->order);
}

static double squared_distance(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    }
    return sum;
}

/* The mean nearest to a column, the first of equals. */
static size_t nearest(const kmeans *km, const double *column, double *out_distance)
{
    size_t best = 0;
    *out_distance = (double)INFINITY;
    for (size_t m = 0; m < km->sets; m++) {
        double d = squared_distance(column, km->means + m * km->k, km->k);
        if (d < *out_distance) {
            *out_distance = d;
            best = m;
        }
    }
    return best;
}

/* Means begin at different columns, and each walk takes the columns in another order. */
static double try_once(kmeans *km, const kd_cluster_options *o, uint32_t try)
{
    size_t k = km->k;
    double distance;
    double inertia = 0.0;
    uint32_t walk = try * (o->rounds + 1);
    (void)kd_shuffle(o->seed, walk, k, km->order, NULL);
    for (size_t m = 0; m < km->sets; m++) {
        memcpy(km->means + m * k, km->columns + km->order[m] * k, k * sizeof *km->means);
        km->moved[m] = 0;
    }
    for (uint32_t round = 1; round <= o->rounds; round++) {
        (void)kd_shuffle(o->seed, walk + round, k, km->order, NULL);
        for (size_t i = 0; i < k; i++) {
            const double *column = km->columns + km->order[i] * k;
            size_t m = nearest(km, column, &distance);
            double share = 1.0 / (double)++km->moved[m];
            for (size_t j = 0; j < k; j++) {
                km->means[m * k + j] += share * (column[j] - km->means[m * k + j]);
            }
        }
    }
    for (size_t i = 0; i < k; i++) {
        (void)nearest(km, km->columns + i * k, &distance);
        inertia += distance;
    }
    return inertia;
}

static void sort(uint32_t *values, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t value = values[i];
        size_t j = i;
        for (; j > 0 && values[j - 1] > value; j--) {
            values[j] = values[j - 1];
        }
        values[j] = value;
    }
}

/* The classes nearest to a mean, ascending; of equals the lowest. */
static void choose(kmeans *km, size_t m, size_t classes, uint32_t *out)
{
    for (size_t i = 0; i < km->k; i++) {
        km->distance[i] = squared_distance(km->columns + i * km->k, km->best + m * km->k, km->k);
    }
    for (size_t n = 0; n < classes; n++) {
        size_t best = km->k;
        for (size_t i = 0; i < km->k; i++) {
            bool is_left = km->distance[i] >= 0.0;
            best = is_left && (best == km->k || km->distance[i] < km->distance[best]) ? i : best;
        }
        out[n] = (uint32_t)best;
        km->distance[best] = -1.0; /* taken */
    }
    sort(out, classes);
}

/* Rows in the order of what they begin with, so that a try's numbering does not show. */
static void sort_rows(uint32_t *rows, size_t n, size_t width)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t j = i; j > 0; j--) {
            uint32_t *a = rows + (j - 1) * width;
            uint32_t *b = rows + j * width;
            size_t at = 0;
            while (at + 1 < width && a[at] == b[at]) {
                at++;
            }
            if (a[at] <= b[at]) {
                break;
            }
            for (size_t c = 0; c < width; c++) {
                uint32_t swapped = a[c];
                a[c] = b[c];
                b[c] = swapped;
            }
        }
    }
}

static kd_status read_options(kd_cluster_options *o, const kd_cluster_options *given, size_t k,
                              kd_error *error)
{
    kd_status status = kdi_base_open(o, sizeof *o, given, "options", 2, error);
    if (status == KD_OK) {
        status = kdi_base_check_size(o->sets, "options.sets", 2, error);
    }
    if (status == KD_OK) {
        status = kdi_base_check_size(o->classes, "options.classes", 2, error);
    }
    if (status != KD_OK) {
        return status;
    }
    if (o->sets > KD_MAX_MEMBERS || o->sets > k || o->classes > k) {
        bool sets = o->sets > KD_MAX_MEMBERS || o->sets > k;
        return kdi_base_fail(error, KD_ERR_TOO_LARGE, 2, "options.%s is %z, above %z",
                             sets ? "sets" : "classes", sets ? o->sets : o->classes,
                             sets && k > KD_MAX_MEMBERS ? (size_t)KD_MAX_MEMBERS : k);
    }
    if (o->tries == 0 || o->rounds == 0 ||
        (uint64_t)o->tries * ((uint64_t)o->rounds + 1) > UINT32_MAX) {
        return kdi_base_fail(error, o->tries && o->rounds ? KD_ERR_TOO_LARGE : KD_ERR_SIZE, 2,
                             "options.tries is %z and options.rounds is %z", (size_t)o->tries,
                             (size_t)o->rounds);
    }
    if (o->reserved != 0) {
        return kdi_base_fail(error, KD_ERR_STRUCT, 2, "options.reserved is %i, not 0",
                             (int64_t)o->reserved);
    }
    if (o->columns != KD_COLUMN_UNIT && o->columns != KD_COLUMN_RAW) {
        return kdi_base_fail(error, KD_ERR_KIND, 2, "options.columns is %i, no such kind",
                             (int64_t)o->columns);
    }
    return KD_OK;
}

/* Divided first by the largest, so that no square is lost below the smallest double. */
static void make_unit(double *column, size_t k)
{
    double largest = 0.0, sum = 0.0;
    for (size_t i = 0; i < k; i++) {
        largest = fabs(column[i]) > largest ? fabs(column[i]) : largest;
    }
    for (size_t i = 0; i < k && largest > 0.0; i++) {
        column[i] /= largest;
        sum += column[i] * column[i];
    }
    for (size_t i = 0; i < k && largest > 0.0; i++) {
        column[i] /= sqrt(sum);
    }
}

static void read_columns(kmeans *km, const kd_covariance *c, kd_column_kind kind)
{
    for (size_t i = 0; i < km->k; i++) {
        double *column = km->columns + i * km->k;
        for (size_t j = 0; j < km->k; j++) {
            column[j] = kdi_specialist_covariance(c, i, j);
        }
        if (kind == KD_COLUMN_UNIT) {
            make_unit(column, km->k);
        }
    }
}

static double run(kmeans *km, const kd_covariance *c, const kd_cluster_options *o)
{
    double least = (double)INFINITY;
    read_columns(km, c, o->columns);
    for (uint32_t try = 0; try < o->tries; try++) {
        double inertia = try_once(km, o, try);
        if (inertia < least) {
            least = inertia;
            memcpy(km->best, km->means, km->sets * km->k * sizeof *km->best);
        }
    }
    return least;
}

kd_status kd_covariance_cluster(const kd_covariance *covariance, const kd_cluster_options *options,
                                uint32_t *out_classes, double *out_inertia, kd_error *error)
{
    kd_cluster_options o = KD_CLUSTER_OPTIONS_INIT;
    kd_status status = kdi_specialist_has_cases(covariance, error);
    if (status == KD_OK) {
        status = read_options(&o, options, covariance->k, error);
    }
    if (status == KD_OK && !out_classes) {
        status = kdi_base_fail(error, KD_ERR_NULL, 3, "out_classes is NULL");
    }
    if (status != KD_OK) {
        return status;
    }
    kmeans km = {.k = covariance->k, .sets = o.sets};
    kdi_arena measure = {0};
    lay_out(&km, &measure);
    void *block = measure.overflow ? NULL : kdi_ctx_new(covariance->context, measure.used);
    if (!block) {
        return kdi_base_fail(error, KD_ERR_MEMORY, 0, "no memory for K-means of %z classes", km.k);
    }
    kdi_arena place = {.base = block};
    lay_out(&km, &place);
    double inertia = run(&km, covariance, &o);
    for (size_t m = 0; m < o.sets; m++) {
        choose(&km, m, o.classes, out_classes + m * o.classes);
    }
    sort_rows(out_classes, o.sets, o.classes);
    if (out_inertia) {
        *out_inertia = inertia;
    }
    kdi_ctx_delete(covariance->context, block, measure.used);
    return KD_OK;
}
