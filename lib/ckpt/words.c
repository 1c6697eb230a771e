/* SPDX-License-Identifier: MIT */
/*
 * Words of the metadata. Each value has one way to be written, so options can be compared as text,
 * and whatever is read must be what would be written.
 */
#include "ckpt/parts.h"

#include <math.h>
#include <string.h>

/* ---- numbers ---- */

/* 1 to 13 hexadecimal digits behind the point are 52 bits: all of a double. */
#define DIGITS 13

void kdi_ckpt_put_number(char out[KDI_WORD_NUMBER], double value)
{
    static const char hex[] = "0123456789abcdef";
    char digits[DIGITS + 1];
    int exponent;
    size_t n = 0;
    if (!(value > 0.0)) {
        kdi_base_say(out, KDI_WORD_NUMBER, "0x0p+0");
        return;
    }
    double rest = 2.0 * frexp(value, &exponent) - 1.0; /* 1.rest * 2^(exponent-1) */
    while (rest > 0.0) {
        rest *= 16.0;
        digits[n++] = hex[(size_t)rest];
        rest -= floor(rest);
    }
    digits[n] = '\0';
    exponent--;
    kdi_base_say(out, KDI_WORD_NUMBER, "0x1%s%sp%s%i", n ? "." : "", digits,
                 exponent < 0 ? "" : "+", (int64_t)exponent);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads generously; whether it is the one way to write the number is seen by writing it. */
static double guess(const char *text)
{
    double value = text[2] == '1' ? 1.0 : 0.0;
    double unit = 1.0;
    const char *at = text + 3;
    for (at += *at == '.'; digit_of(*at) >= 0; at++) {
        unit /= 16.0;
        value += unit * digit_of(*at);
    }
    bool down = *at == 'p' && at[1] == '-';
    int exponent = 0;
    for (at += *at && at[1] ? 2 : 0; *at >= '0' && *at <= '9' && exponent < 10000; at++) {
        exponent = 10 * exponent + (*at - '0');
    }
    return ldexp(value, down ? -exponent : exponent);
}

bool kdi_ckpt_get_number(const char *text, double *out)
{
    char again[KDI_WORD_NUMBER];
    if (strncmp(text, "0x", 2) != 0 || !text[2] || strlen(text) >= sizeof again) {
        return false;
    }
    *out = guess(text);
    if (!isfinite(*out)) {
        return false;
    }
    kdi_ckpt_put_number(again, *out);
    return strcmp(again, text) == 0;
}

bool kdi_ckpt_get_count(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text || (*text == '0' && text[1])) {
        return false;
    }
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = 10 * value + digit;
    }
    *out = value;
    return true;
}

/* ---- lists of words ---- */

static char *add(kdi_words *words, const char *key)
{
    kdi_word *word = &words->list[words->n++];
    word->key = key;
    return word->value;
}

void kdi_ckpt_add_text(kdi_words *words, const char *key, const char *text)
{
    kdi_base_say(add(words, key), KDI_WORD, "%s", text);
}

void kdi_ckpt_add_count(kdi_words *words, const char *key, uint64_t count)
{
    kdi_base_say(add(words, key), KDI_WORD, "%u", count);
}

void kdi_ckpt_add_number(kdi_words *words, const char *key, double value)
{
    char number[KDI_WORD_NUMBER];
    kdi_ckpt_put_number(number, value);
    kdi_ckpt_add_text(words, key, number);
}

static const char *shape_of(kd_schedule_kind kind)
{
    static const char *const names[] = {"constant", "step", "exponential", "cosine", "linear"};
    return names[kind - KD_SCHEDULE_CONSTANT];
}

void kdi_ckpt_add_varying(kdi_words *words, const char *key, const kdi_varying *v)
{
    const kd_schedule *s = &v->schedule;
    char from[KDI_WORD_NUMBER], to[KDI_WORD_NUMBER], factor[KDI_WORD_NUMBER];
    if (!v->scheduled) {
        kdi_ckpt_add_number(words, key, v->constant);
        return;
    }
    kdi_ckpt_put_number(from, (double)s->from);
    kdi_ckpt_put_number(to, (double)s->to);
    kdi_ckpt_put_number(factor, (double)s->factor);
    kdi_base_say(add(words, key), KDI_WORD, "%s from %s to %s factor %s steps %u warmup %u",
                 shape_of(s->kind), from, to, factor, s->steps, s->warmup);
}
