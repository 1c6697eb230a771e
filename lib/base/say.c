/* SPDX-License-Identifier: MIT */
/* Sentences for failures, without stdio: printf's %g depends on the locale, and may allocate. */
#include "base/base.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

typedef struct writer {
    char *text;
    size_t size; /* of text, with the final zero */
    size_t used;
} writer;

static void put(writer *w, char c)
{
    if (w->used + 1 < w->size) {
        w->text[w->used++] = c;
    }
}

static void put_string(writer *w, const char *s)
{
    while (*s) {
        put(w, *s++);
    }
}

static void put_unsigned(writer *w, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (n) {
        put(w, digits[--n]);
    }
}

static void put_signed(writer *w, int64_t value)
{
    if (value < 0) {
        put(w, '-');
        put_unsigned(w, (uint64_t)(-(value + 1)) + 1);
    } else {
        put_unsigned(w, (uint64_t)value);
    }
}

/* Six significant digits of a positive finite number: digits * 10^(exponent-5). */
static uint32_t six_digits(double value, int *exponent)
{
    *exponent = (int)floor(log10(value));
    /* Two factors, so that the scale of a denormal does not overflow. */
    int whole = 5 - *exponent;
    int half = whole / 2;
    double scaled = value * pow(10.0, half) * pow(10.0, whole - half);
    double digits = floor(scaled + 0.5);
    if (digits < 100000.0) {
        digits = floor(scaled * 10.0 + 0.5);
        *exponent -= 1;
    } else if (digits >= 1000000.0) {
        digits = floor(scaled / 10.0 + 0.5);
        *exponent += 1;
    }
    return (uint32_t)digits;
}

static void put_fixed(writer *w, const char digit[6], int last, int exponent)
{
    if (exponent < 0) {
        put_string(w, "0.");
        for (int i = -1; i > exponent; i--) {
            put(w, '0');
        }
    }
    for (int i = 0; i <= last || i <= exponent; i++) {
        if (exponent >= 0 && i == exponent + 1) {
            put(w, '.');
        }
        put(w, (char)(i <= last ? digit[i] : '0'));
    }
}

static void put_double(writer *w, double value)
{
    if (isnan(value)) {
        put_string(w, "nan");
        return;
    }
    if (signbit(value)) {
        put(w, '-');
        value = -value;
    }
    if (isinf(value) || value == 0.0) {
        put_string(w, value == 0.0 ? "0" : "inf");
        return;
    }
    int exponent;
    uint32_t digits = six_digits(value, &exponent);
    char digit[6];
    for (int i = 5; i >= 0; i--, digits /= 10) {
        digit[i] = (char)('0' + digits % 10);
    }
    int last = 5;
    while (last > 0 && digit[last] == '0') {
        last--;
    }
    if (exponent >= -5 && exponent < 6) {
        put_fixed(w, digit, last, exponent);
        return;
    }
    put_fixed(w, digit, last, 0);
    put(w, 'e');
    put_signed(w, exponent);
}

static void say(writer *w, const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(w, *format);
            continue;
        }
        switch (*++format) {
        case 's':
            put_string(w, va_arg(arguments, const char *));
            break;
        case 'z': /* NOLINT(bugprone-branch-clone): a type of another name than u's */
            put_unsigned(w, va_arg(arguments, size_t));
            break;
        case 'u':
            put_unsigned(w, va_arg(arguments, uint64_t));
            break;
        case 'i':
            put_signed(w, va_arg(arguments, int64_t));
            break;
        case 'g':
            put_double(w, va_arg(arguments, double));
            break;
        default:
            put(w, '%');
        }
    }
    w->text[w->used] = '\0';
}

void kdi_base_say(char *text, size_t size, const char *format, ...)
{
    writer w = {text, size, 0};
    va_list arguments;
    va_start(arguments, format);
    say(&w, format, arguments);
    va_end(arguments);
}

void kdi_base_blame(kd_error *error, int argument)
{
    size_t end = offsetof(kd_error, argument) + sizeof error->argument;
    if (error && kdi_base_struct_ok(error) && error->struct_size >= end) {
        error->argument = argument;
    }
}

kd_status kdi_base_fail(kd_error *error, kd_status status, int argument, const char *format, ...)
{
    if (!error || !kdi_base_struct_ok(error)) {
        return status;
    }
    kd_error known = KD_ERROR_INIT;
    known.status = status;
    known.argument = argument;
    writer w = {known.text, sizeof known.text, 0};
    va_list arguments;
    va_start(arguments, format);
    say(&w, format, arguments);
    va_end(arguments);
    kdi_base_write_struct(error, &known, sizeof known);
    size_t end = offsetof(kd_error, text);
    if (error->struct_size > end && error->struct_size < sizeof known) {
        error->text[error->struct_size - end - 1] = '\0'; /* a shorter caller's text is cut */
    }
    return status;
}
