/* SPDX-License-Identifier: MIT */
/** Dropout, for every vec_*.h; layers_ref.c says which bits serve which element. */
#ifndef KDI_KERN_DROPOUT_VEC_H
#define KDI_KERN_DROPOUT_VEC_H

/*
 * Philox4x32-10 as in base/rng.c, VEC blocks at once. A word of 32 bits lives in 64, so that its
 * product has room; the upper halves hold leftovers that no product reads. Even blocks and odd ones
 * run side by side and are zipped at the end.
 */
enum { ROUNDS = 10 };

typedef struct round_keys {
    uint32_t word[ROUNDS][2];
} round_keys;

KDI_INLINE round_keys keys_of(kdi_rng_key key)
{
    round_keys keys;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        keys.word[round][0] = key.word[0] + round * 0x9E3779B9u;
        keys.word[round][1] = key.word[1] + round * 0xBB67AE85u;
    }
    return keys;
}

KDI_INLINE void philox_round(const uint32_t key[2], bits word[4])
{
    bits p0 = bits_product(word[0], bits_all(0xD2511F53u));
    bits p1 = bits_product(word[2], bits_all(0xCD9E8D57u));
    word[0] = bits_mix(p1, word[1], bits_all(key[0]));
    word[1] = p1;
    word[2] = bits_mix(p0, word[3], bits_all(key[1]));
    word[3] = p0;
}

/* The words of one span of 128 elements, [4,KDI_RNG_BLOCKS], and a vector that may be loaded. */
enum { DROP_SPAN = 8 * KDI_RNG_BLOCKS, DROP_WORDS = 4 * KDI_RNG_BLOCKS + VEC };

static void span_fill(const round_keys *keys, const kdi_drop *drop, size_t index,
                      uint32_t out[DROP_WORDS])
{
    const bits rest[3] = {bits_all(drop->epoch), bits_all((uint32_t)drop->id),
                          bits_all((uint32_t)(drop->id >> 32))};
    for (size_t block = 0; block < KDI_RNG_BLOCKS; block += VEC) {
        uint32_t first = (uint32_t)(index * KDI_RNG_BLOCKS + block);
        bits even[4] = {bits_counter(first), rest[0], rest[1], rest[2]};
        bits odd[4] = {bits_counter(first + 1), rest[0], rest[1], rest[2]};
        for (size_t round = 0; round < ROUNDS; round++) {
            philox_round(keys->word[round], even);
            philox_round(keys->word[round], odd);
        }
        for (size_t j = 0; j < 4; j++) {
            bits_store(out + j * KDI_RNG_BLOCKS + block, bits_zip(even[j], odd[j]));
        }
    }
}

/* n elements; the topmost 16 bits of each word reach those of `threshold` if it is kept. */
KDI_INLINE void drop_step(bits word, bits threshold, vec scale, const float *x, float *y, size_t n)
{
    vec kept = vec_keep(bits_reach(word, threshold), vec_load(x, n, vec_all(0.0f)) * scale);
    vec_store(y, n, kept);
}

/* A whole span: its first half has the low bits of the words, the second the high ones. */
KDI_INLINE void drop_span(const uint32_t *words, bits threshold, vec scale, const float *x,
                          float *y)
{
    for (size_t i = 0; i < DROP_SPAN / 2; i += VEC) {
        drop_step(bits_upwards(bits_load(words + i)), threshold, scale, x + i, y + i, VEC);
    }
    for (size_t i = 0; i < DROP_SPAN / 2; i += VEC) {
        drop_step(bits_load(words + i), threshold, scale, x + DROP_SPAN / 2 + i,
                  y + DROP_SPAN / 2 + i, VEC);
    }
}

/* Elements first .. last of a span. */
static void drop_part(const uint32_t *words, bits threshold, vec scale, const float *x, float *y,
                      size_t first, size_t last)
{
    for (size_t i = first; i < last;) {
        bool low = i < DROP_SPAN / 2;
        size_t end = low && last > DROP_SPAN / 2 ? DROP_SPAN / 2 : last;
        size_t n = end - i < VEC ? end - i : VEC;
        bits word = bits_load(words + (low ? i : i - DROP_SPAN / 2));
        word = low ? bits_upwards(word) : word;
        drop_step(word, threshold, scale, x + (i - first), y + (i - first), n);
        i += n;
    }
}

void KDI_K(dropout_f32)(const kdi_drop *drop, const float *x, float *y, size_t first, size_t width)
{
    const round_keys keys = keys_of(drop->key);
    const bits threshold = bits_all(drop->threshold << 16);
    const vec scale = vec_all(drop->scale);
    uint32_t words[DROP_WORDS] = {0};
    for (size_t done = 0; done < width;) {
        size_t begin = (first + done) % DROP_SPAN;
        size_t end = width - done < DROP_SPAN - begin ? begin + (width - done) : DROP_SPAN;
        span_fill(&keys, drop, (first + done) / DROP_SPAN, words);
        if (end - begin == DROP_SPAN) {
            drop_span(words, threshold, scale, x + done, y + done);
        } else {
            drop_part(words, threshold, scale, x + done, y + done, begin, end);
        }
        done += end - begin;
    }
}

#endif
