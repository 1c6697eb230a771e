/* SPDX-License-Identifier: MIT */
/*
 * The matrix products of a step, as a dense layer with weights [out,in] needs them: forward
 * y[n,out] = x[n,in] w^T; gradient of the weights dw[out,in] = dy^T x; gradient of the inputs
 * dx[n,in] = dy w, which the first layer is spared. A live teacher has the forward product only.
 */
#include "bench.h"

#include <cblas.h>

static size_t add(product *products, size_t kinds, product p)
{
    for (size_t i = 0; i < kinds; i++) {
        const product *q = &products[i];
        if (q->op == p.op && q->n == p.n && q->in == p.in && q->out == p.out) {
            products[i].count++;
            return kinds;
        }
    }
    products[kinds] = p;
    return kinds + 1;
}

size_t products_list(const workload *w, product out_products[MAX_PRODUCTS])
{
    size_t kinds = 0;
    for (size_t i = 0; i < w->layers; i++) {
        product p = {'f', w->n, w->sizes[i], w->sizes[i + 1], 1};
        kinds = add(out_products, kinds, p);
        p.op = 'w';
        kinds = w->work == WORK_TRAIN ? add(out_products, kinds, p) : kinds;
        p.op = 'd';
        kinds = w->work == WORK_TRAIN && i > 0 ? add(out_products, kinds, p) : kinds;
    }
    for (size_t i = 0; i < w->teacher_layers; i++) {
        product p = {'f', w->n, w->teacher[i], w->teacher[i + 1], 1};
        kinds = add(out_products, kinds, p);
    }
    return kinds;
}

void product_run(const product *p, bool vector, const float *a, const float *b, float *c)
{
    int n = (int)p->n, in = (int)p->in, out = (int)p->out;
    if (vector && p->op == 'f') {
        cblas_sgemv(CblasRowMajor, CblasNoTrans, out, in, 1.0f, b, in, a, 1, 0.0f, c, 1);
    } else if (vector) {
        cblas_sgemv(CblasRowMajor, CblasTrans, out, in, 1.0f, b, in, a, 1, 0.0f, c, 1);
    } else if (p->op == 'f') {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, out, in, 1.0f, a, in, b, in, 0.0f,
                    c, out);
    } else if (p->op == 'w') {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, n, 1.0f, a, out, b, in, 0.0f,
                    c, in);
    } else {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, in, out, 1.0f, a, out, b, in,
                    0.0f, c, in);
    }
}
