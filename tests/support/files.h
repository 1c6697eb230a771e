/* SPDX-License-Identifier: MIT */
/* What tests that touch the file system share: a folder, and what is in it. */
#ifndef KD_TESTS_FILES_H
#define KD_TESTS_FILES_H

#include "bytes.h"

/* A new folder for this test; files_done removes it with everything in it. */
const char *files_begin(void);
void files_done(void);

/* The same, in memory if the system has such a folder: for files that are saved by the thousand. */
const char *files_begin_quick(void);

/* Removes what is in the folder. */
void files_clear(void);

/* "folder/name"; two of them at a time. */
const char *files_path(const char *name);

/* Puts these bytes there, without the library. */
void files_put(const char *name, const void *bytes, size_t size);

/* The bytes of a file; `size` must be its own. */
bool files_has(const char *name, const void *bytes, size_t size);

/* The bytes of a file; free them with io_free. */
io_bytes files_get(const char *name);

/* Number of entries in the folder. */
size_t files_count(void);

/* Runs `work` in a child that may give up its rights; its result, 0 to 255. */
int files_child(int (*work)(void));

#endif
