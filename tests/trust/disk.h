/* SPDX-License-Identifier: MIT */
/*
 * A disk whose power fails. Calls of the system that change the files of the tests' folder are
 * noted down; then the folder is made as a disk may hold it if the power went after any of them.
 *
 * What has reached the disk for certain: the bytes and the size of a file, when it was brought
 * there (fsync) the last time; the names in the folder, when the folder was. Of all that was done
 * since, anything or nothing may be there:
 *
 *   - the size of a file is one that it has had since then;
 *   - each 512 bytes of it are as they were at some moment since then, without regard to what is
 *     before or behind them; so writes are lost, come in another order, or are torn, and where a
 *     file has grown but its bytes did not come there are zeros;
 *   - each name that was made, replaced or removed was so or not. A rename is one act.
 */
#ifndef KD_TESTS_TRUST_DISK_H
#define KD_TESTS_TRUST_DISK_H

#include "../support/system.h"

/* From here on; the files that are there now, of a few letters each, are on the disk. */
void disk_begin(void);

/* Between two calls: how far the work is, for disk_crash to say. 0 to begin with. */
void disk_mark(size_t mark);

/* No more notes. */
void disk_end(void);

/* The number of calls that were noted. */
size_t disk_calls(void);

/*
 * Makes the folder as it may be when the power has failed after `calls` of them; returns the mark
 * that was reached, the largest of those behind the last call. Each seed is another damage: 0 takes
 * nothing that is not certain, 1 everything, 2 and 3 sizes without bytes; the others draw lots.
 */
size_t disk_crash(size_t calls, uint64_t seed);

/* Forgets the notes. */
void disk_forget(void);

#endif
