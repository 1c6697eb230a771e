/* SPDX-License-Identifier: MIT */
/* See disk.h. A file is what was opened or made, whatever its name is now. */
#define _XOPEN_SOURCE 700
#include "disk.h"

#include "../support/support.h"

#include <dirent.h>
#include <fcntl.h>

#define SECTOR 512
#define FILES 64 /* made in one go */
#define NAMES 8  /* in the folder at a time */
#define DESCRIPTORS 256
#define NAME 32

enum { NOBODY = -1, FOLDER = FILES }; /* in place of the number of a file */

/* ---- what was noted ---- */

typedef struct note {
    enum { NOTE_MAKE, NOTE_WRITE, NOTE_CUT, NOTE_SYNC, NOTE_RENAME, NOTE_UNLINK, NOTE_MARK } kind;
    int file;
    size_t at;   /* WRITE */
    size_t size; /* WRITE, CUT; MARK: the mark */
    unsigned char *bytes;
    char name[NAME];
    char to[NAME];
} note;

typedef struct name {
    char name[NAME];
    int file;
} name;

typedef struct names {
    name list[NAMES];
    size_t n;
} names;

static note *notes;
static size_t n_notes;
static size_t calls;
static io_bytes first[FILES]; /* as the files were at the beginning */
static names begin_names;
static names live; /* as the running program sees them */
static int files;
static int file_of[DESCRIPTORS];
static size_t end_of[DESCRIPTORS]; /* where the next write goes */

/* ---- names ---- */

static name *find(names *all, const char *wanted)
{
    for (size_t i = 0; i < all->n; i++) {
        if (strcmp(all->list[i].name, wanted) == 0) {
            return &all->list[i];
        }
    }
    return NULL;
}

static void set_name(names *all, const char *wanted, int file)
{
    name *there = find(all, wanted);
    if (!there) {
        assert_true(all->n < NAMES && strlen(wanted) < NAME);
        there = &all->list[all->n++];
        strcpy(there->name, wanted);
    }
    there->file = file;
}

static void drop_name(names *all, const char *wanted)
{
    name *there = find(all, wanted);
    if (there) {
        *there = all->list[--all->n];
    }
}

/* ---- taking notes ---- */

static note *add(note one)
{
    if ((n_notes & (n_notes - 1)) == 0) {
        notes = realloc(notes, (n_notes ? 2 * n_notes : 1) * sizeof *notes);
        assert_non_null(notes);
    }
    calls += one.kind != NOTE_MARK;
    notes[n_notes] = one;
    return &notes[n_notes++];
}

static void see_open(const system_call *call)
{
    const char *slash = strrchr(call->path, '/');
    const char *base = slash ? slash + 1 : call->path;
    assert_true(call->file < DESCRIPTORS);
    end_of[call->file] = 0;
    if (call->flags & O_DIRECTORY) {
        file_of[call->file] = FOLDER;
        return;
    }
    name *there = find(&live, base);
    if (!there && call->flags & O_CREAT) {
        assert_true(files < FILES);
        note *made = add((note){.kind = NOTE_MAKE, .file = files});
        strcpy(made->name, base);
        set_name(&live, base, files++);
        there = find(&live, base);
    }
    file_of[call->file] = there ? there->file : NOBODY;
}

static void see_write(const system_call *call, int file)
{
    size_t at = call->at < 0 ? end_of[call->file] : (size_t)call->at;
    note *made = add((note){.kind = NOTE_WRITE, .file = file, .at = at, .size = call->size});
    made->bytes = malloc(call->size);
    assert_non_null(made->bytes);
    memcpy(made->bytes, call->bytes, call->size);
    end_of[call->file] = at + call->size;
}

static void see_names(const system_call *call)
{
    name *there = find(&live, call->path);
    int file = there ? there->file : NOBODY;
    assert_true(file != NOBODY);
    note *made = add((note){.kind = call->to ? NOTE_RENAME : NOTE_UNLINK, .file = file});
    strcpy(made->name, call->path);
    drop_name(&live, call->path);
    if (call->to) {
        strcpy(made->to, call->to);
        set_name(&live, call->to, file);
    }
}

static void see(const system_call *call)
{
    if (call->kind == CALL_OPEN) {
        see_open(call);
        return;
    }
    if (call->kind == CALL_RENAME || call->kind == CALL_UNLINK) {
        see_names(call);
        return;
    }
    int file = call->file < DESCRIPTORS ? file_of[call->file] : NOBODY;
    if (file == NOBODY) {
        return;
    }
    switch (call->kind) {
    case CALL_WRITE:
        see_write(call, file);
        break;
    case CALL_CUT:
        (void)add((note){.kind = NOTE_CUT, .file = file, .size = call->size});
        break;
    case CALL_SYNC:
        (void)add((note){.kind = NOTE_SYNC, .file = file});
        break;
    default:
        file_of[call->file] = NOBODY;
    }
}

void disk_begin(void)
{
    DIR *all = opendir(files_path("."));
    struct dirent *entry;
    disk_forget();
    assert_non_null(all);
    while ((entry = readdir(all))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            assert_true(files < FILES);
            first[files] = files_get(entry->d_name);
            set_name(&begin_names, entry->d_name, files++);
        }
    }
    closedir(all);
    live = begin_names;
    for (size_t i = 0; i < DESCRIPTORS; i++) {
        file_of[i] = NOBODY;
    }
    system_seen = see;
}

void disk_mark(size_t mark)
{
    if (system_seen) {
        (void)add((note){.kind = NOTE_MARK, .size = mark});
    }
}

void disk_end(void)
{
    system_seen = NULL;
}

size_t disk_calls(void)
{
    return calls;
}

void disk_forget(void)
{
    for (size_t i = 0; i < n_notes; i++) {
        free(notes[i].bytes);
    }
    for (int i = 0; i < files; i++) {
        io_free(&first[i]);
    }
    free(notes);
    notes = NULL;
    n_notes = calls = 0;
    files = 0;
    begin_names.n = live.n = 0;
}

/* ---- the power fails ---- */

/* How damage treats a file, or the names. */
typedef enum fate { FATE_OLD, FATE_NEW, FATE_GROWN, FATE_MOMENT, FATE_MIXED, FATES } fate;

static fate fate_of(uint64_t seed, uint64_t *lots, bool of_names)
{
    static const fate set[4] = {FATE_OLD, FATE_NEW, FATE_GROWN, FATE_GROWN};
    if (seed < COUNT(set)) {
        return !of_names ? set[seed] : seed % 2 ? FATE_NEW : FATE_OLD;
    }
    return support_below(lots, 3) == 0 ? (fate)support_below(lots, FATES) : FATE_MIXED;
}

static void apply(io_bytes *file, const note *n)
{
    static const unsigned char zeros[SECTOR];
    size_t least = n->kind == NOTE_CUT ? n->size : n->at;
    while (file->size < least) {
        io_add(file, zeros, least - file->size < SECTOR ? least - file->size : SECTOR);
    }
    if (n->kind == NOTE_CUT) {
        file->size = n->size;
        return;
    }
    size_t over = file->size - n->at < n->size ? file->size - n->at : n->size;
    if (over > 0) {
        memcpy(file->bytes + n->at, n->bytes, over);
    }
    io_add(file, n->bytes + over, n->size - over);
}

/* Each moment of a file since it was brought to the disk; the number of them. */
static size_t moments(int file, size_t end, io_bytes **out)
{
    io_bytes now_it_is = {0};
    size_t n = 0;
    *out = calloc(end + 1, sizeof **out);
    assert_non_null(*out);
    io_add(&now_it_is, first[file].bytes, first[file].size);
    io_add(&(*out)[n++], now_it_is.bytes, now_it_is.size);
    for (size_t i = 0; i < end; i++) {
        if (notes[i].file != file || notes[i].kind == NOTE_MARK) {
            continue;
        }
        if (notes[i].kind == NOTE_SYNC) {
            while (n > 0) {
                io_free(&(*out)[--n]);
            }
        } else if (notes[i].kind == NOTE_WRITE || notes[i].kind == NOTE_CUT) {
            apply(&now_it_is, &notes[i]);
        } else {
            continue;
        }
        io_add(&(*out)[n++], now_it_is.bytes, now_it_is.size);
    }
    io_free(&now_it_is);
    return n;
}

/* The bytes of one sector as they are in a moment; zeros behind its end. */
static void put_sector(unsigned char *to, size_t at, size_t size, const io_bytes *moment)
{
    memset(to + at, 0, size);
    if (moment->size > at) {
        memcpy(to + at, moment->bytes + at, moment->size - at < size ? moment->size - at : size);
    }
}

static void crash_file(const char *to, int file, size_t end, fate f, uint64_t *lots)
{
    io_bytes *all;
    size_t n = moments(file, end, &all);
    size_t moment = f == FATE_OLD ? 0 : n - 1;
    if (f == FATE_MOMENT || (f == FATE_MIXED && support_below(lots, 2) == 0)) {
        moment = support_below(lots, n);
    }
    size_t size = all[moment].size;
    unsigned char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (size_t at = 0; at < size; at += SECTOR) {
        size_t from = f == FATE_GROWN ? 0 : f == FATE_MIXED ? support_below(lots, n) : moment;
        put_sector(bytes, at, size - at < SECTOR ? size - at : SECTOR, &all[from]);
    }
    files_put(to, bytes, size);
    free(bytes);
    while (n > 0) {
        io_free(&all[--n]);
    }
    free(all);
}

/* The names that are there. */
static names crash_names(size_t end, fate f, uint64_t *lots)
{
    names all = begin_names;
    size_t certain = 0;
    for (size_t i = 0; i < end; i++) {
        certain = notes[i].kind == NOTE_SYNC && notes[i].file == FOLDER ? i : certain;
    }
    size_t moment = certain + support_below(lots, end - certain + 1);
    for (size_t i = 0; i < end; i++) {
        const note *n = &notes[i];
        bool is_done = i < certain || f == FATE_NEW || (f == FATE_MOMENT && i < moment) ||
                       (f == FATE_MIXED && support_below(lots, 2) == 0);
        if (!is_done) {
            continue;
        }
        if (n->kind == NOTE_UNLINK || n->kind == NOTE_RENAME) {
            drop_name(&all, n->name);
        }
        if (n->kind == NOTE_MAKE || n->kind == NOTE_RENAME) {
            set_name(&all, n->kind == NOTE_MAKE ? n->name : n->to, n->file);
        }
    }
    return all;
}

size_t disk_crash(size_t count, uint64_t seed)
{
    uint64_t lots = seed;
    size_t end = 0;
    size_t mark = 0;
    for (; end < n_notes && (count > 0 || notes[end].kind == NOTE_MARK); end++) {
        if (notes[end].kind != NOTE_MARK) {
            count--;
        } else if (count > 0 || notes[end].size > mark) {
            mark = notes[end].size;
        }
    }
    names all = crash_names(end, fate_of(seed, &lots, true), &lots);
    files_clear();
    for (size_t i = 0; i < all.n; i++) {
        crash_file(all.list[i].name, all.list[i].file, end, fate_of(seed, &lots, false), &lots);
    }
    return mark;
}
