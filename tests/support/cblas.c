/* SPDX-License-Identifier: MIT */
/*
 * A CBLAS of what libkd, its build and its tests ask for: for sanitizers that must see every read
 * and write (tests/sanitize.sh). Sums run in double, so that tests that compare with double are
 * content.
 */
float cblas_sdot(int n, const float *x, int x_step, const float *y, int y_step);
void cblas_sgemm(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
void cblas_sgemv(int layout, int trans, int m, int n, float alpha, const float *a, int lda,
                 const float *x, int x_step, float beta, float *y, int y_step);

#define NO_TRANS 111

static double at(const float *m, int trans, int stride, int row, int column)
{
    return (double)(trans == NO_TRANS ? m[(long)row * stride + column]
                                      : m[(long)column * stride + row]);
}

float cblas_sdot(int n, const float *x, int x_step, const float *y, int y_step)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        sum += (double)x[(long)i * x_step] * (double)y[(long)i * y_step];
    }
    return (float)sum;
}

/* Row-major only. */
void cblas_sgemm(int layout, int trans_a, int trans_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc)
{
    (void)layout;
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            float *out = c + (long)i * ldc + j;
            double sum = 0;
            for (int l = 0; l < k; l++) {
                sum += at(a, trans_a, lda, i, l) * at(b, trans_b, ldb, l, j);
            }
            *out = (float)((double)alpha * sum + (beta != 0 ? (double)beta * (double)*out : 0));
        }
    }
}

void cblas_sgemv(int layout, int trans, int m, int n, float alpha, const float *a, int lda,
                 const float *x, int x_step, float beta, float *y, int y_step)
{
    (void)layout;
    int rows = trans == NO_TRANS ? m : n;
    int columns = trans == NO_TRANS ? n : m;
    for (int i = 0; i < rows; i++) {
        float *out = y + (long)i * y_step;
        double sum = 0;
        for (int j = 0; j < columns; j++) {
            sum += at(a, trans, lda, i, j) * (double)x[(long)j * x_step];
        }
        *out = (float)((double)alpha * sum + (beta != 0 ? (double)beta * (double)*out : 0));
    }
}
